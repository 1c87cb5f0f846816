/* The transform of evaluation: Resize, CenterCrop, ToTensor, Normalize of torchvision, to the bit. */
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
	struct framing f = {.crop = {0, 0, encoded->width, encoded->height}, .shrink = 1};
	struct thaw_image square;
	thaw_shorter_side(encoded->width, encoded->height, p->resize, &f.width, &f.height);
	f.left = centre(f.width, p->size);
	f.top = centre(f.height, p->size);
	THAW_TRY(thaw_frame(&square, encoded, &f, p));
	thaw_normalise(&square, false, p, out);
	thaw_image_free(&square);
	return THAW_OK;
}
