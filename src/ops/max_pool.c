/* Max pooling: (N,H,W,C) -> (N,h,w,C). Reads kernel, stride, dilation, pad, same, ceil_mode and output (see
 * thaw_windows_set for adaptive and global pooling). Padding is never the maximum.
 *
 * As in PyTorch, the first maximum of a window receives the gradient, and NaN is larger than any number. In training
 * the position of the maximum in its window is saved, two bytes per output: less than backward reading x and y. */
#include <string.h>

#include "src/base/multiversion.h"
#include "src/base/try.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/registry.h"
#include "src/ops/window.h"

typedef uint16_t place; /* index of a pixel in its window, row by row, without padding */

/* At least as many pixels as any window has along one axis. */
static int64_t max_taps(const struct thaw_windows *w)
{
	return w->adaptive ? w->in / w->out + 2 : w->kernel;
}

static thaw_status max_pool_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	struct thaw_windows axis[2];
	THAW_TRY(thaw_windows_set(axis, desc->attrs, &desc->x[0], "max_pool"));
	if (max_taps(&axis[0]) > UINT16_MAX / max_taps(&axis[1]))
		return thaw_fail(THAW_CONFIG, "window of %lld x %lld pixels: max_pool: use at most %d pixels",
				 (long long)max_taps(&axis[0]), (long long)max_taps(&axis[1]), UINT16_MAX);
	*y = thaw_shape_of(desc->x[0].dim[0], axis[0].out, axis[1].out, desc->x[0].dim[3]);
	return THAW_OK;
}

/* saved: the place of each maximum. Scratch: places of one output pixel in 32 bits, the width of a float, and one
 * output pixel. */
static void max_pool_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	size_t pixel = (size_t)desc->x[0].dim[3] * sizeof(int32_t);
	need->scratch_backward = pixel;
	need->scratch_forward = 2 * pixel;
	if (desc->training)
		need->saved = (size_t)thaw_shape_count(&desc->y) * sizeof(place);
}

/* Whether v is larger than `best`, with NaN the largest. */
THAW_INLINE bool exceeds(float v, float best)
{
	return (v > best) | (v != v);
}

/* y[channels] = maximum over one window of the image at `from` of x (H,W,C). */
THAW_INLINE void max_of_window(float *restrict y, struct thaw_values x, bool bf16, int64_t from, int64_t width,
			       int64_t channels, struct thaw_window down, struct thaw_window across)
{
	for (int64_t c = 0; c < channels; c++)
		y[c] = thaw_values_at(x, bf16, from + (down.begin * width + across.begin) * channels + c);
	for (int64_t h = down.begin; h < down.end; h += down.step)
		for (int64_t w = across.begin; w < across.end; w += across.step) {
			int64_t pixel = from + (h * width + w) * channels;
			for (int64_t c = 0; c < channels; c++) {
				float v = thaw_values_at(x, bf16, pixel + c);
				y[c] = exceeds(v, y[c]) ? v : y[c];
			}
		}
}

/* The same, and saved[channels] = the place of the maximum. */
THAW_INLINE void max_and_place_of_window(float *restrict y, place *restrict saved, int32_t *restrict best,
					 struct thaw_values x, bool bf16, int64_t from, int64_t width, int64_t channels,
					 struct thaw_window down, struct thaw_window across)
{
	int32_t at = 0;
	for (int64_t c = 0; c < channels; c++) {
		y[c] = thaw_values_at(x, bf16, from + (down.begin * width + across.begin) * channels + c);
		best[c] = 0;
	}
	for (int64_t h = down.begin; h < down.end; h += down.step)
		for (int64_t w = across.begin; w < across.end; w += across.step, at++) {
			int64_t pixel = from + (h * width + w) * channels;
			for (int64_t c = 0; c < channels; c++) {
				float v = thaw_values_at(x, bf16, pixel + c), old = y[c];
				best[c] = exceeds(v, old) ? at : best[c];
				y[c] = exceeds(v, old) ? v : old;
			}
		}
	for (int64_t c = 0; c < channels; c++)
		saved[c] = (place)best[c];
}

/* Adds dy[channels] to the maxima of one window. Comparing the place of every pixel takes vector operations in
 * proportion to the window's area, which is faster than adding channel by channel. */
