/* Draws heat maps. */
#include "thaw/heatmap.h"

#include <float.h>
#include <math.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/data/transform.h"

#define LONGEST  1024 /* of a picture's longer side */
#define SHORTEST 256
#define OPACITY  0.55 /* of the colours */
#define DIMMED   0.45 /* what the network does not see */

/* Colours of even steps in lightness, from matplotlib's "inferno" (S. van der Walt and N. Smith, CC0). */
static const uint8_t colours[][3] = {
	{0, 0, 4},     {27, 12, 66},   {75, 12, 107}, {120, 28, 109}, {165, 44, 96},
	{207, 68, 70}, {237, 105, 37}, {251, 154, 6}, {247, 208, 60}, {252, 255, 164},
};

enum { STEPS = sizeof(colours) / sizeof(colours[0]) - 1 };

/* The linear interpolation between entries [at] and [at + 1], of which the last is `count` - 1. */
struct between {
	int at, next;
	double share; /* of the next one */
};

static struct between between_entries(double position, int count)
{
	double inside = fmin(fmax(position, 0.0), count - 1.0);
	int at = (int)inside;
	return (struct between){at, min_int(at + 1, count - 1), inside - at};
}

static double mix(double a, double b, double share)
{
	return a + (b - a) * share;
}

/* The value at a position that is given as fractions of the square's sides. */
static double value_at(const struct thaw_heatmap *m, double y, double x)
{
	double span[2] = {m->height + (double)m->reach[0] - 1, m->width + (double)m->reach[1] - 1};
	struct between down = between_entries(y * span[0] - (double)m->reach[0] / 2, m->height);
	struct between across = between_entries(x * span[1] - (double)m->reach[1] / 2, m->width);
	const float *upper = m->value + (ptrdiff_t)down.at * m->width;
	const float *lower = m->value + (ptrdiff_t)down.next * m->width;
	return mix(mix(upper[across.at], upper[across.next], across.share),
		   mix(lower[across.at], lower[across.next], across.share), down.share);
}

/* Mixes the pixel with the colour of a value in 0..1. */
static void paint(uint8_t *pixel, double value)
{
	struct between step = between_entries(value * STEPS, STEPS + 1);
	for (int c = 0; c < 3; c++) {
		double colour = mix(colours[step.at][c], colours[step.next][c], step.share);
		pixel[c] = (uint8_t)rint(mix(pixel[c], colour, OPACITY));
	}
}

static void make_grey(uint8_t *pixel)
{
	double grey = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
	for (int c = 0; c < 3; c++)
		pixel[c] = (uint8_t)rint(DIMMED * grey);
}

static void find_range(const struct thaw_heatmap *m, double *low, double *high)
{
	*low = DBL_MAX;
	*high = -DBL_MAX;
	for (int i = 0; i < m->height * m->width; i++) {
		*low = fmin(*low, m->value[i]);
		*high = fmax(*high, m->value[i]);
	}
}

/* height, width: of the network's input. */
static void overlay(struct thaw_image *picture, const struct crop_geometry *g, int height, int width,
		    const struct thaw_heatmap *m)
{
	double low, high;
	find_range(m, &low, &high);
	for (int row = 0; row < picture->height; row++)
		for (int column = 0; column < picture->width; column++) {
			uint8_t *pixel = picture->pixels + ((size_t)row * (size_t)picture->width + (size_t)column) * 3;
			double y = ((row + 0.5) * g->height / picture->height - g->top) / height;
			double x = ((column + 0.5) * g->width / picture->width - g->left) / width;
			if (y < 0 || y >= 1 || x < 0 || x >= 1)
				make_grey(pixel);
			else
				paint(pixel, high > low ? (value_at(m, y, x) - low) / (high - low) : 0.0);
		}
}

/* The whole image in the size of the picture. */
static thaw_status shrink_image(struct thaw_image *picture, const struct thaw_encoded_image *image)
{
	const struct thaw_rectangle whole = {0, 0, image->width, image->height};
	int longer = max_int(image->width, image->height), side = min_int(max_int(longer, SHORTEST), LONGEST);
	int shrink = thaw_encoded_image_max_shrink(image, &whole, LONGEST);
	struct thaw_rectangle region = whole;
	struct thaw_image decoded;
	struct image_view view;
	thaw_encoded_image_shrunk_size(image, shrink, &region.width, &region.height);
	THAW_TRY(thaw_encoded_image_decode_region(image, &region, shrink, &view, &decoded));
	const struct thaw_image from = {view.width, view.height, (uint8_t *)view.pixels};
	thaw_status status =
		thaw_image_resize(picture, &from, (const double[]){0, 0, from.width, from.height},
				  max_int((int)rint((double)image->width * side / longer), 1),
				  max_int((int)rint((double)image->height * side / longer), 1), THAW_BILINEAR);
	thaw_image_free(&decoded);
	return status;
}

thaw_status thaw_heatmap_draw(struct thaw_image *picture, const struct thaw_encoded_image *image,
			      const struct thaw_preprocess *p, const struct thaw_heatmap *map)
{
	THAW_TRY(shrink_image(picture, image));
	struct crop_geometry g = thaw_evaluation_geometry(image->width, image->height, p);
	overlay(picture, &g, p->size, p->size, map);
	return THAW_OK;
}
