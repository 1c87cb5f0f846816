/* Average pooling: (N,H,W,C) -> (N,h,w,C). Reads kernel, stride, dilation, pad, same, ceil_mode, pad_counts and output
 * (see thaw_windows_set for adaptive and global pooling). */
#include <string.h>

#include "src/base/multiversion.h"
#include "src/base/try.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/registry.h"
#include "src/ops/window.h"

static thaw_status average_pool_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	struct thaw_windows axis[2];
	THAW_TRY(thaw_windows_set(axis, desc->attrs, &desc->x[0], "average_pool"));
	*y = thaw_shape_of(desc->x[0].dim[0], axis[0].out, axis[1].out, desc->x[0].dim[3]);
	return THAW_OK;
}

/* Scratch: one output pixel. */
static void average_pool_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	need->scratch_forward = (size_t)desc->x[0].dim[3] * sizeof(float);
}

/* 1 / number of pixels in the average. */
THAW_INLINE float weight_of(struct thaw_window down, struct thaw_window across, bool pad_counts)
{
	int64_t pixels = pad_counts ? down.full * across.full : down.taps * across.taps;
	return 1.0f / (float)pixels;
}

/* y[channels] = mean of the pixels of one window of the image at `from` of x (H,W,C). */
THAW_INLINE void average_window(float *restrict y, struct thaw_values x, bool bf16, int64_t from, int64_t width,
				int64_t channels, struct thaw_window down, struct thaw_window across, float weight)
{
	memset(y, 0, (size_t)channels * sizeof(float));
	for (int64_t h = down.begin; h < down.end; h += down.step)
		for (int64_t w = across.begin; w < across.end; w += across.step) {
			int64_t pixel = from + (h * width + w) * channels;
			for (int64_t c = 0; c < channels; c++)
				y[c] += thaw_values_at(x, bf16, pixel + c);
		}
	for (int64_t c = 0; c < channels; c++)
		y[c] *= weight;
}

/* The gradient of average_window: adds weight * dy[channels] to every pixel of the window. */
THAW_INLINE void spread_window(float *restrict dx, const float *restrict dy, int64_t width, int64_t channels,
			       struct thaw_window down, struct thaw_window across, float weight)
{
	for (int64_t h = down.begin; h < down.end; h += down.step)
		for (int64_t w = across.begin; w < across.end; w += across.step) {
			float *pixel = dx + (h * width + w) * channels;
			for (int64_t c = 0; c < channels; c++)
				pixel[c] += dy[c] * weight;
		}
}

THAW_MULTIVERSION
static void average_image(const struct thaw_op_args *args, const struct thaw_pool *p, int64_t n)
{
	struct thaw_values x = thaw_values_of(&args->x[0]);
	int64_t at = n * p->out, from = n * p->in, width = p->axis[1].in;
	for (int64_t i = 0; i < p->axis[0].out; i++) {
		struct thaw_window down = thaw_window_at(&p->axis[0], i);
		for (int64_t j = 0; j < p->axis[1].out; j++, at += p->channels) {
			struct thaw_window across = thaw_window_at(&p->axis[1], j);
			float weight = weight_of(down, across, args->attrs->pad_counts);
			float *y = thaw_values_target(&args->y, at, args->scratch);
			if (x.bf16)
				average_window(y, x, true, from, width, p->channels, down, across, weight);
			else
				average_window(y, x, false, from, width, p->channels, down, across, weight);
			thaw_values_write(&args->y, at, p->channels, y);
		}
	}
}

THAW_MULTIVERSION
static void spread_image(float *dx, const float *dy, const struct thaw_windows axis[2], int64_t channels,
			 bool pad_counts)
{
	for (int64_t i = 0; i < axis[0].out; i++) {
		struct thaw_window down = thaw_window_at(&axis[0], i);
		for (int64_t j = 0; j < axis[1].out; j++, dy += channels) {
			struct thaw_window across = thaw_window_at(&axis[1], j);
			spread_window(dx, dy, axis[1].in, channels, down, across, weight_of(down, across, pad_counts));
		}
	}
}

static void average_pool_forward(const struct thaw_op_args *args)
{
	struct thaw_pool p = thaw_pool_of(args, "average_pool");
	for (int64_t n = 0; n < p.images; n++)
		average_image(args, &p, n);
}