THAW_INLINE void add_to_maxima(float *restrict dx, const float *restrict dy, const place *restrict saved,
			       int32_t *restrict best, int64_t width, int64_t channels, struct thaw_window down,
			       struct thaw_window across)
{
	int32_t at = 0;
	for (int64_t c = 0; c < channels; c++)
		best[c] = saved[c];
	for (int64_t h = down.begin; h < down.end; h += down.step)
		for (int64_t w = across.begin; w < across.end; w += across.step, at++) {
			float *pixel = dx + (h * width + w) * channels;
			for (int64_t c = 0; c < channels; c++)
				pixel[c] += best[c] == at ? dy[c] : 0.0f;
		}
}

/* The output pixel (i, j) of an image. saved: NULL when no backward call will follow. */
THAW_INLINE void max_of_pixel(const struct thaw_pool *p, float *y, place *saved, int32_t *best, struct thaw_values x,
			      bool bf16, int64_t from, int64_t i, int64_t j)
{
	struct thaw_window down = thaw_window_at(&p->axis[0], i), across = thaw_window_at(&p->axis[1], j);
	if (saved)
		max_and_place_of_window(y, saved, best, x, bf16, from, p->axis[1].in, p->channels, down, across);
	else
		max_of_window(y, x, bf16, from, p->axis[1].in, p->channels, down, across);
}

THAW_MULTIVERSION
static void max_of_image(const struct thaw_op_args *args, const struct thaw_pool *p, int64_t n)
{
	int32_t *best = args->scratch;
	float *room = (float *)best + p->channels;
	struct thaw_values x = thaw_values_of(&args->x[0]);
	int64_t at = n * p->out;
	for (int64_t i = 0; i < p->axis[0].out; i++)
		for (int64_t j = 0; j < p->axis[1].out; j++, at += p->channels) {
			float *y = thaw_values_target(&args->y, at, room);
			place *saved = args->training ? (place *)args->saved + at : NULL;
			if (x.bf16)
				max_of_pixel(p, y, saved, best, x, true, n * p->in, i, j);
			else
				max_of_pixel(p, y, saved, best, x, false, n * p->in, i, j);
			thaw_values_write(&args->y, at, p->channels, y);
		}
}

THAW_MULTIVERSION
static void add_to_maxima_of_image(float *dx, const float *dy, const place *saved, int32_t *best,
				   const struct thaw_windows axis[2], int64_t channels)
{
	for (int64_t i = 0; i < axis[0].out; i++)
		for (int64_t j = 0; j < axis[1].out; j++, dy += channels, saved += channels)
			add_to_maxima(dx, dy, saved, best, axis[1].in, channels, thaw_window_at(&axis[0], i),
				      thaw_window_at(&axis[1], j));
}

static void max_pool_forward(const struct thaw_op_args *args)
{
	struct thaw_pool p = thaw_pool_of(args, "max_pool");
	for (int64_t n = 0; n < p.images; n++)
		max_of_image(args, &p, n);
}

static void max_pool_backward(const struct thaw_op_args *args)
{
	struct thaw_pool p = thaw_pool_of(args, "max_pool");
	for (int64_t n = 0; args->dx[0] && n < p.images; n++)
		add_to_maxima_of_image(thaw_pool_gradient(args, &p, n), args->dy + n * p.out,
				       (const place *)args->saved + n * p.out, args->scratch, p.axis, p.channels);
}

static void max_pool_reference(const struct thaw_op_args *args)
{
	const struct thaw_shape *x = &args->x[0].shape;
	struct thaw_pool p = thaw_pool_of(args, "max_pool");
	float *y = args->y.data;
	for (int64_t n = 0; n < p.images; n++)
		for (int64_t i = 0; i < p.axis[0].out; i++)
			for (int64_t j = 0; j < p.axis[1].out; j++)
				for (int64_t c = 0; c < p.channels; c++) {
					struct thaw_window down = thaw_window_at(&p.axis[0], i);
					struct thaw_window across = thaw_window_at(&p.axis[1], j);
					double best = -1.0 / 0.0;
					for (int64_t h = down.begin; h < down.end; h += down.step)
						for (int64_t w = across.begin; w < across.end; w += across.step) {
							double v = args->x[0].data[((n * x->dim[1] + h) * x->dim[2] +
										    w) * p.channels +
										   c];
							best = v > best || v != v ? v : best;
						}
					*y++ = (float)best;
				}
}

