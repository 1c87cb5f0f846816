/* Depthwise convolution: each channel has a filter of its own, weight (kh,kw,1,C).
 *
 * A matrix product has nothing to reuse here, so these are direct loops: a vector of channels at a time,
 * several pixels of a row side by side in registers. Forward and backward-data are the same loop over a
 * "line" of pixels; they differ in which taps a pixel has and where those lie.
 */
#include <string.h>

#include "src/base/multiversion.h"
#include "src/ops/kernels/conv.h"

enum { LANES = 16, TILE = 4 };

typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

THAW_INLINE void load(vec *v, const float *from, int64_t lanes)
{
	if (lanes == LANES) {
		*v = *(const vec *)from;
		return;
	}
	*v = (vec){0};
	for (int64_t i = 0; i < lanes; i++)
		(*v)[i] = from[i];
}

THAW_INLINE void store(float *to, const vec *v, int64_t lanes, bool add)
{
	if (lanes == LANES) {
		vec before = add ? *(const vec *)to : (vec){0};
		*(vec *)to = before + *v;
		return;
	}
	for (int64_t i = 0; i < lanes; i++)
		to[i] = add ? to[i] + (*v)[i] : (*v)[i];
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Pixels j = 0 .. count-1 of a row of results. Tap (i, t) multiplies weight row i, column t with the
 * input of row i, pixel j * in_step + shift + t * shift_step, which may lie outside of 0 .. in_width-1.
 * Pointers are to the first channel; distances are in floats, shifts and in_step in pixels. */
struct line {
	int64_t channels, count;
	int64_t rows, taps;
	const float *in;
	int64_t in_row, in_width, in_step, shift, shift_step;
	const float *weight;
	int64_t weight_row, weight_tap;
	float *out;
	int64_t out_step;
	bool add;
};

/* `tile` neighbouring pixels from j on, all of whose taps are inside. Constant arguments unroll it. */
THAW_INLINE void tile_inside(const struct line *l, int64_t j, int64_t c, int tile, int64_t taps, int64_t in_step,
			     int64_t shift_step, int64_t lanes)
{
	vec sum[TILE], w, x;
	const float *in = l->in + (j * in_step + l->shift) * l->channels + c, *weight = l->weight + c;

	for (int p = 0; p < tile; p++)
		sum[p] = (vec){0};
	for (int64_t i = 0; i < l->rows; i++, in += l->in_row, weight += l->weight_row)
		for (int64_t t = 0; t < taps; t++) {
			load(&w, weight + t * l->weight_tap, lanes);
			for (int p = 0; p < tile; p++) {
				load(&x, in + (p * in_step + t * shift_step) * l->channels, lanes);
				sum[p] += w * x;
			}
		}
	for (int p = 0; p < tile; p++)
		store(l->out + (j + p) * l->out_step + c, &sum[p], lanes, l->add);
}

/* A pixel some of whose taps may be outside. */
THAW_INLINE void pixel_border(const struct line *l, int64_t j, int64_t c, int64_t lanes)
{
	vec sum = {0}, w, x;

	for (int64_t t = 0; t < l->taps; t++) {
		int64_t at = j * l->in_step + l->shift + t * l->shift_step;

		if (at < 0 || at >= l->in_width)
			continue;
		for (int64_t i = 0; i < l->rows; i++) {
			load(&w, l->weight + i * l->weight_row + t * l->weight_tap + c, lanes);
			load(&x, l->in + i * l->in_row + at * l->channels + c, lanes);
			sum += w * x;
		}
	}
	store(l->out + j * l->out_step + c, &sum, lanes, l->add);
}

/* `tile` neighbouring pixels, all their channels: memory is read in the order in which it lies. */
THAW_INLINE void tile_channels(const struct line *l, int64_t j, int tile, int64_t taps, int64_t in_step,
			       int64_t shift_step)
{
	int64_t c = 0;

	for (; c + LANES <= l->channels; c += LANES)
		tile_inside(l, j, c, tile, taps, in_step, shift_step, LANES);
	if (c < l->channels)
		tile_inside(l, j, c, tile, taps, in_step, shift_step, l->channels - c);
}

THAW_INLINE void border_channels(const struct line *l, int64_t j)
{
	int64_t c = 0;

	for (; c + LANES <= l->channels; c += LANES)
		pixel_border(l, j, c, LANES);
	if (c < l->channels)
		pixel_border(l, j, c, l->channels - c);
}

/* The whole line; pixels [begin, end) have all their taps inside. */
THAW_INLINE void line_all(const struct line *l, int64_t begin, int64_t end, int64_t taps, int64_t in_step,
			  int64_t shift_step)
{
	int64_t j = 0;

	for (; j < begin; j++)
		border_channels(l, j);
	for (; j + TILE <= end; j += TILE)
		tile_channels(l, j, TILE, taps, in_step, shift_step);
	for (; j < end; j++)
		tile_channels(l, j, 1, taps, in_step, shift_step);
	for (; j < l->count; j++)
		border_channels(l, j);
}

/* The pixels [*begin, *end) of 0 .. count-1 for which j * step + shift is in low .. high-1. */
static void pixels_within(int64_t count, int64_t step, int64_t low, int64_t high, int64_t *begin, int64_t *end)
{
	*begin = least(count, most(0, (low + step - 1) / step));
	*end = high <= 0 ? *begin : least(count, most(*begin, (high - 1) / step + 1));
}

THAW_MULTIVERSION
static void line_run(const struct line *l)
{
	int64_t begin, end, last = l->shift + (l->taps - 1) * l->shift_step;

	pixels_within(l->count, l->in_step, -least(l->shift, last), l->in_width - most(l->shift, last), &begin, &end);
	if (l->shift_step == 1 && l->in_step == 1 && l->taps == 3)
		line_all(l, begin, end, 3, 1, 1);
	else if (l->shift_step == 1 && l->in_step == 2 && l->taps == 3)
		line_all(l, begin, end, 3, 2, 1);
	else if (l->shift_step == 1 && l->in_step == 1 && l->taps == 5)
		line_all(l, begin, end, 5, 1, 1);
	else if (l->shift_step == 1 && l->in_step == 2 && l->taps == 5)
		line_all(l, begin, end, 5, 2, 1);
	else if (l->shift_step == -1 && l->taps == 3)
		line_all(l, begin, end, 3, 1, -1);
	else if (l->shift_step == -1 && l->taps == 5)
		line_all(l, begin, end, 5, 1, -1);
	else
		line_all(l, begin, end, l->taps, l->in_step, l->shift_step);
}

static bool fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	(void)pass;
	return c->groups == c->ci && c->co == c->ci;
}

