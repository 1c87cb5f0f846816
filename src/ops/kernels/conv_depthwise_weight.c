/* The gradient of depthwise weights: all values of a filter stay in registers while a band of rows is summed. A 7x7
 * filter is done in two parts, of four and three rows. */
#include "src/ops/kernels/conv_depthwise.h"

enum { MAX_TAPS = 4 * 7 }; /* values of the filter in registers */

/* One vector of channels of dweight and the rows of one image that are summed for it. */
struct weight_block {
	const float *x, *dy;
	float *dweight;
	int64_t width, skip;            /* as in struct block of conv_depthwise.c */
	const char *fetch_x, *fetch_dy; /* next cache lines that the next band will read */
};

/* Rows [begin, end) of dy, with rows from ky on and columns from kx on of the filter. All these rows of the filter are
 * inside the image. */
struct weight_part {
	int64_t begin, end;
	int64_t ky, kx;
};

/* Adds one pixel of dy to the sums of its taps, which begin at pixel `at` of the row; `clipped`: some of them may be
 * outside the row. */
THAW_INLINE void add_pixel(const struct thaw_conv *c, const float *in, const float *dy, int64_t at, int64_t rows,
			   int64_t taps, int64_t width, bool clipped, thaw_vec *sum)
{
	thaw_vec d, v;
	load_channels(&d, dy, width);
	for (int64_t i = 0; i < rows; i++)
		for (int64_t t = 0; t < taps; t++)
			if (!clipped || (at + t >= 0 && at + t < c->w)) {
				load_channels(&v, in + (i * c->w + at + t) * c->ci, width);
				sum[i * taps + t] += d * v;
			}
}

/* dweight += the gradient of `rows` x `taps` filter values, whose sums stay in registers. */
THAW_INLINE void weight_rows(const struct thaw_conv *c, struct weight_block *b, const struct weight_part *p,
			     int64_t rows, int64_t taps, int64_t stride, int64_t width)
{
	thaw_vec sum[MAX_TAPS];
	for (int64_t i = 0; i < rows * taps; i++)
		sum[i] = (thaw_vec){0};
	for (int64_t row = p->begin; row < p->end; row++) {
		const float *in = b->x + (row * c->stride_y - c->top + p->ky) * c->w * c->ci;
		const float *dy = b->dy + row * c->wo * c->ci;
		int64_t at = p->kx - c->left;
		for (int64_t j = 0; j < c->wo; j++, at += stride, dy += c->ci) {
			for (int64_t i = 0; rows > 1 && p->ky == 0 && i < stride * stride; i++, b->fetch_x += LINE)
				__builtin_prefetch(b->fetch_x, 0, 2);
			__builtin_prefetch(b->fetch_dy, 0, 2);
			b->fetch_dy += LINE;
			if (at >= 0 && at + taps <= c->w)
				add_pixel(c, in, dy, at, rows, taps, width, false, sum);
			else
				add_pixel(c, in, dy, at, rows, taps, width, true, sum);
		}
	}
	for (int64_t i = 0; i < rows; i++)
		for (int64_t t = 0; t < taps; t++) {
			float *to = b->dweight + ((p->ky + i) * c->kw + p->kx + t) * c->ci;
			for (int64_t k = b->skip; k < b->width; k++)
				to[k] += sum[i * taps + t][k];
		}
}

/* dweight += the gradient from one row of dy, for rows [begin, end) of the filter, which may be outside the image. */
THAW_INLINE void weight_row(const struct thaw_conv *c, struct weight_block *b, int64_t row, int64_t begin, int64_t end,
			    int64_t taps, int64_t stride, int64_t width)
{
	int64_t top = row * c->stride_y - c->top, last = min_int64(end, c->h - top);
	for (int64_t ky = max_int64(begin, -top); ky < last; ky++)
		for (int64_t kx = 0; kx < c->kw; kx += taps)
			weight_rows(c, b, &(struct weight_part){row, row + 1, ky, kx}, 1, taps, stride, width);
}

