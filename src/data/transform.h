/* What evaluation and training transforms share. */
#ifndef THAW_SRC_DATA_TRANSFORM_H
#define THAW_SRC_DATA_TRANSFORM_H

#include "src/data/image.h"
#include "thaw/transform.h"

/* torchvision's Resize: the size of an image of `width` x `height` once its shorter side is `shorter`. */
void thaw_shorter_side(int width, int height, int shorter, int *new_width, int *new_height);

/* The square of p->size at (left, top) of the whole `from` resized to width x height, into to->pixels, which is
 * zeroed. Where the square leaves the resized image it stays zero. */
thaw_status thaw_resample_square(struct thaw_image *to, const struct image_view *from, int width, int height, int left,
				 int top, enum thaw_filter filter);

/* A zeroed image (size, size). */
thaw_status thaw_square_allocate(struct thaw_image *image, int size);

/* out (size,size,3) = (pixels / 255 - mean) / std. */
void thaw_normalise(const struct thaw_image *image, const struct thaw_preprocess *p, float *out);

/* Brightness, contrast and saturation by these factors, on the bytes as torchvision does on tensors. */
void thaw_jitter(struct thaw_image *image, double brightness, double contrast, double saturation);

#endif
