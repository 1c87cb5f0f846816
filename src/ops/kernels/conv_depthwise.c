/* Depthwise convolution: one filter per channel, weight (kh,kw,1,C).
 *
 * A matrix product could not reuse any values here, so these are direct loops over one vector of channels at a time,
 * with several neighbouring pixels of a row in registers. Memory limits their speed. So a band of rows is computed for
 * one vector of channels before the next: its pixels are still in the first-level cache when the next row of the filter
 * reads them. The next band is prefetched meanwhile, in the order of memory.
 *
 * The gradient of the image is the same loop with a reversed filter. With a stride, pixels of dx that are a stride
 * apart use the same rows and columns of the filter and neighbouring pixels of dy. These are stride_y * stride_x
 * convolutions without stride, each for one of the interleaved parts of dx.
 */
#include "src/ops/kernels/conv_depthwise.h"
#include "src/ops/kernels/activate.h"
#include "src/ops/kernels/conv_bands.h"

enum { TILE = 4 }; /* pixels of a row in registers */

/* A convolution of one channel: output pixel (i, j) is the sum over (ky, kx) of weight (ky, kx) times input pixel
 * (i * stride_y - top + ky, j * stride_x - left + kx), where that is inside the image. */
struct grid {
	int64_t h, w, ho, wo, kh, kw;
	int64_t stride_y, stride_x, top, left;
	/* Offset of the first element, and distances, in floats. Those of a reversed filter are negative. */
	int64_t in_pixel, in_row;
	int64_t weight, weight_tap, weight_row;
	int64_t out, out_pixel, out_row;
};

/* One vector of channels of one image; pointers are to its first channel. */
struct block {
	const float *in, *weight;
	const float *bias, *residual; /* residual: in the layout of `out`, or NULL */
	float *out;
	bool activates;
	float low, high;    /* bounds of the activation */
	int64_t width;      /* channels to load */
	int64_t skip;       /* the first of them, which the block before computes */
	const char *fetch;  /* next cache line that the next band will read */
	int64_t fetch_step; /* bytes from it to the one after; 0: these lines have been prefetched already */
	char *fetch_to_set; /* next cache line that the next band will write */
};

/* An output row. */
struct row {
	const float *in, *weight; /* the first input row that is inside the image, and its row of the filter */
	int64_t rows;             /* number of input rows inside the image */
	int64_t at;               /* offset of output pixel 0 from block.out */
};

/* Prefetches the next `read` lines to read and `written` lines to write. */
THAW_INLINE void prefetch_lines(struct block *b, int64_t read, int64_t written)
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

/* out = activation(sum + residual) for `count` pixels; `part`: of some channels of the vector only. */
THAW_INLINE void store_pixels(const struct grid *g, const struct block *b, thaw_vec *sum, int count, int64_t at,
			      bool part)
{
	thaw_vec residual;
	for (int p = 0; b->residual && p < count; p++) {
		load_channels(&residual, b->residual + at + p * g->out_pixel, part ? b->width : THAW_VECTOR_WIDTH);
		sum[p] += residual;
	}
	if (b->activates) {
		for (int p = 0; p < count; p++) {
			thaw_activate_vector(&sum[p], b->low, b->high);
			if (!part)
				*(thaw_vec *)(b->out + at + p * g->out_pixel) = sum[p];
		}
	} else
		for (int p = 0; !part && p < count; p++)
			*(thaw_vec *)(b->out + at + p * g->out_pixel) = sum[p];
	for (int64_t i = b->skip; part && i < b->width; i++)
		b->out[at + i] = (*sum)[i];
}

/* Computes `tile` neighbouring pixels from j on whose taps are all inside the row. Constant arguments unroll it. */
THAW_INLINE void compute_tile(const struct grid *g, struct block *b, const struct row *r, int64_t j, int tile,
			      int64_t taps, int64_t stride)
{
	const float *in = r->in + (j * stride - g->left) * g->in_pixel, *weight = r->weight;
	thaw_vec sum[TILE], v, w;
	prefetch_lines(b, tile * stride * stride, tile);
	for (int p = 0; p < tile; p++)
		load_channels(&sum[p], b->bias, THAW_VECTOR_WIDTH);
	for (int64_t i = 0; i < r->rows; i++, in += g->in_row, weight += g->weight_row)
		for (int64_t t = 0; t < taps; t++) {
			load_channels(&w, weight + t * g->weight_tap, THAW_VECTOR_WIDTH);
			for (int p = 0; p < tile; p++) {
				load_channels(&v, in + (p * stride + t) * g->in_pixel, THAW_VECTOR_WIDTH);
				sum[p] += v * w;
			}
		}
	store_pixels(g, b, sum, tile, r->at + j * g->out_pixel, false);
}