/* dweight += the gradient from rows [begin, end) of dy, for `kh` rows of the filter from ky on. Rows [low, high) of dy,
 * for which all these rows of the filter are inside the image, are summed together. */
THAW_INLINE void weight_band(const struct thaw_conv *c, struct weight_block *b, int64_t begin, int64_t end, int64_t ky,
			     int64_t kh, int64_t taps, int64_t stride)
{
	int64_t room = c->h + c->top - ky - kh;
	int64_t low = min_int64(end, max_int64(begin, (max_int64(c->top - ky, 0) + c->stride_y - 1) / c->stride_y));
	int64_t high = room >= 0 ? max_int64(low, min_int64(end, room / c->stride_y + 1)) : low;
	for (int64_t row = begin; row < low; row++)
		weight_row(c, b, row, ky, ky + kh, taps, stride, THAW_VECTOR_WIDTH);
	if (low < high)
		weight_rows(c, b, &(struct weight_part){low, high, ky, 0}, kh, taps, stride, THAW_VECTOR_WIDTH);
	for (int64_t row = high; row < end; row++)
		weight_row(c, b, row, ky, ky + kh, taps, stride, THAW_VECTOR_WIDTH);
}

THAW_MULTIVERSION
static void weight_rows_of_band(const struct thaw_conv *c, struct weight_block *b, int64_t begin, int64_t end)
{
	bool square = c->kh == c->kw && b->width == THAW_VECTOR_WIDTH;
	if (square && c->kw == 3 && c->stride_x == 1)
		weight_band(c, b, begin, end, 0, 3, 3, 1);
	else if (square && c->kw == 3 && c->stride_x == 2)
		weight_band(c, b, begin, end, 0, 3, 3, 2);
	else if (square && c->kw == 5 && c->stride_x == 1)
		weight_band(c, b, begin, end, 0, 5, 5, 1);
	else if (square && c->kw == 5 && c->stride_x == 2)
		weight_band(c, b, begin, end, 0, 5, 5, 2);
	else if (square && c->kw == 7 && c->stride_x == 1) {
		weight_band(c, b, begin, end, 0, 4, 7, 1);
		weight_band(c, b, begin, end, 4, 3, 7, 1);
	} else
		for (int64_t row = begin; row < end; row++)
			weight_row(c, b, row, 0, c->kh, 1, c->stride_x, b->width);
}

void thaw_depthwise_weight(const struct thaw_conv *c, const float *x, const float *dy, float *dweight, void *buffer)
{
	int64_t x_row = c->stride_y * c->w * c->ci, dy_row = c->wo * c->ci;
	int64_t rows = band_rows((c->stride_y * c->w + c->wo) * LINE, (x_row + dy_row) * (int64_t)sizeof(float));
	(void)buffer;
	for (int64_t n = 0; n < c->n; n++, x += c->h * c->w * c->ci, dy += c->ho * dy_row)
		for (int64_t begin = 0; begin < c->ho; begin += rows) {
			int64_t end = min_int64(begin + rows, c->ho);
			bool last = end == c->ho;
			struct weight_block b = {
				.width = min_int64(THAW_VECTOR_WIDTH, c->ci),
				.fetch_x = (const char *)(x + (last ? c->h * c->w * c->ci : end * x_row)),
				.fetch_dy = (const char *)(dy + end * dy_row),
			};
			if (last && n + 1 == c->n) { /* no band follows: prefetch lines that are in cache */
				b.fetch_x = (const char *)(x + begin * x_row);
				b.fetch_dy = (const char *)(dy + begin * dy_row);
			}
			for (int64_t from = 0; from < c->ci; from += THAW_VECTOR_WIDTH) {
				int64_t at = vector_begin(c->ci, from);
				b.x = x + at;
				b.dy = dy + at;
				b.dweight = dweight + at;
				b.skip = from - at;
				weight_rows_of_band(c, &b, begin, end);
			}
		}
}