static int64_t max_pool_flops(const struct thaw_op_desc *desc)
{
	struct thaw_windows axis[2];
	if (thaw_windows_set(axis, desc->attrs, &desc->x[0], "max_pool") != THAW_OK)
		return 0;
	return thaw_shape_count(&desc->y) * max_taps(&axis[0]) * max_taps(&axis[1]);
}

static const struct thaw_op_case cases[] = {
	{.name = "3x3 overlapping, padded",
	 .attrs = {.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1, 1, 1}},
	 .inputs = 1,
	 .distinct = true,
	 .x = {{4, {2, 9, 8, 37}}}},
	{.name = "2x2",
	 .attrs = {.kernel = {2, 2}, .stride = {2, 2}},
	 .inputs = 1,
	 .distinct = true,
	 .x = {{4, {3, 6, 7, 16}}}},
	{.name = "stride 1, one channel, one image",
	 .attrs = {.kernel = {3, 2}},
	 .inputs = 1,
	 .distinct = true,
	 .x = {{4, {1, 5, 5, 1}}}},
	{.name = "ceil mode",
	 .attrs = {.kernel = {3, 3}, .stride = {2, 2}, .ceil_mode = true},
	 .inputs = 1,
	 .distinct = true,
	 .x = {{4, {2, 6, 8, 5}}}},
	{.name = "ceil mode, last window starts outside",
	 .attrs = {.kernel = {2, 2}, .stride = {3, 3}, .pad = {1, 1, 1, 1}, .ceil_mode = true},
	 .inputs = 1,
	 .distinct = true,
	 .x = {{4, {2, 5, 6, 3}}}},
	{.name = "dilated",
	 .attrs = {.kernel = {3, 2}, .stride = {2, 1}, .dilation = {2, 3}, .pad = {2, 1, 1, 2}},
	 .inputs = 1,
	 .distinct = true,
	 .x = {{4, {2, 8, 7, 5}}}},
	{.name = "dilated, ceil mode",
	 .attrs = {.kernel = {2, 2}, .stride = {2, 2}, .dilation = {2, 2}, .pad = {0, 1, 1, 0}, .ceil_mode = true},
	 .inputs = 1,
	 .distinct = true,
	 .x = {{4, {2, 6, 7, 17}}}},
	{.name = "same, odd pixel first",
	 .attrs = {.kernel = {3, 3}, .stride = {2, 2}, .same = true, .same_lower = true},
	 .inputs = 1,
	 .distinct = true,
	 .x = {{4, {2, 6, 7, 4}}}},
	{.name = "same",
	 .attrs = {.kernel = {3, 3}, .stride = {2, 2}, .same = true},
	 .inputs = 1,
	 .distinct = true,
	 .x = {{4, {2, 6, 7, 4}}}},
	{.name = "padded on two sides",
	 .attrs = {.kernel = {3, 3}, .stride = {2, 2}, .pad = {0, 0, 1, 1}},
	 .inputs = 1,
	 .distinct = true,
	 .x = {{4, {1, 6, 6, 8}}}},
	{.name = "adaptive 7 to 3",
	 .attrs = {.output = {3, 3}},
	 .inputs = 1,
	 .distinct = true,
	 .x = {{4, {2, 7, 7, 5}}}},
	{.name = "adaptive 5 to 7",
	 .attrs = {.output = {7, 7}},
	 .inputs = 1,
	 .distinct = true,
	 .x = {{4, {1, 5, 5, 3}}}},
	{.name = "global", .inputs = 1, .distinct = true, .x = {{4, {2, 5, 7, 6}}}},
};

const struct thaw_op thaw_op_max_pool = {
	.name = "max_pool",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){NULL},
	.infer = max_pool_infer,
	.workspace = max_pool_workspace,
	.forward = max_pool_forward,
	.backward = max_pool_backward,
	.reference = max_pool_reference,
	.flops = max_pool_flops,
	.bf16 = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
