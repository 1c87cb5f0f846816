/* Convolution of images with few channels in bfloat16: first layers on red, green and blue. There is no data pass.
 *
 * A pixel's channels are too few for the depth of a product, but the kw * ci values under a row of the kernel are
 * contiguous in memory: they are the depth, and the kernel's rows are the segments of a tile. A band of the image is
 * rounded to a buffer of values with zeros for the padding. Where kw * ci is odd, a row's last pair has one value of
 * the next pixel, which meets a zero of the packed weights.
 *
 * Packed weights: (panel of columns, row of the kernel, pair of values, column).
 */
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_ops.h"
#include "src/ops/kernels/conv_bf16.h"
#include "src/ops/kernels/gemm_bf16.h"

enum {
	FEWEST_OUTPUTS = 8,   /* for which a tile pays */
	BAND_BYTES = 1 << 18, /* of the rounded band */
};

static bool rows_fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	return c->precision == THAW_PRECISION_BF16 && pass != THAW_CONV_DATA && c->groups == 1 &&
	       c->ci <= THAW_CONV_FEW_CHANNELS && c->co >= FEWEST_OUTPUTS && c->ci * c->stride_x % 2 == 0;
}

/* Values under a row of the kernel. */
static int64_t depth_of(const struct thaw_conv *c)
{
	return c->kw * c->ci;
}

/* Pairs of a row of the buffer: what all results of a row read. */
static int64_t row_pairs(const struct thaw_conv *c)
{
	return ((c->wo - 1) * c->stride_x * c->ci + depth_of(c) + 1) / 2;
}

/* Rows of results whose pixels are in the buffer at once. */
static int64_t band_rows(const struct thaw_conv *c)
{
	int64_t fit = BAND_BYTES / (row_pairs(c) * (int64_t)sizeof(uint32_t));
	return min_int64(max_int64((fit - c->kh) / c->stride_y + 1, 1), c->ho);
}

static int64_t buffer_rows(const struct thaw_conv *c, int64_t results)
{
	return (results - 1) * c->stride_y + c->kh;
}

static size_t rows_packed_bytes(const struct thaw_conv *c)
{
	return (size_t)c->kh * thaw_bf16_packed_bytes(depth_of(c), c->co);
}

static size_t rows_scratch(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	if (pass == THAW_CONV_WEIGHT)
		return thaw_conv_bf16_weight_scratch(c);
	size_t buffer = (size_t)(buffer_rows(c, band_rows(c)) * row_pairs(c)) * sizeof(uint32_t);
	return rows_packed_bytes(c) + (size_t)c->kh * sizeof(int64_t) + buffer;
}

static void rows_pack(const struct thaw_conv *c, const float *weight, void *packed)
{
	char *to = packed;
	for (int64_t column = 0; column < c->co; column += THAW_BF16_COLUMNS) {
		int64_t columns = min_int64(c->co - column, THAW_BF16_COLUMNS);
		for (int64_t ky = 0; ky < c->kh; ky++) {
			const float *row = weight + ky * depth_of(c) * c->co + column;
			thaw_bf16_pack(depth_of(c), columns, (struct thaw_matrix){row, c->co, false}, to);
			to += thaw_bf16_packed_bytes(depth_of(c), columns);
		}
	}
}

/* to[i] = x[at + i] in bfloat16. */
static void take_values(struct thaw_values x, int64_t at, int64_t count, uint16_t *to)
{
	if (x.bf16)
		memcpy(to, x.bf16 + at, (size_t)count * sizeof(*to));
	else
		thaw_bf16_best()->store(to, x.data + at, count);
}

