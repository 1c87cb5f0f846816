/* Max pooling: (N,H,W,C) -> (N,h,w,C). Reads kernel, stride, dilation, pad, same, ceil_mode; adaptive with
 * kernel 0 and an output size, global with neither (see window.h). Padding is never the maximum.
 *
 * As in PyTorch the first maximum of a window takes the gradient, and NaN is larger than anything.
 * Training keeps the winner's place in its window, two bytes an output: less than x and y again. */
#include <string.h>

#include "src/base/multiversion.h"
#include "src/ops/registry.h"
#include "src/ops/window.h"

typedef uint16_t place; /* row by row within the window, padding cut off */

static int64_t longest(const struct thaw_windows *w)
{
	return w->adaptive ? w->in / w->out + 2 : w->kernel;
}

static thaw_status infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	struct thaw_windows axis[2];
	THAW_TRY(thaw_windows_set(axis, desc->attrs, &desc->x[0], "max_pool"));
	if (longest(&axis[0]) > UINT16_MAX / longest(&axis[1]))
		return thaw_fail(THAW_CONFIG, "window of %lld x %lld pixels: max_pool: at most %d pixels are supported",
				 (long long)longest(&axis[0]), (long long)longest(&axis[1]), UINT16_MAX);
	*y = thaw_shape_of(desc->x[0].dim[0], axis[0].out, axis[1].out, desc->x[0].dim[3]);
	return THAW_OK;
}

/* Places are found and looked up in 32 bits, the width of a float, for one output pixel at a time. */
static void space(const struct thaw_op_desc *desc, struct thaw_op_workspace *workspace)
{
	size_t pixel = (size_t)desc->x[0].dim[3] * sizeof(int32_t);
	workspace->scratch_backward = pixel;
	if (desc->training) {
		workspace->saved = (size_t)thaw_shape_count(&desc->y) * sizeof(place);
		workspace->scratch_forward = pixel;
	}
}

THAW_INLINE bool beats(float v, float best)
{
	return (v > best) | (v != v);
}

/* y[channels] = maximum over one window of the image x (H,W,C). */
THAW_INLINE void maximum(float *restrict y, const float *restrict x, int64_t width, int64_t channels,
			 struct thaw_window down, struct thaw_window across)
{
	memcpy(y, x + (down.begin * width + across.begin) * channels, (size_t)channels * sizeof(float));
	for (int64_t h = down.begin; h < down.end; h += down.step)
		for (int64_t w = across.begin; w < across.end; w += across.step) {
			const float *pixel = x + (h * width + w) * channels;
			for (int64_t c = 0; c < channels; c++)
				y[c] = beats(pixel[c], y[c]) ? pixel[c] : y[c];
		}
}

/* The same, and saved[channels] = the place of the maximum. */
THAW_INLINE void find_maximum(float *restrict y, place *restrict saved, int32_t *restrict best, const float *restrict x,
			      int64_t width, int64_t channels, struct thaw_window down, struct thaw_window across)
{
	int32_t at = 0;
	memcpy(y, x + (down.begin * width + across.begin) * channels, (size_t)channels * sizeof(float));
	memset(best, 0, (size_t)channels * sizeof(*best));
	for (int64_t h = down.begin; h < down.end; h += down.step)
		for (int64_t w = across.begin; w < across.end; w += across.step, at++) {
			const float *pixel = x + (h * width + w) * channels;
			for (int64_t c = 0; c < channels; c++) {
				float v = pixel[c], old = y[c];
				best[c] = beats(v, old) ? at : best[c];
				y[c] = beats(v, old) ? v : old;
			}
		}
	for (int64_t c = 0; c < channels; c++)
		saved[c] = (place)best[c];
}

/* Adds dy[channels] to the winners of one window. Comparing every pixel's place with the winner's
 * costs a window's area in vector operations, which is less than storing channel by channel. */
