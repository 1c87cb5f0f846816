/* The gradient of the weights in bfloat16: dweight[tap] = x' dy, summed over pixels, without copies of patches.
 *
 * The depth of the product are pixels, in pairs: one pixel each of two images, at the same place, so that every tap
 * finds its pairs at a fixed distance in one buffer. With an odd number of images the last one is split in two halves
 * of rows. A tile of results stays in registers over all pixels of a band, a row of results being a segment.
 *
 * Of images with few channels, the values under a row of the kernel are contiguous in the buffer, and are the rows of
 * one product.
 */
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_ops.h"
#include "src/ops/kernels/conv_axis.h"
#include "src/ops/kernels/conv_bf16.h"
#include "src/ops/kernels/conv_patch.h"
#include "src/ops/kernels/gemm_bf16.h"

enum {
	BAND_BYTES = 1 << 21, /* of the pairs of x and of one panel of dy */
	DY_FACTOR = 4,        /* dy counts as that much: each tile reads all of it, but a few channels of x */
	PIXEL_GAP = 16,       /* pairs between pixels, so that the same channels are not in one set of the cache */
};

/* Sums over `pairs` pairs of images, or over the two halves of the last image. */
struct sum {
	const struct thaw_conv *c;
	struct thaw_conv_axis y, x;
	int64_t pairs, rows; /* rows of results of a pair */
	bool halves;
	int64_t x_taps, inputs; /* products of a row of the kernel, and rows of the results of each */
	int64_t pixel, width;   /* of the buffer: pairs of a pixel, pixels of a row */
	struct thaw_conv_band largest;
	const void *zeros; /* a pixel, in either storage */
};

static struct sum sum_of(const struct thaw_conv *c, bool halves)
{
	struct sum s = {
		.c = c,
		.y = thaw_conv_axis_y(c, THAW_CONV_FORWARD),
		.x = thaw_conv_axis_x(c, THAW_CONV_FORWARD),
		.pairs = halves ? c->n % 2 : c->n / 2,
		.rows = halves ? (c->ho + 1) / 2 : c->ho,
		.halves = halves,
		.x_taps = c->kw,
		.inputs = thaw_conv_group_inputs(c),
		.pixel = c->ci + PIXEL_GAP,
	};
	if (c->ci <= THAW_CONV_FEW_CHANNELS && c->groups == 1 && c->gap_x == 0 && c->kw > 1) {
		s.x_taps = 1;
		s.inputs = c->kw * c->ci;
		s.pixel = c->ci;
	}
	int64_t row_out = DY_FACTOR * c->wo * THAW_BF16_COLUMNS * (int64_t)sizeof(uint32_t);
	s.width = thaw_conv_axis_pixels(&s.x, c->wo);
	s.largest = thaw_conv_largest_band(&s.y, s.pairs, s.rows, s.width * s.pixel * (int64_t)sizeof(uint32_t),
					   row_out, BAND_BYTES);
	return s;
}

static int64_t x_pairs(const struct sum *s)
{
	return s->largest.images * thaw_conv_axis_pixels(&s->y, s->largest.rows) * s->width * s->pixel;
}

/* Segments of a band, rounded up, so that what follows them is aligned. */
static int64_t segments_of(const struct sum *s)
{
	return (s->largest.images * s->largest.rows + 7) / 8 * 8;
}

static size_t sum_bytes(const struct sum *s)
{
	int64_t dy_pairs = segments_of(s) * s->c->wo * THAW_BF16_COLUMNS;
	return (size_t)(dy_pairs + x_pairs(s) + s->c->ci) * sizeof(uint32_t) + (size_t)segments_of(s) * sizeof(int64_t);
}

size_t thaw_conv_bf16_weight_scratch(const struct thaw_conv *c)
{
	struct thaw_conv odd = *c;
	odd.n = 1;
	struct sum pairs = sum_of(c, false), halves = sum_of(&odd, true);
	return max_size(sum_bytes(&pairs), sum_bytes(&halves));
}

/* The image and the row of results of the first (0) or second (1) pixel of the pairs in a row. */
static int64_t image_of(const struct sum *s, int64_t pair, int half)
{
	return s->halves ? s->c->n - 1 : 2 * pair + half;
}

static int64_t row_of(const struct sum *s, int64_t row, int half)
{
	return s->halves ? row + half * s->rows : row;
}

/* The row of x at place `place` of the buffer, -1 if it is padding. */
static int64_t x_row(const struct sum *s, const struct thaw_conv_band *band, int64_t pair, int64_t place, int half)
{
	int64_t y = thaw_conv_axis_pixel(&s->y, row_of(s, band->first, half), place);
	return y < 0 || y >= s->y.in ? -1 : image_of(s, pair, half) * s->c->h + y;
}

/* Pairs of a pixel's channels, at `even` and `odd` in x; -1: zeros. */
static void pair_pixels(const struct sum *s, struct thaw_values x, int64_t even, int64_t odd, uint32_t *to)
{
	if (even < 0 && odd < 0)
		memset(to, 0, (size_t)s->c->ci * sizeof(*to));
	else if (x.bf16)
		thaw_bf16_join(to, even < 0 ? s->zeros : x.bf16 + even, odd < 0 ? NULL : x.bf16 + odd, s->c->ci);
	else
		thaw_bf16_best()->pair(to, even < 0 ? s->zeros : x.data + even, odd < 0 ? NULL : x.data + odd,
				       s->c->ci);
}

