/* Depthwise convolution: each channel has a filter of its own, weight (kh,kw,1,C).
 *
 * A matrix product has nothing to reuse here, so these are direct loops over one vector of channels at a time, several
 * pixels of a row side by side in registers. What limits them is memory: a band of rows is done for one vector of
 * channels before the next, so that its pixels come from the first cache when the next row of the filter meets them,
 * and the band after it is fetched meanwhile, in the order in which it lies.
 *
 * The gradient of the image is the same loop with the filter backwards. With a stride, pixels of dx that are a stride
 * apart meet the same rows and columns of the filter and neighbouring pixels of dy: that is stride_y * stride_x
 * convolutions without stride, each for one of the interleaved parts of dx.
 */
#include <string.h>

#include "src/ops/kernels/activate.h"
#include "src/ops/kernels/conv_depthwise.h"

enum { TILE = 4 }; /* pixels of a row in registers */

/* A convolution without channels: output pixel (i, j) is the sum over the filter's (ky, kx) of weight (ky, kx) and
 * input pixel (i * stride_y - top + ky, j * stride_x - left + kx), unless that is outside. Distances are in floats;
 * those of the weights are negative where the filter runs backwards. */
struct grid {
	int64_t h, w, ho, wo, kh, kw;
	int64_t stride_y, stride_x, top, left;
	int64_t in_pixel, in_row;
	int64_t weight, weight_tap, weight_row;
	int64_t out, out_pixel, out_row;
};

/* What a vector of channels of one image is computed from; pointers are to its first channel. */
struct block {
	const float *in, *weight;
	const float *bias, *residual; /* residual lies as `out` does, or is NULL */
	float *out;
	enum thaw_activation activation;
	int64_t lanes;      /* channels to load, and */
	int64_t skip;       /* how many of them another block has */
	const char *fetch;  /* next line that the next band will read, and */
	int64_t fetch_step; /* bytes from one to the next; 0: these lines were asked for already */
	char *fetch_to_set; /* next line that the next band will write */
};

/* An output row: its `rows` input rows that are inside, and the row of the filter that is over the first of them. */
struct row {
	const float *in, *weight;
	int64_t rows, at; /* at: where the output pixel 0 is, from block.out */
};

THAW_INLINE void fetch(struct block *b, int64_t read, int64_t written)
{
	const char *from = b->fetch;
	char *to = b->fetch_to_set;
	for (int64_t i = 0; i < read; i++)
		__builtin_prefetch(from + i * LINE, 0, 2);
	for (int64_t i = 0; i < written; i++)
		__builtin_prefetch(to + i * LINE, 1, 2);
	b->fetch = from + b->fetch_step * read;
	b->fetch_to_set = to + written * LINE;
}

/* The activation of `count` pixels. */
THAW_INLINE void activate(vec *sum, int count, enum thaw_activation kind)
{
	float value[TILE * LANES];
	memcpy(value, sum, (size_t)count * LINE);
#pragma GCC unroll 1 /* or gcc takes the vectors apart */
	for (int i = 0; i < count * LANES; i++)
		value[i] = thaw_activate(value[i], kind);
	memcpy(sum, value, (size_t)count * LINE);
}

/* out = activation(sum + residual) for `count` pixels; `part`: not all lanes. */
THAW_INLINE void finish(const struct grid *g, const struct block *b, vec *sum, int count, int64_t at, bool part)
{
	vec residual;

	for (int p = 0; b->residual && p < count; p++) {
		load(&residual, b->residual + at + p * g->out_pixel, part ? b->lanes : LANES);
		sum[p] += residual;
	}
	if (b->activation != THAW_ACT_NONE)
		activate(sum, count, b->activation);
	for (int p = 0; !part && p < count; p++)
		*(vec *)(b->out + at + p * g->out_pixel) = sum[p];
	for (int64_t i = b->skip; part && i < b->lanes; i++)
		b->out[at + i] = (*sum)[i];
}

/* `tile` neighbouring pixels from j on, all of whose taps are inside. Constant arguments unroll it. */
THAW_INLINE void tile_inside(const struct grid *g, struct block *b, const struct row *r, int64_t j, int tile,
			     int64_t taps, int64_t stride)
{
	const float *in = r->in + (j * stride - g->left) * g->in_pixel, *weight = r->weight;
	vec sum[TILE], v, w;

	fetch(b, tile * stride * stride, tile);
	for (int p = 0; p < tile; p++)
		load(&sum[p], b->bias, LANES);
	for (int64_t i = 0; i < r->rows; i++, in += g->in_row, weight += g->weight_row)
		for (int64_t t = 0; t < taps; t++) {
			load(&w, weight + t * g->weight_tap, LANES);
			for (int p = 0; p < tile; p++) {
				load(&v, in + (p * stride + t) * g->in_pixel, LANES);
				sum[p] += v * w;
			}
		}
	finish(g, b, sum, tile, r->at + j * g->out_pixel, false);
}

