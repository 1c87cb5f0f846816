/* What evaluation and training transforms share. */
#ifndef THAW_SRC_DATA_TRANSFORM_H
#define THAW_SRC_DATA_TRANSFORM_H

#include "src/data/image.h"
#include "thaw/transform.h"

/* torchvision's Resize: the size of an image of `width` x `height` once its shorter side is `shorter`. */
void thaw_shorter_side(int width, int height, int shorter, int *new_width, int *new_height);

/* What a transform shows of a picture: `crop` of it, resized to width x height, and of that the square that starts at
 * (left, top). Where the square leaves the resized image it is black. */
struct framing {
	struct thaw_rectangle crop;
	int shrink; /* by the decoder, before resizing: 1, 2, 4 or 8 */
	int width, height;
	int left, top;
};

/* Makes the square p->size of the picture, decoding no more than it needs. */
thaw_status thaw_frame(struct thaw_image *square, const struct thaw_encoded_image *encoded, const struct framing *f,
		       const struct thaw_preprocess *p);

/* out (size,size,3) = (pixels / 255 - mean) / std, each row reversed if `mirrored`. */
void thaw_normalise(const struct thaw_image *image, bool mirrored, const struct thaw_preprocess *p, float *out);

/* Brightness, contrast and saturation by these factors, on the bytes as torchvision does on tensors. */
void thaw_jitter(struct thaw_image *image, double brightness, double contrast, double saturation);

#endif