/* The rows of the image that results from row `first` on read, zero outside the image. */
static void load_band(const struct thaw_conv *c, struct thaw_values x, int64_t image, int64_t first, int64_t results,
		      uint16_t *to)
{
	int64_t values = 2 * row_pairs(c), left = max_int64(c->left, 0), cropped = max_int64(-c->left, 0);
	int64_t count = min_int64((c->w - cropped) * c->ci, values - left * c->ci);
	memset(to, 0, (size_t)(buffer_rows(c, results) * values) * sizeof(*to));
	for (int64_t r = 0; r < buffer_rows(c, results); r++, to += values) {
		int64_t y = first * c->stride_y - c->top + r;
		if (y >= 0 && y < c->h && count > 0)
			take_values(x, ((image * c->h + y) * c->w + cropped) * c->ci, count, to + left * c->ci);
	}
}

/* One panel of the results of a row; tile has all but the rows. */
static void convolve_row(const struct thaw_conv *c, struct thaw_bf16_tile *tile, int64_t place, int64_t result)
{
	for (int64_t x = 0; x < c->wo; x += THAW_BF16_ROWS) {
		tile->rows = (int)min_int64(c->wo - x, THAW_BF16_ROWS);
		for (int r = 0; r < tile->rows; r++) {
			tile->a_row[r] = place + (x + r) * c->stride_x * c->ci / 2;
			tile->c_row[r] = (result + x + r) * c->co;
		}
		thaw_bf16_best()->multiply(tile);
	}
}

/* The results of a band from row `first` on. */
static void convolve_band(const struct thaw_conv *c, const uint32_t *buffer, const int64_t *segment,
			  const uint32_t *weight, const struct thaw_conv_epilogue *e, const struct thaw_view *y,
			  int64_t first, int64_t rows)
{
	for (int64_t column = 0; column < c->co; column += THAW_BF16_COLUMNS) {
		int64_t columns = min_int64(c->co - column, THAW_BF16_COLUMNS);
		int64_t panel = (int64_t)(thaw_bf16_packed_bytes(depth_of(c), columns) / sizeof(*weight));
		struct thaw_bf16_tile tile = {
			.columns = (int)columns,
			.a = buffer,
			.segments = c->kh,
			.segment = segment,
			.pairs = (depth_of(c) + 1) / 2,
			.a_depth = 1,
			.b = weight,
			.b_depth = panel / ((depth_of(c) + 1) / 2),
			.bias = e->bias ? e->bias + column : NULL,
			.residual = e->residual ? e->residual + column : NULL,
			.residual_bf16 = e->residual_bf16 ? e->residual_bf16 + column : NULL,
			.activation = e->activation,
			.c = y->data ? y->data + column : NULL,
			.c_bf16 = y->bf16 ? y->bf16 + column : NULL,
		};
		for (int64_t row = 0; row < rows; row++)
			convolve_row(c, &tile, row * c->stride_y * row_pairs(c), (first + row) * c->wo);
		weight += c->kh * panel;
	}
}

static void rows_forward(const struct thaw_conv *c, struct thaw_values x, const float *weight, const void *packed,
			 const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *scratch)
{
	int64_t *segment = (int64_t *)((char *)scratch + rows_packed_bytes(c));
	uint32_t *buffer = (uint32_t *)(segment + c->kh);
	if (!packed)
		rows_pack(c, weight, scratch);
	for (int64_t ky = 0; ky < c->kh; ky++)
		segment[ky] = ky * row_pairs(c);
	for (int64_t image = 0; image < c->n; image++)
		for (int64_t first = 0; first < c->ho; first += band_rows(c)) {
			int64_t rows = min_int64(band_rows(c), c->ho - first);
			load_band(c, x, image, first, rows, (uint16_t *)buffer);
			convolve_band(c, buffer, segment, packed ? packed : scratch, epilogue, y, image * c->ho + first,
				      rows);
		}
}

const struct thaw_conv_kernel thaw_conv_rows_bf16 = {
	.name = "rows",
	.bf16 = true,
	.fits = rows_fits,
	.scratch = rows_scratch,
	.packed_bytes = rows_packed_bytes,
	.pack = rows_pack,
	.forward = rows_forward,
	.weight = thaw_conv_bf16_weight,
};