THAW_INLINE void send_back(float *restrict dx, const float *restrict dy, const place *restrict saved,
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

/* `kept` is NULL when no backward call will follow. */
THAW_MULTIVERSION
static void maximum_image(float *y, place *saved, int32_t *best, const float *x, const struct thaw_windows axis[2],
			  int64_t channels)
{
	for (int64_t i = 0; i < axis[0].out; i++)
		for (int64_t j = 0; j < axis[1].out; j++, y += channels) {
			struct thaw_window down = thaw_window_at(&axis[0], i), across = thaw_window_at(&axis[1], j);
			if (saved) {
				find_maximum(y, saved, best, x, axis[1].in, channels, down, across);
				saved += channels;
			} else {
				maximum(y, x, axis[1].in, channels, down, across);
			}
		}
}

THAW_MULTIVERSION
static void send_back_image(float *dx, const float *dy, const place *saved, int32_t *best,
			    const struct thaw_windows axis[2], int64_t channels)
{
	for (int64_t i = 0; i < axis[0].out; i++)
		for (int64_t j = 0; j < axis[1].out; j++, dy += channels, saved += channels)
			send_back(dx, dy, saved, best, axis[1].in, channels, thaw_window_at(&axis[0], i),
				  thaw_window_at(&axis[1], j));
}

static void forward(const struct thaw_op_args *args)
{
	const struct thaw_shape *x = &args->x[0].shape;
	int64_t channels = x->dim[3], image = x->dim[1] * x->dim[2] * channels;
	struct thaw_windows axis[2];
	if (thaw_windows_set(axis, args->attrs, x, "max_pool") != THAW_OK)
		return; /* cannot happen: infer has passed */
	for (int64_t n = 0; n < x->dim[0]; n++) {
		int64_t at = n * axis[0].out * axis[1].out * channels;
		maximum_image(args->y.data + at, args->training ? (place *)args->saved + at : NULL, args->scratch,
			      args->x[0].data + n * image, axis, channels);
	}
}

static void backward(const struct thaw_op_args *args)
{
	const struct thaw_shape *x = &args->x[0].shape;
	int64_t channels = x->dim[3], image = x->dim[1] * x->dim[2] * channels;
	struct thaw_windows axis[2];
	if (!args->dx[0] || thaw_windows_set(axis, args->attrs, x, "max_pool") != THAW_OK)
		return;
	for (int64_t n = 0; n < x->dim[0]; n++) {
		int64_t at = n * axis[0].out * axis[1].out * channels;
		float *dx = args->dx[0] + n * image;
		if (!args->dx_add[0]) /* image by image, so that it is still in cache for the sums */
			memset(dx, 0, (size_t)image * sizeof(float));
		send_back_image(dx, args->dy + at, (const place *)args->saved + at, args->scratch, axis, channels);
	}
}

static void reference(const struct thaw_op_args *args)
{
	const struct thaw_shape *x = &args->x[0].shape;
	int64_t channels = x->dim[3];
	struct thaw_windows axis[2];
	float *y = args->y.data;
	if (thaw_windows_set(axis, args->attrs, x, "max_pool") != THAW_OK)
		return;
	for (int64_t n = 0; n < x->dim[0]; n++)
		for (int64_t i = 0; i < axis[0].out; i++)
			for (int64_t j = 0; j < axis[1].out; j++)
				for (int64_t c = 0; c < channels; c++) {
					struct thaw_window down = thaw_window_at(&axis[0], i);
					struct thaw_window across = thaw_window_at(&axis[1], j);
					double best = -1.0 / 0.0;
					for (int64_t h = down.begin; h < down.end; h += down.step)
						for (int64_t w = across.begin; w < across.end; w += across.step) {
							double v = args->x[0].data[((n * x->dim[1] + h) * x->dim[2] +
										    w) * channels +
										   c];
							best = v > best || v != v ? v : best;
						}
					*y++ = (float)best;
				}
}

static int64_t flops(const struct thaw_op_desc *desc)
{
	struct thaw_windows axis[2];
	if (thaw_windows_set(axis, desc->attrs, &desc->x[0], "max_pool") != THAW_OK)
		return 0;
	return thaw_shape_count(&desc->y) * longest(&axis[0]) * longest(&axis[1]);
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
	{.name = "ceil mode, last window outside",
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
	{.name = "same, the odd pixel before",
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
	.infer = infer,
	.workspace = space,
	.forward = forward,
	.backward = backward,
	.reference = reference,
	.flops = flops,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
