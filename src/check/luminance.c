#include "src/check/luminance.h"

#include <math.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

static void fill(struct thaw_luminance *l, const struct thaw_image *image)
{
	const size_t width = (size_t)l->width, stride = width + 1;
	for (size_t y = 0; y < (size_t)l->height; y++) {
		double row = 0.0;
		for (size_t x = 0; x < width; x++) {
			const uint8_t *p = image->pixels + 3 * (y * width + x);
			float v = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
			l->value[y * width + x] = v;
			row += (double)v;
			l->sum[(y + 1) * stride + x + 1] = l->sum[y * stride + x + 1] + row;
		}
	}
}

thaw_status thaw_luminance_make(struct thaw_luminance *l, const struct thaw_image *image, int max_side)
{
	int longer = max_int(image->width, image->height);
	double scale = longer > max_side ? (double)max_side / longer : 1.0;
	struct thaw_luminance made = {.width = max_int(1, (int)(image->width * scale + 0.5)),
				      .height = max_int(1, (int)(image->height * scale + 0.5))};
	struct thaw_image reduced = {0};
	if (scale < 1.0) {
		const double box[4] = {0, 0, image->width, image->height};
		THAW_TRY(thaw_image_resize(&reduced, image, box, made.width, made.height, THAW_BOX));
	}
	made.value = thaw_alloc((size_t)made.width * (size_t)made.height, sizeof(float));
	made.sum = thaw_alloc((size_t)(made.width + 1) * (size_t)(made.height + 1), sizeof(double));
	thaw_status status = made.value && made.sum ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		fill(&made, reduced.pixels ? &reduced : image);
	thaw_image_free(&reduced);
	if (status == THAW_OK)
		*l = made;
	else
		thaw_luminance_free(&made);
	return status;
}

void thaw_luminance_free(struct thaw_luminance *l)
{
	thaw_free(l->value);
	thaw_free(l->sum);
	*l = (struct thaw_luminance){0};
}

/* The integral of the luminance from the left edge to x in row `row` of the sums, x in pixels and fractional. */
static double sum_to(const struct thaw_luminance *l, int row, double x)
{
	const double *s = l->sum + (size_t)row * (size_t)(l->width + 1);
	int at = min_int((int)x, l->width - 1);
	return s[at] + (x - at) * (s[at + 1] - s[at]);
}

static double integral(const struct thaw_luminance *l, double x, double y)
{
	int row = min_int((int)y, l->height - 1);
	double above = sum_to(l, row, x);
	return above + (y - row) * (sum_to(l, row + 1, x) - above);
}

void thaw_luminance_cells(const struct thaw_luminance *l, const struct thaw_window *window, int side, float *cells)
{
	double corner[2][THAW_MAX_CELLS + 1]; /* integrals at the corners of a row of cells, above and below */
	const double left = (double)window->left * l->width, top = (double)window->top * l->height;
	const double across = ((double)window->right * l->width - left) / side;
	const double down = ((double)window->bottom * l->height - top) / side;
	for (int r = 0; r <= side; r++) {
		double *below = corner[r & 1], *above = corner[(r + 1) & 1];
		for (int c = 0; c <= side; c++)
			below[c] = integral(l, fmin(left + c * across, l->width), fmin(top + r * down, l->height));
		for (int c = 0; r > 0 && c < side; c++)
			cells[(r - 1) * side + c] =
				(float)((below[c + 1] - below[c] - above[c + 1] + above[c]) / (across * down));
	}
}