/* Computes pixel j, whose taps may be outside the row; `part`: of some channels of the vector only. */
THAW_INLINE void compute_pixel(const struct grid *g, struct block *b, const struct row *r, int64_t j, int64_t taps,
			       int64_t stride, bool part)
{
	int64_t at = j * stride - g->left, width = part ? b->width : THAW_VECTOR_WIDTH;
	thaw_vec sum, v, w;
	prefetch_lines(b, stride * stride, 1);
	load_channels(&sum, b->bias, width);
	for (int64_t t = 0; t < taps; t++) {
		const float *in = r->in + (at + t) * g->in_pixel, *weight = r->weight + t * g->weight_tap;
		if (at + t < 0 || at + t >= g->w)
			continue;
		for (int64_t i = 0; i < r->rows; i++) {
			load_channels(&v, in + i * g->in_row, width);
			load_channels(&w, weight + i * g->weight_row, width);
			sum += v * w;
		}
	}
	store_pixels(g, b, &sum, 1, r->at + j * g->out_pixel, part);
}

/* Computes a row of the output for a whole vector. Pixels [begin, end) have all their taps inside the row. */
THAW_INLINE void compute_row(const struct grid *g, struct block *b, const struct row *r, int64_t taps, int64_t stride)
{
	int64_t room = g->w + g->left - taps, j = 0;
	int64_t begin = min_int64(g->wo, max_int64(0, (g->left + stride - 1) / stride));
	int64_t end = room < 0 ? begin : max_int64(begin, min_int64(g->wo, room / stride + 1));
	for (; j < begin; j++)
		compute_pixel(g, b, r, j, taps, stride, false);
	for (; j + TILE <= end; j += TILE)
		compute_tile(g, b, r, j, TILE, taps, stride);
	for (; j + 2 <= end; j += 2)
		compute_tile(g, b, r, j, 2, taps, stride);
	for (; j < end; j++)
		compute_tile(g, b, r, j, 1, taps, stride);
	for (; j < g->wo; j++)
		compute_pixel(g, b, r, j, taps, stride, false);
}

/* Computes rows [begin, end) of the output. `whole`: of all channels of the vector. */
THAW_INLINE void compute_rows_for(const struct grid *g, struct block *b, int64_t begin, int64_t end, int64_t taps,
				  int64_t stride, bool whole)
{
	for (int64_t i = begin; i < end; i++) {
		int64_t top = i * g->stride_y - g->top, first = max_int64(0, -top);
		struct row r = {
			.in = b->in,
			.weight = b->weight + g->weight,
			.rows = taps ? max_int64(0, min_int64(g->kh, g->h - top) - first) : 0,
			.at = g->out + i * g->out_row,
		};
		if (r.rows) {
			r.in += (top + first) * g->in_row;
			r.weight += first * g->weight_row;
		}
		if (whole)
			compute_row(g, b, &r, taps, stride);
		for (int64_t j = 0; !whole && j < g->wo; j++)
			compute_pixel(g, b, &r, j, taps, stride, true);
	}
}

THAW_INLINE void compute_rows_of(const struct grid *grid, struct block *block, int64_t begin, int64_t end,
				 bool activates)
{
	/* Local copies, so that the compiler knows that stores of results do not change them. */
	const struct grid grid_copy = *grid, *g = &grid_copy;
	struct block block_copy = *block, *b = &block_copy;
	b->activates = activates;
	if (b->skip || b->width < THAW_VECTOR_WIDTH)
		compute_rows_for(g, b, begin, end, g->kw, g->stride_x, false);
	else if (g->kw == 3 && g->stride_x == 1)
		compute_rows_for(g, b, begin, end, 3, 1, true);
	else if (g->kw == 3 && g->stride_x == 2)
		compute_rows_for(g, b, begin, end, 3, 2, true);
	else if (g->kw == 5 && g->stride_x == 1)
		compute_rows_for(g, b, begin, end, 5, 1, true);
	else if (g->kw == 5 && g->stride_x == 2)
		compute_rows_for(g, b, begin, end, 5, 2, true);
	else if (g->kw == 1 && g->stride_x == 1)
		compute_rows_for(g, b, begin, end, 1, 1, true);
	else if (g->kw == 2 && g->stride_x == 1)
		compute_rows_for(g, b, begin, end, 2, 1, true);
	else
		compute_rows_for(g, b, begin, end, g->kw, g->stride_x, true);
	*block = block_copy;
}

/* Two functions, since one that decides at run time is a tenth slower. */
THAW_MULTIVERSION
static void compute_plain_rows(const struct grid *g, struct block *b, int64_t begin, int64_t end)
{
	compute_rows_of(g, b, begin, end, false);
}

THAW_MULTIVERSION
static void compute_activated_rows(const struct grid *g, struct block *b, int64_t begin, int64_t end)
{
	compute_rows_of(g, b, begin, end, true);
}