static size_t scratch(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	(void)c;
	(void)pass;
	return 0;
}

static void forward(const struct thaw_conv *c, const float *x, const float *weight, const void *prepared,
		    const struct thaw_conv_epilogue *epilogue, float *y, void *buffer)
{
	struct line l = {
		.channels = c->ci,
		.count = c->wo,
		.taps = c->kw,
		.in_row = c->w * c->ci,
		.in_width = c->w,
		.in_step = c->stride_x,
		.shift = -c->left,
		.shift_step = 1,
		.weight_row = c->kw * c->ci,
		.weight_tap = c->ci,
		.out_step = c->ci,
	};

	(void)prepared;
	(void)buffer;
	for (int64_t row = 0; row < c->n * c->ho; row++) {
		int64_t top = row % c->ho * c->stride_y - c->top, first = most(0, -top);

		l.rows = most(0, least(c->kh, c->h - top) - first);
		l.in = l.rows ? x + (row / c->ho * c->h + top + first) * l.in_row : x;
		l.weight = l.rows ? weight + first * l.weight_row : weight;
		l.out = y + row * c->wo * c->ci;
		line_run(&l);
		thaw_conv_finish(c, epilogue, y, row * c->wo, c->wo);
	}
}

/* Input pixels a stride apart meet the same columns of the filter, and neighbouring outputs: each row of
 * dx is stride_x interleaved lines. The filter runs backwards over dy. */
static void backward_data(const struct thaw_conv *c, const float *dy, const float *weight, float *dx, bool add,
			  void *buffer)
{
	int64_t row_floats = c->wo * c->ci;

	(void)buffer;
	for (int64_t row = 0; row < c->n * c->h; row++) {
		int64_t y = row % c->h + c->top, ky = y % c->stride_y, oy = y / c->stride_y;
		int64_t skip = most(0, oy - (c->ho - 1));

		ky += skip * c->stride_y;
		oy -= skip;
		for (int64_t phase = 0; phase < least(c->stride_x, c->w); phase++) {
			int64_t kx = (phase + c->left) % c->stride_x;
			struct line l = {
				.channels = c->ci,
				.count = (c->w - phase + c->stride_x - 1) / c->stride_x,
				.rows = ky < c->kh ? least((c->kh - 1 - ky) / c->stride_y + 1, oy + 1) : 0,
				.taps = kx < c->kw ? (c->kw - 1 - kx) / c->stride_x + 1 : 0,
				.in_row = -row_floats,
				.in_width = c->wo,
				.in_step = 1,
				.shift = (phase + c->left) / c->stride_x,
				.shift_step = -1,
				.weight_row = c->stride_y * c->kw * c->ci,
				.weight_tap = c->stride_x * c->ci,
				.out = dx + (row * c->w + phase) * c->ci,
				.out_step = c->stride_x * c->ci,
				.add = add,
			};
			bool any = l.rows > 0 && l.taps > 0;

			l.in = any ? dy + (row / c->h * c->ho + oy) * row_floats : dy;
			l.weight = any ? weight + (ky * c->kw + kx) * c->ci : weight;
			l.rows = any ? l.rows : 0;
			l.taps = any ? l.taps : 0;
			line_run(&l);
		}
	}
}

