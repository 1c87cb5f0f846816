/* Perceptual hashes: 64 bits that change little when an image is compressed again, resized or slightly cropped. */
#ifndef THAW_SRC_CHECK_PERCEPTUAL_HASH_H
#define THAW_SRC_CHECK_PERCEPTUAL_HASH_H

#include "src/check/luminance.h"

/* Views of an image: the whole of it, and parts that come close to any crop which takes up to a tenth from each side.
 * The hash of a crop is near that of one of the views of the image it was cut from. */
#define THAW_HASH_VIEWS 17

struct thaw_window thaw_hash_view(int view); /* 0 .. THAW_HASH_VIEWS - 1; view 0 is the whole image */

/* The hash of a part of an image: which of the lowest frequencies of its discrete cosine transform are above their
 * median. */
uint64_t thaw_perceptual_hash(const struct thaw_luminance *l, const struct thaw_window *window);

/* The hashes of all views. */
void thaw_perceptual_hashes(const struct thaw_luminance *l, uint64_t hash[THAW_HASH_VIEWS]);

#endif