static void average_pool_backward(const struct thaw_op_args *args)
{
	struct thaw_pool p = thaw_pool_of(args, "average_pool");
	for (int64_t n = 0; args->dx[0] && n < p.images; n++)
		spread_image(thaw_pool_gradient(args, &p, n), args->dy + n * p.out, p.axis, p.channels,
			     args->attrs->pad_counts);
}

static void average_pool_reference(const struct thaw_op_args *args)
{
	const struct thaw_shape *x = &args->x[0].shape;
	struct thaw_pool p = thaw_pool_of(args, "average_pool");
	float *y = args->y.data;
	for (int64_t n = 0; n < p.images; n++)
		for (int64_t i = 0; i < p.axis[0].out; i++)
			for (int64_t j = 0; j < p.axis[1].out; j++)
				for (int64_t c = 0; c < p.channels; c++) {
					struct thaw_window down = thaw_window_at(&p.axis[0], i);
					struct thaw_window across = thaw_window_at(&p.axis[1], j);
					double sum = 0;
					for (int64_t h = down.begin; h < down.end; h += down.step)
						for (int64_t w = across.begin; w < across.end; w += across.step)
							sum += args->x[0].data[((n * x->dim[1] + h) * x->dim[2] + w) *
										       p.channels +
									       c];
					*y++ = (float)(sum * weight_of(down, across, args->attrs->pad_counts));
				}
}

static int64_t average_pool_flops(const struct thaw_op_desc *desc)
{
	return thaw_shape_count(&desc->x[0]);
}

static const struct thaw_op_case cases[] = {
	{.name = "global", .inputs = 1, .x = {{4, {3, 7, 5, 33}}}},
	{.name = "global, one channel, one image", .inputs = 1, .x = {{4, {1, 3, 3, 1}}}},
	{.name = "adaptive 7 to 3", .attrs = {.output = {3, 3}}, .inputs = 1, .x = {{4, {2, 7, 7, 5}}}},
	{.name = "adaptive 5 to 7, upsampling", .attrs = {.output = {7, 7}}, .inputs = 1, .x = {{4, {2, 5, 5, 3}}}},
	{.name = "adaptive, down in height, up in width",
	 .attrs = {.output = {2, 5}},
	 .inputs = 1,
	 .x = {{4, {1, 5, 3, 4}}}},
	{.name = "2x2", .attrs = {.kernel = {2, 2}, .stride = {2, 2}}, .inputs = 1, .x = {{4, {2, 7, 6, 16}}}},
	{.name = "3x3 overlapping, padded",
	 .attrs = {.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1, 1, 1}},
	 .inputs = 1,
	 .x = {{4, {2, 7, 8, 17}}}},
	{.name = "padding counts, ceil mode",
	 .attrs = {.kernel = {3, 2}, .stride = {2, 2}, .pad = {1, 1, 1, 1}, .pad_counts = true, .ceil_mode = true},
	 .inputs = 1,
	 .x = {{4, {1, 6, 7, 3}}}},
	{.name = "ceil mode",
	 .attrs = {.kernel = {2, 2}, .stride = {2, 2}, .ceil_mode = true},
	 .inputs = 1,
	 .x = {{4, {2, 5, 7, 2}}}},
	{.name = "dilated",
	 .attrs = {.kernel = {3, 2}, .stride = {2, 1}, .dilation = {2, 3}, .pad = {2, 1, 1, 2}, .pad_counts = true},
	 .inputs = 1,
	 .x = {{4, {2, 8, 7, 5}}}},
	{.name = "dilated, ceil mode",
	 .attrs = {.kernel = {2, 2}, .stride = {2, 2}, .dilation = {2, 2}, .pad = {0, 1, 1, 0}, .ceil_mode = true},
	 .inputs = 1,
	 .x = {{4, {2, 6, 7, 17}}}},
	{.name = "same, odd pixel first",
	 .attrs = {.kernel = {3, 3}, .stride = {2, 2}, .same = true, .same_lower = true},
	 .inputs = 1,
	 .x = {{4, {2, 6, 7, 4}}}},
	{.name = "same",
	 .attrs = {.kernel = {3, 3}, .stride = {2, 2}, .same = true},
	 .inputs = 1,
	 .x = {{4, {2, 6, 7, 4}}}},
};

const struct thaw_op thaw_op_average_pool = {
	.name = "average_pool",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){NULL},
	.infer = average_pool_infer,
	.workspace = average_pool_workspace,
	.forward = average_pool_forward,
	.backward = average_pool_backward,
	.reference = average_pool_reference,
	.flops = average_pool_flops,
	.bf16 = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
