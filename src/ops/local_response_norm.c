/* Local response normalisation across channels, the last axis, as ONNX defines it: y = x * s^-beta with
 * s = bias + alpha / size * (sum of the squares of a window of `size` channels), fewer at the ends. A window of even
 * size has one more channel after the centre than before it. Reads attrs.kernel[0] (size), alpha, beta, and epsilon
 * (the bias).
 *
 * With g = dy * y / s the gradient is dy * s^-beta - 2 * alpha * beta / size * x * (sum of g over the mirrored window).
 * Backward recomputes s. */
#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/vector_math.h"
#include "src/ops/registry.h"

static thaw_status local_response_norm_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	*y = desc->x[0];
	if (y->ndim < 2 || desc->attrs->kernel[0] < 1)
		return thaw_fail(
			THAW_CONFIG,
			"input with %d axes, window of %d channels: local_response_norm: give images and a size",
			y->ndim, desc->attrs->kernel[0]);
	if (!(desc->attrs->epsilon > 0.0f && desc->attrs->alpha >= 0.0f))
		return thaw_fail(THAW_CONFIG,
				 "bias %g or alpha %g is out of range: local_response_norm: give a positive bias "
				 "and an alpha of 0 or more",
				 (double)desc->attrs->epsilon, (double)desc->attrs->alpha);
	return THAW_OK;
}

/* A window has `before` channels before its centre and `after` after it, each less than `channels`. */
struct norm_window {
	int64_t channels, before, after;
	float alpha, beta, bias; /* alpha is divided by the size */
};

static struct norm_window window_of(const struct thaw_attrs *attrs, const struct thaw_shape *x)
{
	int size = attrs->kernel[0];
	int64_t channels = x->dim[x->ndim - 1];
	return (struct norm_window){
		.channels = channels,
		.before = min_int64((size - 1) / 2, channels - 1),
		.after = min_int64(size / 2, channels - 1),
		.alpha = attrs->alpha / (float)size,
		.beta = attrs->beta,
		.bias = attrs->epsilon,
	};
}

/* Scratch: the values of one pixel with zeros on both sides for the windows at its ends, then two rows of results. */
enum { PADDED_ROWS = 3, SCRATCH_ROWS = PADDED_ROWS + 2 };

static void local_response_norm_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	size_t channels = (size_t)desc->x[0].dim[desc->x[0].ndim - 1];
	need->scratch_forward = need->scratch_backward = SCRATCH_ROWS * channels * sizeof(float);
}

/* sum[c] = v[c - before] + ... + v[c + after]; v has zeros on both sides. */
THAW_INLINE void window_sums(float *restrict sum, const float *restrict v, int64_t channels, int64_t before,
			     int64_t after)
{
	for (int64_t c = 0; c < channels; c++)
		sum[c] = v[c - before];
	for (int64_t k = 1 - before; k <= after; k++)
		for (int64_t c = 0; c < channels; c++)
			sum[c] += v[c + k];
}

/* s of one pixel; values[channels] is working memory with zeros on both sides. */
THAW_INLINE void denominators(const struct norm_window *a, float *restrict s, const float *restrict x,
			      float *restrict values)
{
	for (int64_t c = 0; c < a->channels; c++)
		values[c] = x[c] * x[c];
	window_sums(s, values, a->channels, a->before, a->after);
	for (int64_t c = 0; c < a->channels; c++)
		s[c] = a->bias + a->alpha * s[c];
}

/* s^-beta */
THAW_INLINE float power_of(const struct norm_window *a, float s)
{
	return thaw_exp(-a->beta * thaw_log(s));
}

THAW_MULTIVERSION
static void forward_pixels(const struct norm_window *a, float *y, const float *x, int64_t pixels, float *scratch)
{
	float *values = scratch + a->channels, *s = scratch + PADDED_ROWS * a->channels;
	for (int64_t p = 0; p < pixels; p++, x += a->channels, y += a->channels) {
		denominators(a, s, x, values);
		THAW_INDEPENDENT
		for (int64_t c = 0; c < a->channels; c++)
			y[c] = x[c] * power_of(a, s[c]);
	}
}

