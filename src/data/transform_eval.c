/* The evaluation transform: the same bits as torchvision's Resize, CenterCrop, ToTensor and Normalize, and variants of
 * timm and transformers. */
#include <math.h>

#include "src/base/minmax.h"
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

void thaw_cover(int width, int height, struct thaw_size box, int *new_width, int *new_height)
{
	if (box.height == box.width) {
		thaw_shorter_side(width, height, box.height, new_width, new_height);
		return;
	}
	double ratio = min_double((double)width / box.width, (double)height / box.height);
	*new_width = max_int((int)rint(width / ratio), box.width);
	*new_height = max_int((int)rint(height / ratio), box.height);
}

/* The size of a width x height image that is resized to just fit into the box, as timm's ResizeKeepRatio does. */
static void fit_into(int width, int height, struct thaw_size box, int *new_width, int *new_height)
{
	double ratio = max_double((double)width / box.width, (double)height / box.height);
	*new_width = max_int((int)rint(width / ratio), 1);
	*new_height = max_int((int)rint(height / ratio), 1);
}

/* The start of a centre crop of `size` in `length`. If the crop is longer, its start is negative and an odd pixel of
 * padding is at the end. */
static int centre(int length, int size, enum thaw_centre rounding)
{
	int spare = length - size;
	if (spare < 0)
		return -(-spare / 2);
	int half = spare / 2;
	return spare % 2 == 0 || rounding == THAW_CENTRE_DOWN ? half : half + half % 2;
}

struct crop_geometry thaw_evaluation_geometry(int width, int height, const struct thaw_preprocess *p)
{
	struct crop_geometry g = {.crop = {0, 0, width, height}, .shrink = 1, .width = width, .height = height};
	const struct thaw_size box = thaw_preprocess_box(p);
	if (p->mode == THAW_RESIZE_SHORTER) {
		thaw_cover(width, height, box, &g.width, &g.height);
	} else if (p->mode == THAW_RESIZE_SQUASH) {
		g.width = box.width;
		g.height = box.height;
	} else if (p->mode == THAW_RESIZE_BORDER) {
		fit_into(width, height, box, &g.width, &g.height);
	}
	g.left = centre(g.width, p->size.width, p->centre);
	g.top = centre(g.height, p->size.height, p->centre);
	for (int c = 0; c < 3 && p->mode == THAW_RESIZE_BORDER; c++)
		g.fill[c] = (uint8_t)rint(min_double(max_double(p->mean[c], 0), 1) * (LEVELS - 1));
	return g;
}

void thaw_normalise(const struct thaw_image *image, bool mirrored, const struct thaw_preprocess *p, float *out)
{
	float value[3][LEVELS];
	for (int c = 0; c < 3; c++)
		for (int level = 0; level < LEVELS; level++)
			value[c][level] = ((float)level / 255.0f - p->mean[c]) / p->std[c];
	int step = mirrored ? -3 : 3;
	int first = p->channels == THAW_BGR ? 2 : 0, last = 2 - first;
	for (int y = 0; y < image->height; y++) {
		const uint8_t *from = image->pixels + (size_t)y * (size_t)image->width * 3;
		from += mirrored ? (image->width - 1) * 3 : 0;
		for (int x = 0; x < image->width; x++, from += step, out += 3) {
			out[0] = value[first][from[first]];
			out[1] = value[1][from[1]];
			out[2] = value[last][from[last]];
		}
	}
}

thaw_status thaw_transform_eval(const struct thaw_encoded_image *encoded, const struct thaw_preprocess *p, float *out)
{
	struct crop_geometry g = thaw_evaluation_geometry(encoded->width, encoded->height, p);
	struct thaw_image input;
	THAW_TRY(thaw_crop_resize(&input, encoded, &g, p));
	thaw_normalise(&input, false, p, out);
	thaw_image_free(&input);
	return THAW_OK;
}
