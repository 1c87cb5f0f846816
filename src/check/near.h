/* Near duplicates: the same picture again, compressed, resized or cropped. */
#ifndef THAW_SRC_CHECK_NEAR_H
#define THAW_SRC_CHECK_NEAR_H

#include "src/check/copies.h"
#include "src/check/hash_pairs.h"
#include "src/check/perceptual_hash.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/train.h"

enum { THAW_THUMBNAIL_SIDE = 48, THAW_THUMBNAIL_COLOUR_SIDE = 12 };

/* An image in a form in which it can be compared in detail. */
struct thaw_thumbnail {
	uint8_t small;                                            /* the image has fewer pixels than this */
	uint8_t made;                                             /* 0: the image could not be read */
	uint8_t light[THAW_THUMBNAIL_SIDE * THAW_THUMBNAIL_SIDE]; /* luminance */
	/* Half of red and of blue minus the luminance, plus 128. */
	uint8_t red[THAW_THUMBNAIL_COLOUR_SIDE * THAW_THUMBNAIL_COLOUR_SIDE];
	uint8_t blue[THAW_THUMBNAIL_COLOUR_SIDE * THAW_THUMBNAIL_COLOUR_SIDE];
};

thaw_status thaw_thumbnail_make(struct thaw_thumbnail *t, const struct thaw_image *image);

/* How much of one image is in another. */
struct thaw_likeness {
	float light;  /* correlation of the luminance, -1 .. 1 */
	float detail; /* correlation of its differences to the neighbourhood */
	float colour; /* mean difference of the colours, 0 .. 1 */
	bool small;   /* there are few pixels to compare */
};

/* Compares `part` with the window of `whole` that is most like it, searched from `window` on. */
struct thaw_likeness thaw_thumbnails_compare(const struct thaw_thumbnail *whole, struct thaw_window window,
					     const struct thaw_thumbnail *part);

/* Whether two images that are so much alike are the same picture. */
bool thaw_likeness_is_near(const struct thaw_likeness *l);

/* Reads the images of the pairs again, on all ranks, and keeps the pairs that are near duplicates. candidates: on rank
 * 0; else NULL. *near: on rank 0; the caller releases it. Collective. */
thaw_status thaw_near_find(struct thaw_copies *near, struct thaw_comm *comm, const struct thaw_dataset *dataset,
			   const struct thaw_hash_pairs *candidates, int threads,
			   const struct thaw_callbacks *callbacks);

#endif
