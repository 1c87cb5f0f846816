/* From an image to a network's input. */
#ifndef THAW_TRANSFORM_H
#define THAW_TRANSFORM_H

#include "thaw/api.h"
#include "thaw/image.h"
#include "thaw/random.h"

THAW_BEGIN_DECLS

#define THAW_MAX_SIDE 16384 /* pixels of a network's square input */

/* How a network wants its images. */
struct thaw_preprocess {
	int size;   /* side of the square input */
	int resize; /* evaluation: the shorter side is resized to this, then cropped to size */
	enum thaw_filter filter;
	float mean[3], std[3]; /* of RGB in 0..1 */
};

/* The same preprocessing for another input size: resize grows in proportion. size 0: unchanged. */
struct thaw_preprocess thaw_preprocess_at(const struct thaw_preprocess *p, int size);

/* Training augmentation. */
struct thaw_augment {
	float scale[2]; /* share of the area that a crop takes, (0.08, 1) is torchvision's */
	float ratio[2]; /* width / height of a crop, (3/4, 4/3) */
	float flip;     /* probability of a horizontal mirror */
	float jitter;   /* brightness, contrast and saturation each by a factor in 1 - j .. 1 + j */
	int pad_crop;   /* > 0: instead of scale and ratio, pad by this many pixels of zero after resizing and
			 * crop at random (the CIFAR recipe) */
};

/* torchvision's training defaults. */
struct thaw_augment thaw_augment_default(void);

/* out (size,size,3), normalised: resize the shorter side, centre crop as torchvision does, to the bit. */
thaw_status thaw_transform_eval(const struct thaw_encoded_image *encoded, const struct thaw_preprocess *p, float *out);

/* out (size,size,3): random resized crop, flip, jitter, normalise; all choices drawn from `random`. Of a JPEG whose
 * crop is at least twice as large as `size`, the decoder halves the pixels first, or divides them by 4 or 8. */
thaw_status thaw_transform_train(const struct thaw_encoded_image *encoded, const struct thaw_preprocess *p,
				 const struct thaw_augment *a, struct thaw_random random, float *out);

THAW_END_DECLS

#endif