THAW_MULTIVERSION
static void backward_pixels(const struct norm_window *a, float *dx, bool add, const float *dy, const float *x,
			    int64_t pixels, float *scratch)
{
	float *values = scratch + a->channels, *s = scratch + PADDED_ROWS * a->channels, *sum = s + a->channels;
	float both = 2.0f * a->alpha * a->beta;
	for (int64_t p = 0; p < pixels; p++, x += a->channels, dx += a->channels, dy += a->channels) {
		denominators(a, s, x, values);
		THAW_INDEPENDENT
		for (int64_t c = 0; c < a->channels; c++) {
			float direct = dy[c] * power_of(a, s[c]);
			values[c] = direct * x[c] / s[c];
			s[c] = direct;
		}
		window_sums(sum, values, a->channels, a->after, a->before);
		THAW_INDEPENDENT
		for (int64_t c = 0; c < a->channels; c++) {
			float slope = s[c] - both * x[c] * sum[c];
			dx[c] = add ? dx[c] + slope : slope;
		}
	}
}

static void local_response_norm_forward(const struct thaw_op_args *args)
{
	struct norm_window a = window_of(args->attrs, &args->x[0].shape);
	memset(args->scratch, 0, PADDED_ROWS * (size_t)a.channels * sizeof(float));
	forward_pixels(&a, args->y.data, args->x[0].data, thaw_shape_count(&args->y.shape) / a.channels, args->scratch);
}

static void local_response_norm_backward(const struct thaw_op_args *args)
{
	struct norm_window a = window_of(args->attrs, &args->x[0].shape);
	if (!args->dx[0])
		return;
	memset(args->scratch, 0, PADDED_ROWS * (size_t)a.channels * sizeof(float));
	backward_pixels(&a, args->dx[0], args->dx_add[0], args->dy, args->x[0].data,
			thaw_shape_count(&args->y.shape) / a.channels, args->scratch);
}

static void local_response_norm_reference(const struct thaw_op_args *args)
{
	const struct thaw_attrs *attrs = args->attrs;
	int64_t channels = args->y.shape.dim[args->y.shape.ndim - 1], size = attrs->kernel[0];
	for (int64_t i = 0; i < thaw_shape_count(&args->y.shape); i++) {
		const float *x = args->x[0].data + i / channels * channels;
		int64_t c = i % channels;
		double sum = 0;
		for (int64_t k = c - (size - 1) / 2; k <= c + size / 2; k++)
			sum += k < 0 || k >= channels ? 0 : (double)x[k] * x[k];
		args->y.data[i] = (float)(x[c] / pow(attrs->epsilon + (double)attrs->alpha / (double)size * sum,
						     (double)attrs->beta));
	}
}

static int64_t local_response_norm_flops(const struct thaw_op_desc *desc)
{
	return 2 * thaw_shape_count(&desc->y) * desc->attrs->kernel[0];
}

#define CASE(name_, size, alpha_, beta_, bias, ...)                                                                    \
	{                                                                                                              \
		.name = (name_), .attrs = {.kernel = {(size)}, .alpha = (alpha_), .beta = (beta_), .epsilon = (bias)}, \
		.inputs = 1, __VA_ARGS__                                                                               \
	}

static const struct thaw_op_case cases[] = {
	CASE("five channels", 5, 0.5f, 0.75f, 1, .x = {{4, {2, 3, 4, 19}}}, .low = -2, .high = 2),
	CASE("even size", 4, 1, 0.5f, 2, .x = {{4, {3, 2, 2, 33}}}, .low = -2, .high = 2),
	CASE("more than the channels", 9, 2, 0.75f, 1, .x = {{4, {2, 2, 3, 3}}}),
	CASE("one channel", 1, 1, 0.75f, 1, .x = {{2, {2, 1}}}),
};

const struct thaw_op thaw_op_local_response_norm = {
	.name = "local_response_norm",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){NULL},
	.infer = local_response_norm_infer,
	.workspace = local_response_norm_workspace,
	.forward = local_response_norm_forward,
	.backward = local_response_norm_backward,
	.reference = local_response_norm_reference,
	.flops = local_response_norm_flops,
	.backward_reads = THAW_READS_X,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
