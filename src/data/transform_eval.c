/* The evaluation transform: the same bits as torchvision's Resize, CenterCrop, ToTensor and Normalize. */
#include "src/base/try.h"
#include "src/data/transform.h"

#define LEVELS 256 /* of an 8-bit channel */

void thaw_shorter_side(int width, int height, int shorter, int *new_width, int *new_height)
{
	bool upright = width <= height;
	int64_t narrow = upright ? width : height, wide = upright ? height : width;
	int longer = (int)((double)(shorter * wide) / (double)narrow); /* int(size * long / short) in Python */
	*new_width = upright ? shorter : longer;
	*new_height = upright ? longer : shorter;
}

/* The start of a centre crop of `size` in `length`. Half pixels are rounded to even, as by Python's round(). If the
 * crop is longer, its start is negative and an odd pixel of padding is at the end. */
static int centre(int length, int size)
{
	int spare = length - size;
	if (spare < 0)
		return -(-spare / 2);
	int half = spare / 2;
	return spare % 2 == 0 ? half : half + half % 2;
}

void thaw_normalise(const struct thaw_image *image, bool mirrored, const struct thaw_preprocess *p, float *out)
{
	float value[3][LEVELS];
	for (int c = 0; c < 3; c++)
		for (int level = 0; level < LEVELS; level++)
			value[c][level] = ((float)level / 255.0f - p->mean[c]) / p->std[c];
	int step = mirrored ? -3 : 3;
	for (int y = 0; y < image->height; y++) {
		const uint8_t *from = image->pixels + (size_t)y * (size_t)image->width * 3;
		from += mirrored ? (image->width - 1) * 3 : 0;
		for (int x = 0; x < image->width; x++, from += step, out += 3) {
			out[0] = value[0][from[0]];
			out[1] = value[1][from[1]];
			out[2] = value[2][from[2]];
		}
	}
}

thaw_status thaw_transform_eval(const struct thaw_encoded_image *encoded, const struct thaw_preprocess *p, float *out)
{
	struct crop_geometry g = {.crop = {0, 0, encoded->width, encoded->height}, .shrink = 1};
	struct thaw_image square;
	thaw_shorter_side(encoded->width, encoded->height, p->resize, &g.width, &g.height);
	g.left = centre(g.width, p->size);
	g.top = centre(g.height, p->size);
	THAW_TRY(thaw_crop_resize(&square, encoded, &g, p));
	thaw_normalise(&square, false, p, out);
	thaw_image_free(&square);
	return THAW_OK;
}