static void compute_rows(const struct grid *g, struct block *b, int64_t begin, int64_t end)
{
	if (b->activates)
		compute_activated_rows(g, b, begin, end);
	else
		compute_plain_rows(g, b, begin, end);
}

static bool depthwise_fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	(void)pass;
	return c->groups == c->ci && c->co == c->ci;
}

static size_t depthwise_scratch(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	size_t grids = pass == THAW_CONV_DATA ? (size_t)(c->stride_y * c->stride_x) * sizeof(struct grid) : 0;
	return thaw_conv_bands_bytes(c, pass, grids);
}

static struct block block_at(const struct block *all, int64_t channels, int64_t from)
{
	static const float no_bias[THAW_VECTOR_WIDTH];
	int64_t begin = vector_begin(channels, from);
	struct block b = *all;
	b.in += begin;
	b.weight += begin;
	b.out += begin;
	b.bias = b.bias ? b.bias + begin : no_bias;
	b.residual = b.residual ? b.residual + begin : NULL;
	b.width = min_int64(THAW_VECTOR_WIDTH, channels);
	b.skip = from - begin;
	return b;
}

/* Computes one band of one image: rows [begin, begin + rows) of every grid. */
static void compute_band(const struct grid *g, int64_t grids, struct block *image, int64_t channels, int64_t begin,
			 int64_t rows)
{
	for (int64_t from = 0; from < channels; from += THAW_VECTOR_WIDTH) {
		struct block b = block_at(image, channels, from);
		for (int64_t i = 0; i < grids; i++) {
			b.fetch_step = i ? 0 : LINE; /* all grids read the same lines */
			compute_rows(&g[i], &b, min_int64(begin, g[i].ho), min_int64(begin + rows, g[i].ho));
		}
		image->fetch = b.fetch;
		image->fetch_to_set = b.fetch_to_set;
	}
}

/* Computes all grids of n images, in bands. The first grid must be the largest. */
static void compute_images(const struct grid *g, int64_t grids, const struct block *images, int64_t n, int64_t channels,
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
			if (last && i + 1 == n) { /* no band follows: prefetch lines that are in cache */
				b.fetch = (const char *)(b.in + begin * in_row);
				b.fetch_to_set = (char *)(b.out + begin * g->out_row);
			}
			compute_band(g, grids, &b, channels, begin, rows);
		}
}

static void forward_rows(const struct thaw_conv *c, const float *x, const float *weight,
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
		.activates = epilogue->activation != THAW_ACT_NONE,
		.low = thaw_activation_low(epilogue->activation),
		.high = thaw_activation_high(epilogue->activation),
	};
	(void)buffer;
	compute_images(&g, 1, &images, c->n, c->ci, c->h * g.in_row, c->ho * g.out_row);
}

static void depthwise_forward(const struct thaw_conv *c, struct thaw_values x, const float *weight, const void *packed,
			      const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *scratch)
{
	(void)packed;
	thaw_conv_forward_bands(c, x, weight, epilogue, y, scratch, forward_rows);
}

/* The grid of the pixels (y, x), (y + stride_y, x), ... of dx, for y < stride_y and x < stride_x. Rows
 * (y + top) % stride_y + i * stride_y of the filter connect row y of dx with rows (y + top) / stride_y - i of dy. */
static struct grid grid_of_dx(const struct thaw_conv *c, int64_t y, int64_t x)
{
	int64_t ky = (y + c->top) % c->stride_y, kx = (x + c->left) % c->stride_x;
	int64_t kh = max_int64(0, (c->kh - ky + c->stride_y - 1) / c->stride_y);
	int64_t kw = max_int64(0, (c->kw - kx + c->stride_x - 1) / c->stride_x);
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

static void depthwise_backward_data(const struct thaw_conv *c, const float *dy, const float *weight, float *dx,
				    bool add, void *buffer)
{
	struct grid *g = buffer;
	int64_t grids = 0;
	struct block images = {
		.in = dy,
		.weight = weight,
		.residual = add ? dx : NULL,
		.out = dx,
	};
	for (int64_t y = 0; y < min_int64(c->stride_y, c->h); y++)
		for (int64_t x = 0; x < min_int64(c->stride_x, c->w); x++)
			g[grids++] = grid_of_dx(c, y, x);
	compute_images(g, grids, &images, c->n, c->ci, c->ho * c->wo * c->ci, c->h * c->w * c->ci);
}

static void depthwise_backward_weight(const struct thaw_conv *c, struct thaw_values x, const float *dy, float *dweight,
				      void *scratch)
{
	thaw_conv_weight_bands(c, x, dy, dweight, scratch, thaw_depthwise_weight);
}

const struct thaw_conv_kernel thaw_conv_depthwise = {
	.name = "depthwise",
	.bf16 = true,
	.fits = depthwise_fits,
	.scratch = depthwise_scratch,
	.forward = depthwise_forward,
	.data = depthwise_backward_data,
	.weight = depthwise_backward_weight,
};
