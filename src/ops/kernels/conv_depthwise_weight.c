/* The gradient of depthwise weights: all values of a filter stay in registers while a band of rows is summed; of a
 * filter of 7 x 7, four of its rows and then the other three. */
#include "src/ops/kernels/conv_depthwise.h"

enum { MOST_TAPS = 4 * 7 }; /* of dweight in registers */

/* What one vector of channels of dweight is summed from, over some rows of one image. */
struct weight_block {
	const float *x, *dy;
	float *dweight;
	int64_t lanes, skip;            /* as in struct block */
	const char *fetch_x, *fetch_dy; /* lines that will be read in the next band */
};

/* Some rows of dy, [begin, end), and of the filter: from ky on, all of them inside of the image; and columns of the
 * filter from kx on. */
struct weight_part {
	int64_t begin, end;
	int64_t ky, kx;
};

/* The taps of output pixel j; `careful`: as far as they are inside of the row. */
THAW_INLINE void add_pixel(const struct thaw_conv *c, const float *in, const float *dy, int64_t at, int64_t rows,
			   int64_t taps, int64_t lanes, bool careful, vec *sum)
{
	vec d, v;

	load(&d, dy, lanes);
	for (int64_t i = 0; i < rows; i++)
		for (int64_t t = 0; t < taps; t++)
			if (!careful || (at + t >= 0 && at + t < c->w)) {
				load(&v, in + (i * c->w + at + t) * c->ci, lanes);
				sum[i * taps + t] += d * v;
			}
}

/* dweight += of a part of `rows` x `taps` filter values, whose sums stay in registers. */
THAW_INLINE void weight_rows(const struct thaw_conv *c, struct weight_block *b, const struct weight_part *p,
			     int64_t rows, int64_t taps, int64_t stride, int64_t lanes)
{
	vec sum[MOST_TAPS];

	for (int64_t i = 0; i < rows * taps; i++)
		sum[i] = (vec){0};
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
				add_pixel(c, in, dy, at, rows, taps, lanes, false, sum);
			else
				add_pixel(c, in, dy, at, rows, taps, lanes, true, sum);
		}
	}
	for (int64_t i = 0; i < rows; i++)
		for (int64_t t = 0; t < taps; t++) {
			float *to = b->dweight + ((p->ky + i) * c->kw + p->kx + t) * c->ci;
			for (int64_t lane = b->skip; lane < b->lanes; lane++)
				to[lane] += sum[i * taps + t][lane];
		}
}

/* dweight += of one row of dy, for rows [begin, end) of the filter, of which some may be outside of the image. */
THAW_INLINE void weight_row(const struct thaw_conv *c, struct weight_block *b, int64_t row, int64_t begin, int64_t end,
			    int64_t taps, int64_t stride, int64_t lanes)
{
	int64_t top = row * c->stride_y - c->top, last = least(end, c->h - top);
	for (int64_t ky = most(begin, -top); ky < last; ky++)
		for (int64_t kx = 0; kx < c->kw; kx += taps)
			weight_rows(c, b, &(struct weight_part){row, row + 1, ky, kx}, 1, taps, stride, lanes);
}

/* dweight += of rows [begin, end) of dy, for `kh` rows of the filter from ky on: rows of dy for which all of them are
 * inside of the image together. */
THAW_INLINE void weight_band(const struct thaw_conv *c, struct weight_block *b, int64_t begin, int64_t end, int64_t ky,
			     int64_t kh, int64_t taps, int64_t stride)
{
	int64_t room = c->h + c->top - ky - kh;
	int64_t low = least(end, most(begin, (most(c->top - ky, 0) + c->stride_y - 1) / c->stride_y));
	int64_t high = room >= 0 ? most(low, least(end, room / c->stride_y + 1)) : low;
	for (int64_t row = begin; row < low; row++)
		weight_row(c, b, row, ky, ky + kh, taps, stride, LANES);
	if (low < high)
		weight_rows(c, b, &(struct weight_part){low, high, ky, 0}, kh, taps, stride, LANES);
	for (int64_t row = high; row < end; row++)
		weight_row(c, b, row, ky, ky + kh, taps, stride, LANES);
}

THAW_MULTIVERSION
static void weight_run(const struct thaw_conv *c, struct weight_block *b, int64_t begin, int64_t end)
{
	bool square = c->kh == c->kw && b->lanes == LANES;
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
			weight_row(c, b, row, 0, c->kh, 1, c->stride_x, b->lanes);
}

void thaw_depthwise_weight(const struct thaw_conv *c, const float *x, const float *dy, float *dweight, void *buffer)
{
	int64_t x_row = c->stride_y * c->w * c->ci, dy_row = c->wo * c->ci;
	int64_t rows = band_rows((c->stride_y * c->w + c->wo) * LINE, (x_row + dy_row) * (int64_t)sizeof(float));
	(void)buffer;
	for (int64_t n = 0; n < c->n; n++, x += c->h * c->w * c->ci, dy += c->ho * dy_row)
		for (int64_t begin = 0; begin < c->ho; begin += rows) {
			int64_t end = least(begin + rows, c->ho);
			bool last = end == c->ho;
			struct weight_block b = {
				.lanes = least(LANES, c->ci),
				.fetch_x = (const char *)(x + (last ? c->h * c->w * c->ci : end * x_row)),
				.fetch_dy = (const char *)(dy + end * dy_row),
			};
			if (last && n + 1 == c->n) { /* nothing follows: fetch what is there already */
				b.fetch_x = (const char *)(x + begin * x_row);
				b.fetch_dy = (const char *)(dy + begin * dy_row);
			}
			for (int64_t from = 0; from < c->ci; from += LANES) {
				int64_t at = vector_begin(c->ci, from);
				b.x = x + at;
				b.dy = dy + at;
				b.dweight = dweight + at;
				b.skip = from - at;
				weight_run(c, &b, begin, end);
			}
		}
}