/* Backward-weights of one row of dy (wo,C) against `rows` rows of x (w,C) and of the filter. */
struct weight_line {
	int64_t channels, count;
	int64_t taps;
	const float *x;
	int64_t x_row, in_width, in_step, shift;
	const float *dy;
	float *dweight;
	int64_t weight_row;
};

/* The pixels [begin, end), all of whose taps are inside, for a vector of channels: the sums of rows x
 * taps filter values stay in registers. */
THAW_INLINE void weight_inside(const struct weight_line *l, int64_t begin, int64_t end, int64_t c, int rows, int taps,
			       int64_t in_step, int64_t lanes)
{
	vec sum[3 * 5], d, x;
	const float *in = l->x + (begin * in_step + l->shift) * l->channels + c, *dy = l->dy + begin * l->channels + c;

	for (int i = 0; i < rows * taps; i++)
		sum[i] = (vec){0};
	for (int64_t j = begin; j < end; j++, in += in_step * l->channels, dy += l->channels) {
		load(&d, dy, lanes);
		for (int i = 0; i < rows; i++)
			for (int t = 0; t < taps; t++) {
				load(&x, in + i * l->x_row + t * l->channels, lanes);
				sum[i * taps + t] += d * x;
			}
	}
	for (int i = 0; i < rows; i++)
		for (int t = 0; t < taps; t++)
			store(l->dweight + i * l->weight_row + t * l->channels + c, &sum[i * taps + t], lanes, true);
}

/* One filter value from the pixels [begin, end), passing over taps outside. */
THAW_INLINE void weight_border(const struct weight_line *l, int64_t begin, int64_t end, int64_t c, int64_t row,
			       int64_t tap, int64_t lanes)
{
	vec sum = {0}, d, x;

	for (int64_t j = begin; j < end; j++) {
		int64_t at = j * l->in_step + l->shift + tap;

		if (at < 0 || at >= l->in_width)
			continue;
		load(&d, l->dy + j * l->channels + c, lanes);
		load(&x, l->x + row * l->x_row + at * l->channels + c, lanes);
		sum += d * x;
	}
	store(l->dweight + row * l->weight_row + tap * l->channels + c, &sum, lanes, true);
}

THAW_INLINE void weight_channels(const struct weight_line *l, int64_t begin, int64_t end, int64_t c, int64_t rows,
				 int64_t lanes)
{
	bool fast = true;

	if (rows == 3 && l->taps == 3 && l->in_step == 1)
		weight_inside(l, begin, end, c, 3, 3, 1, lanes);
	else if (rows == 3 && l->taps == 3 && l->in_step == 2)
		weight_inside(l, begin, end, c, 3, 3, 2, lanes);
	else if (rows == 1 && l->taps == 3)
		weight_inside(l, begin, end, c, 1, 3, l->in_step, lanes);
	else if (rows == 1 && l->taps == 5)
		weight_inside(l, begin, end, c, 1, 5, l->in_step, lanes);
	else
		fast = false;
	for (int64_t i = 0; i < rows; i++)
		for (int64_t t = 0; t < l->taps; t++) {
			weight_border(l, 0, fast ? begin : l->count, c, i, t, lanes);
			if (fast && end < l->count)
				weight_border(l, end, l->count, c, i, t, lanes);
		}
}

THAW_MULTIVERSION
static void weight_run(const struct weight_line *l, int64_t rows)
{
	int64_t begin, end, c = 0;

	pixels_within(l->count, l->in_step, -l->shift, l->in_width - (l->shift + l->taps - 1), &begin, &end);
	for (; c + LANES <= l->channels; c += LANES)
		weight_channels(l, begin, end, c, rows, LANES);
	if (c < l->channels)
		weight_channels(l, begin, end, c, rows, l->channels - c);
}

static void backward_weight(const struct thaw_conv *c, const float *x, const float *dy, float *dweight, void *buffer)
{
	(void)buffer;
	for (int64_t row = 0; row < c->n * c->ho; row++) {
		int64_t top = row % c->ho * c->stride_y - c->top;
		int64_t first = most(0, -top), last = least(c->kh, c->h - top);
		int64_t together = c->kw == 3 && last - first == 3 ? 3 : 1;

		for (int64_t ky = first; ky < last; ky += together) {
			struct weight_line l = {
				.channels = c->ci,
				.count = c->wo,
				.taps = c->kw,
				.x = x + (row / c->ho * c->h + top + ky) * c->w * c->ci,
				.x_row = c->w * c->ci,
				.in_width = c->w,
				.in_step = c->stride_x,
				.shift = -c->left,
				.dy = dy + row * c->wo * c->ci,
				.dweight = dweight + ky * c->kw * c->ci,
				.weight_row = c->kw * c->ci,
			};

			weight_run(&l, together);
		}
	}
}

const struct thaw_conv_kernel thaw_conv_depthwise = {
	.name = "depthwise",
	.fits = fits,
	.scratch = scratch,
	.forward = forward,
	.data = backward_data,
	.weight = backward_weight,
};