/* Pairs of the pixels of two rows of x. */
static void pair_rows(const struct sum *s, struct thaw_values x, int64_t even, int64_t odd, uint32_t *to)
{
	int64_t channels = s->c->ci, wide = s->c->w;
	for (int64_t i = 0; i < s->width; i++, to += s->pixel) {
		int64_t at = thaw_conv_axis_pixel(&s->x, 0, i);
		bool inside = at >= 0 && at < s->x.in;
		pair_pixels(s, x, inside && even >= 0 ? (even * wide + at) * channels : -1,
			    inside && odd >= 0 ? (odd * wide + at) * channels : -1, to);
	}
}

static void load_x(const struct sum *s, const struct thaw_conv_band *band, struct thaw_values x, uint32_t *to)
{
	int64_t height = thaw_conv_axis_pixels(&s->y, band->rows);
	for (int64_t pair = band->image; pair < band->image + band->images; pair++)
		for (int64_t i = 0; i < height; i++, to += s->width * s->pixel)
			pair_rows(s, x, x_row(s, band, pair, i, 0), x_row(s, band, pair, i, 1), to);
}

/* Columns [column, column + columns) of dy as a right factor, in rows of `width`. */
static void load_dy(const struct sum *s, const struct thaw_conv_band *band, const float *dy, int64_t column,
		    int64_t columns, int64_t width, uint32_t *to)
{
	const struct thaw_conv *c = s->c;
	for (int64_t pair = band->image; pair < band->image + band->images; pair++)
		for (int64_t row = band->first; row < band->first + band->rows; row++) {
			int64_t second = row_of(s, row, 1);
			const float *even = dy + (image_of(s, pair, 0) * c->ho + row) * c->wo * c->co + column;
			const float *odd = dy + (image_of(s, pair, 1) * c->ho + second) * c->wo * c->co + column;
			for (int64_t i = 0; i < c->wo; i++, to += width) {
				thaw_bf16_best()->pair(to, even + i * c->co, second < c->ho ? odd + i * c->co : NULL,
						       columns);
				memset(to + columns, 0, (size_t)(width - columns) * sizeof(*to));
			}
		}
}

/* Adds to the weights of one product: one group's input channels and the panel's output channels. */
static void add_tap(const struct sum *s, struct thaw_bf16_tile *tile, const uint32_t *a, float *dweight)
{
	for (int64_t i = 0; i < s->inputs; i += THAW_BF16_ROWS) {
		tile->rows = (int)min_int64(s->inputs - i, THAW_BF16_ROWS);
		tile->a = a + i;
		tile->c = dweight + i * s->c->co;
		tile->residual = tile->c;
		thaw_bf16_best()->multiply(tile);
	}
}

/* Adds all taps' weights of one panel. */
static void add_panel(const struct sum *s, struct thaw_bf16_tile *tile, const uint32_t *x, int64_t group,
		      int64_t column, float *dweight)
{
	int64_t y_offset, x_offset;
	for (int64_t ky = 0; ky < s->y.taps; ky++)
		for (int64_t kx = 0; kx < s->x_taps; kx++) {
			thaw_conv_axis_tap(&s->y, 0, ky, &y_offset);
			thaw_conv_axis_tap(&s->x, 0, kx, &x_offset);
			add_tap(s, tile, x + (y_offset * s->width + x_offset) * s->pixel + group * s->inputs,
				dweight + (ky * s->x_taps + kx) * s->inputs * s->c->co + column);
		}
}

static void list_rows(const struct sum *s, const struct thaw_conv_band *band, int64_t *segment)
{
	int64_t height = thaw_conv_axis_pixels(&s->y, band->rows);
	for (int64_t pair = 0; pair < band->images; pair++)
		for (int64_t row = 0; row < band->rows; row++)
			*segment++ = (pair * height + row * s->y.stride) * s->width * s->pixel;
}

static void add_band(const struct sum *s, const struct thaw_conv_band *band, const uint32_t *x, const float *dy,
		     uint32_t *right, const int64_t *segment, float *dweight)
{
	int64_t outputs = thaw_conv_group_outputs(s->c);
	struct thaw_bf16_tile tile = {
		.segments = band->images * band->rows,
		.segment = segment,
		.pairs = s->c->wo,
		.a_depth = s->x.stride * s->pixel,
		.b = right,
	};
	for (int r = 0; r < THAW_BF16_ROWS; r++) {
		tile.a_row[r] = r;
		tile.c_row[r] = r * s->c->co;
	}
	for (int64_t g = 0; g < s->c->groups; g++)
		for (int64_t column = 0; column < outputs; column += THAW_BF16_COLUMNS) {
			int64_t columns = min_int64(outputs - column, THAW_BF16_COLUMNS);
			tile.columns = (int)columns;
			tile.b_depth = (int64_t)(thaw_bf16_packed_bytes(2, columns) / sizeof(uint32_t));
			load_dy(s, band, dy, g * outputs + column, columns, tile.b_depth, right);
			add_panel(s, &tile, x, g, g * outputs + column, dweight);
		}
}

static void add_sum(struct sum s, struct thaw_values x, const float *dy, float *dweight, void *scratch)
{
	struct thaw_conv_band band = {0};
	int64_t *segment = scratch;
	uint32_t *right = (uint32_t *)(segment + segments_of(&s));
	uint32_t *left = right + segments_of(&s) * s.c->wo * THAW_BF16_COLUMNS;
	s.zeros = memset(left + x_pairs(&s), 0, (size_t)s.c->ci * sizeof(float));
	while (thaw_conv_next_band(s.largest, s.pairs, s.rows, &band)) {
		load_x(&s, &band, x, left);
		list_rows(&s, &band, segment);
		add_band(&s, &band, left, dy, right, segment, dweight);
	}
}

void thaw_conv_bf16_weight(const struct thaw_conv *c, struct thaw_values x, const float *dy, float *dweight,
			   void *scratch)
{
	add_sum(sum_of(c, false), x, dy, dweight, scratch);
	add_sum(sum_of(c, true), x, dy, dweight, scratch);
}
