/* The transform of evaluation: Resize, CenterCrop, ToTensor, Normalize of torchvision, to the bit.
 *
 * Only the pixels that the crop keeps are resampled. */
#include "src/data/transform.h"

#include <string.h>

#include "thaw/tensor.h"

#define LEVELS 256 /* of an 8-bit channel */

void thaw_shorter_side(int width, int height, int shorter, int *new_width, int *new_height)
{
	bool upright = width <= height;
	int64_t narrow = upright ? width : height, wide = upright ? height : width;
	int longer = (int)((double)(shorter * wide) / (double)narrow); /* int(size * long / short) in Python */
	*new_width = upright ? shorter : longer;
	*new_height = upright ? longer : shorter;
}

/* Where a crop of `size` starts in `length`. Half pixels go to the even side, as round() does in Python; if the
 * crop is the longer one, its start is negative and the odd pixel of padding is on the far side. */
static int centre(int length, int size)
{
	int spare = length - size;
	if (spare < 0)
		return -(-spare / 2);
	int half = spare / 2;
	return spare % 2 == 0 ? half : half + half % 2;
}

thaw_status thaw_square_allocate(struct thaw_image *image, int size)
{
	image->width = image->height = size;
	image->pixels = thaw_alloc((size_t)size * (size_t)size, 3);
	return image->pixels == NULL ? THAW_RESOURCE : THAW_OK;
}

static int smaller(int a, int b)
{
	return a < b ? a : b;
}

thaw_status thaw_resample_square(struct thaw_image *to, const struct image_view *from, int width, int height, int left,
				 int top, enum thaw_filter filter)
{
	int inner_left = left < 0 ? 0 : left, inner_top = top < 0 ? 0 : top;
	struct thaw_image inner = {
		.width = smaller(left + to->width, width) - inner_left,
		.height = smaller(top + to->height, height) - inner_top,
		.pixels = to->pixels,
	};
	struct resampling r = {
		.from = *from,
		.box = {0, 0, from->width, from->height},
		.width = width,
		.height = height,
		.left = inner_left,
		.top = inner_top,
		.filter = filter,
	};
	if (inner.width <= 0 || inner.height <= 0)
		return THAW_OK;
	if (inner.width == to->width && inner.height == to->height)
		return thaw_resample(&inner, &r);

	size_t bytes = (size_t)inner.width * 3;
	inner.pixels = thaw_alloc((size_t)inner.height, bytes);
	if (inner.pixels == NULL)
		return THAW_RESOURCE;
	thaw_status status = thaw_resample(&inner, &r);
	for (int y = 0; status == THAW_OK && y < inner.height; y++) {
		size_t row = (size_t)(inner_top - top + y) * (size_t)to->width + (size_t)(inner_left - left);
		memcpy(to->pixels + row * 3, inner.pixels + (size_t)y * bytes, bytes);
	}
	thaw_image_free(&inner);
	return status;
}

void thaw_normalise(const struct thaw_image *image, const struct thaw_preprocess *p, float *out)
{
	float value[3][LEVELS];
	for (int c = 0; c < 3; c++)
		for (int level = 0; level < LEVELS; level++)
			value[c][level] = ((float)level / 255.0f - p->mean[c]) / p->std[c];
	const uint8_t *from = image->pixels;
	int64_t pixels = (int64_t)image->width * image->height;
	for (int64_t i = 0; i < pixels; i++, from += 3, out += 3) {
		out[0] = value[0][from[0]];
		out[1] = value[1][from[1]];
		out[2] = value[2][from[2]];
	}
}

thaw_status thaw_transform_eval(const struct thaw_image *image, const struct thaw_preprocess *p, float *out)
{
	struct image_view view = thaw_image_view(image);
	struct thaw_image square;
	int width, height;
	thaw_shorter_side(image->width, image->height, p->resize, &width, &height);
	THAW_TRY(thaw_square_allocate(&square, p->size));
	thaw_status status = thaw_resample_square(&square, &view, width, height, centre(width, p->size),
						  centre(height, p->size), p->filter);
	if (status == THAW_OK)
		thaw_normalise(&square, p, out);
	thaw_image_free(&square);
	return status;
}