/* Pixel j, some of whose taps may be outside; `part`: not all lanes. */
THAW_INLINE void pixel(const struct grid *g, struct block *b, const struct row *r, int64_t j, int64_t taps,
		       int64_t stride, bool part)
{
	int64_t at = j * stride - g->left, lanes = part ? b->lanes : LANES;
	vec sum, v, w;

	fetch(b, stride * stride, 1);
	load(&sum, b->bias, lanes);
	for (int64_t t = 0; t < taps; t++) {
		const float *in = r->in + (at + t) * g->in_pixel, *weight = r->weight + t * g->weight_tap;
		if (at + t < 0 || at + t >= g->w)
			continue;
		for (int64_t i = 0; i < r->rows; i++) {
			load(&v, in + i * g->in_row, lanes);
			load(&w, weight + i * g->weight_row, lanes);
			sum += v * w;
		}
	}
	finish(g, b, &sum, 1, r->at + j * g->out_pixel, part);
}

/* A row of the output. Pixels [begin, end) have all their taps inside. */
THAW_INLINE void row_whole(const struct grid *g, struct block *b, const struct row *r, int64_t taps, int64_t stride)
{
	int64_t room = g->w + g->left - taps, j = 0;
	int64_t begin = least(g->wo, most(0, (g->left + stride - 1) / stride));
	int64_t end = room < 0 ? begin : most(begin, least(g->wo, room / stride + 1));
	for (; j < begin; j++)
		pixel(g, b, r, j, taps, stride, false);
	for (; j + TILE <= end; j += TILE)
		tile_inside(g, b, r, j, TILE, taps, stride);
	for (; j + 2 <= end; j += 2)
		tile_inside(g, b, r, j, 2, taps, stride);
	for (; j < end; j++)
		tile_inside(g, b, r, j, 1, taps, stride);
	for (; j < g->wo; j++)
		pixel(g, b, r, j, taps, stride, false);
}

/* Rows [begin, end) of the output. `whole`: the block is a whole vector. */
THAW_INLINE void rows_all(const struct grid *g, struct block *b, int64_t begin, int64_t end, int64_t taps,
			  int64_t stride, bool whole)
{
	for (int64_t i = begin; i < end; i++) {
		int64_t top = i * g->stride_y - g->top, first = most(0, -top);
		struct row r = {
			.in = b->in,
			.weight = b->weight + g->weight,
			.rows = taps ? most(0, least(g->kh, g->h - top) - first) : 0,
			.at = g->out + i * g->out_row,
		};
		if (r.rows) {
			r.in += (top + first) * g->in_row;
			r.weight += first * g->weight_row;
		}
		if (whole)
			row_whole(g, b, &r, taps, stride);
		for (int64_t j = 0; !whole && j < g->wo; j++)
			pixel(g, b, &r, j, taps, stride, true);
	}
}

THAW_MULTIVERSION
static void rows_run(const struct grid *grid, struct block *block, int64_t begin, int64_t end)
{
	const struct grid own = *grid, *g = &own; /* copies, which the stores of results cannot change */
	struct block mine = *block, *b = &mine;
	if (b->skip || b->lanes < LANES)
		rows_all(g, b, begin, end, g->kw, g->stride_x, false);
	else if (g->kw == 3 && g->stride_x == 1)
		rows_all(g, b, begin, end, 3, 1, true);
	else if (g->kw == 3 && g->stride_x == 2)
		rows_all(g, b, begin, end, 3, 2, true);
	else if (g->kw == 5 && g->stride_x == 1)
		rows_all(g, b, begin, end, 5, 1, true);
	else if (g->kw == 5 && g->stride_x == 2)
		rows_all(g, b, begin, end, 5, 2, true);
	else if (g->kw == 1 && g->stride_x == 1)
		rows_all(g, b, begin, end, 1, 1, true);
	else if (g->kw == 2 && g->stride_x == 1)
		rows_all(g, b, begin, end, 2, 1, true);
	else
		rows_all(g, b, begin, end, g->kw, g->stride_x, true);
	*block = mine;
}

static bool fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	(void)pass;
	return c->groups == c->ci && c->co == c->ci;
}

static size_t scratch(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	return pass == THAW_CONV_DATA ? (size_t)(c->stride_y * c->stride_x) * sizeof(struct grid) : 0;
}

static struct block block_at(const struct block *all, int64_t channels, int64_t from)
{
	static const float no_bias[LANES];
	int64_t begin = vector_begin(channels, from);
	struct block b = *all;
	b.in += begin;
	b.weight += begin;
	b.out += begin;
	b.bias = b.bias ? b.bias + begin : no_bias;
	b.residual = b.residual ? b.residual + begin : NULL;
	b.lanes = least(LANES, channels);
	b.skip = from - begin;
	return b;
}

/* One band of one image: rows [begin, begin + rows) of every grid. */
static void band_run(const struct grid *g, int64_t grids, struct block *image, int64_t channels, int64_t begin,
		     int64_t rows)
{
	for (int64_t from = 0; from < channels; from += LANES) {
		struct block b = block_at(image, channels, from);
		for (int64_t i = 0; i < grids; i++) {
			b.fetch_step = i ? 0 : LINE; /* all grids read the same */
			rows_run(&g[i], &b, least(begin, g[i].ho), least(begin + rows, g[i].ho));
		}
		image->fetch = b.fetch;
		image->fetch_to_set = b.fetch_to_set;
	}
}

