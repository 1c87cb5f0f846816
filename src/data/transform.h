/* Shared by the evaluation and training transforms. Internal to src/data. */
#ifndef THAW_SRC_DATA_TRANSFORM_H
#define THAW_SRC_DATA_TRANSFORM_H

#include "src/data/image.h"
#include "thaw/transform.h"

/* The size of a width x height image after its shorter side is resized to `shorter`, as torchvision's Resize. */
void thaw_shorter_side(int width, int height, int shorter, int *new_width, int *new_height);

/* The size of such an image that is resized to just cover the box: timm's ResizeKeepRatio, for a square the above. */
void thaw_cover(int width, int height, struct thaw_size box, int *new_width, int *new_height);

/* The box that images are resized to in an evaluation: `resize` for the shorter side of the input. */
struct thaw_size thaw_preprocess_box(const struct thaw_preprocess *p);

/* The geometry of a transform: `crop` of the source is resized to width x height; the output is the rectangle of
 * the input's size whose top left corner is (left, top) in the resized image. Where it exceeds the resized image it has
 * the colour `fill`. */
struct crop_geometry {
	struct thaw_rectangle crop;
	int shrink; /* by the decoder, before resizing: 1, 2, 4 or 8 */
	int width, height;
	int left, top;
	uint8_t fill[3]; /* colour outside the resized image */
};

/* The geometry of thaw_transform_eval for an image of this size. */
struct crop_geometry thaw_evaluation_geometry(int width, int height, const struct thaw_preprocess *p);

/* Makes the rectangle of p->size. Decodes only the pixels it depends on. The caller frees *output. */
thaw_status thaw_crop_resize(struct thaw_image *output, const struct thaw_encoded_image *encoded,
			     const struct crop_geometry *g, const struct thaw_preprocess *p);

/* out (height,width,3) = (pixels / 255 - mean) / std, in the order p->channels; each row is reversed if `mirrored`. */
void thaw_normalise(const struct thaw_image *image, bool mirrored, const struct thaw_preprocess *p, float *out);

/* Multiplies brightness, contrast and saturation by these factors, on 8-bit values as torchvision does on tensors. */
void thaw_jitter(struct thaw_image *image, double brightness, double contrast, double saturation);

#endif