/* All grids of n images, in bands. The first grid is no smaller than the others. */
static void images_run(const struct grid *g, int64_t grids, const struct block *images, int64_t n, int64_t channels,
		       int64_t in_image, int64_t out_image)
{
	int64_t in_row = g->stride_y * g->in_row;
	int64_t rows =
		band_rows((g->stride_y * g->w + grids * g->wo) * LINE, (in_row + g->out_row) * (int64_t)sizeof(float));
	for (int64_t i = 0; i < n; i++)
		for (int64_t begin = 0; begin < g->ho; begin += rows) {
			bool last = begin + rows >= g->ho;
			struct block b = *images;
			b.in += i * in_image;
			b.out += i * out_image;
			b.residual = b.residual ? b.residual + i * out_image : NULL;
			b.fetch = (const char *)(b.in + (last ? in_image : (begin + rows) * in_row));
			b.fetch_to_set = (char *)(b.out + (last ? out_image : (begin + rows) * g->out_row));
			if (last && i + 1 == n) { /* nothing follows: fetch what is there already */
				b.fetch = (const char *)(b.in + begin * in_row);
				b.fetch_to_set = (char *)(b.out + begin * g->out_row);
			}
			band_run(g, grids, &b, channels, begin, rows);
		}
}

static void forward(const struct thaw_conv *c, const float *x, const float *weight, const void *packed,
		    const struct thaw_conv_epilogue *epilogue, float *y, void *buffer)
{
	struct grid g = {
		.h = c->h,
		.w = c->w,
		.ho = c->ho,
		.wo = c->wo,
		.kh = c->kh,
		.kw = c->kw,
		.stride_y = c->stride_y,
		.stride_x = c->stride_x,
		.top = c->top,
		.left = c->left,
		.in_pixel = c->ci,
		.in_row = c->w * c->ci,
		.weight_tap = c->ci,
		.weight_row = c->kw * c->ci,
		.out_pixel = c->ci,
		.out_row = c->wo * c->ci,
	};
	struct block images = {
		.in = x,
		.weight = weight,
		.bias = epilogue->bias,
		.residual = epilogue->residual,
		.out = y,
		.activation = epilogue->activation,
	};
	(void)packed;
	(void)buffer;
	images_run(&g, 1, &images, c->n, c->ci, c->h * g.in_row, c->ho * g.out_row);
}

/* Pixels (y, x), (y + stride_y, x) and so on of dx, y < stride_y and x < stride_x. Pixel y is under the filter's rows
 * (y + top) % stride_y + i * stride_y, when that is put on row (y + top) / stride_y - i of dy. */
static struct grid grid_of_dx(const struct thaw_conv *c, int64_t y, int64_t x)
{
	int64_t ky = (y + c->top) % c->stride_y, kx = (x + c->left) % c->stride_x;
	int64_t kh = most(0, (c->kh - ky + c->stride_y - 1) / c->stride_y);
	int64_t kw = most(0, (c->kw - kx + c->stride_x - 1) / c->stride_x);
	return (struct grid){
		.h = c->ho,
		.w = c->wo,
		.ho = (c->h - y + c->stride_y - 1) / c->stride_y,
		.wo = (c->w - x + c->stride_x - 1) / c->stride_x,
		.kh = kw ? kh : 0,
		.kw = kh ? kw : 0,
		.stride_y = 1,
		.stride_x = 1,
		.top = kh - 1 - (y + c->top) / c->stride_y,
		.left = kw - 1 - (x + c->left) / c->stride_x,
		.in_pixel = c->ci,
		.in_row = c->wo * c->ci,
		.weight = kh && kw ? ((ky + (kh - 1) * c->stride_y) * c->kw + kx + (kw - 1) * c->stride_x) * c->ci : 0,
		.weight_tap = -c->stride_x * c->ci,
		.weight_row = -c->stride_y * c->kw * c->ci,
		.out = (y * c->w + x) * c->ci,
		.out_pixel = c->stride_x * c->ci,
		.out_row = c->stride_y * c->w * c->ci,
	};
}

static void backward_data(const struct thaw_conv *c, const float *dy, const float *weight, float *dx, bool add,
			  void *buffer)
{
	struct grid *g = buffer;
	int64_t grids = 0;
	struct block images = {
		.in = dy,
		.weight = weight,
		.residual = add ? dx : NULL,
		.out = dx,
	};
	for (int64_t y = 0; y < least(c->stride_y, c->h); y++)
		for (int64_t x = 0; x < least(c->stride_x, c->w); x++)
			g[grids++] = grid_of_dx(c, y, x);
	images_run(g, grids, &images, c->n, c->ci, c->ho * c->wo * c->ci, c->h * c->w * c->ci);
}

const struct thaw_conv_kernel thaw_conv_depthwise = {
	.name = "depthwise",
	.fits = fits,
	.scratch = scratch,
	.forward = forward,
	.data = backward_data,
	.weight = thaw_depthwise_weight,
};
