/* Convolution and batch norm with fixed statistics as one operator, for the trained part of the network:
 * y = activation(norm(conv(x[0]) + bias) + x[1]), norm(v) = (v - mean) * s + shift, s = scale / sqrt(variance +
 * epsilon).
 *
 * This equals a convolution with weights w' = w * s and bias b' = (bias - mean) * s + shift per output channel. So the
 * norm costs no pass over images, and the result before the norm is not stored. The gradients follow exactly from those
 * of w' and b':
 *
 *   dw = dw' * s     dbias = db' * s     dshift = db'
 *   dscale = (<w, dw'> + (bias - mean) * db') / sqrt(variance + epsilon)
 *
 * x[0] (N,H,W,Cin); x[1], optional, of y's shape; weight (kh,kw,Cin/groups,Cout); the rest (Cout), bias optional.
 * Reads the attributes of conv, and epsilon. thaw_pass_join creates these nodes.
 */
#include <math.h>
#include <string.h>

#include "src/base/multiversion.h"
#include "src/ops/conv_node.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/reference.h"
#include "src/ops/registry.h"
#include "thaw/memory.h"

enum { WEIGHT, SCALE, SHIFT, MEAN, VARIANCE, BIAS, PARAMS };

static thaw_status conv_norm_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	if (desc->params < BIAS || desc->params > PARAMS)
		return thaw_fail(THAW_CONFIG, "%d parameters: conv_norm: give weight, scale, shift, mean and variance",
				 desc->params);
	struct thaw_shape param[2] = {desc->param[WEIGHT], desc->param[SCALE]};
	struct thaw_op_desc conv = *desc;

	conv.param = param;
	conv.params = 2;
	for (int i = SHIFT; i < desc->params; i++)
		if (!thaw_shape_equal(&desc->param[i], &param[1]))
			return thaw_fail(THAW_CONFIG,
					 "parameter %d does not fit: conv_norm: give one value per channel", i);
	return thaw_op_conv.infer(&conv, y);
}

/* Working memory: values per channel, then weights, then the kernel's scratch. */
struct work {
	float *factor, *inverse; /* s and 1 / sqrt(variance + epsilon) */
	float *bias, *dbias;     /* b' and its gradient */
	double *dscale;
	float *weight, *dweight; /* w' and its gradient; dweight in backward only */
	void *kernel;            /* the kernel's scratch */
};

enum { CHANNEL_BYTES = 4 * sizeof(float) + sizeof(double) };

static size_t align_up(size_t bytes)
{
	return (bytes + THAW_ALIGNMENT - 1) / THAW_ALIGNMENT * THAW_ALIGNMENT;
}

static struct work work_at(void *scratch, int64_t channels, int64_t weights, bool backward)
{
	size_t weight_bytes = align_up((size_t)weights * sizeof(float));
	char *at = (char *)scratch + align_up((size_t)channels * CHANNEL_BYTES);
	struct work w = {.dscale = scratch, .weight = (float *)at};
	w.factor = (float *)(w.dscale + channels);
	w.inverse = w.factor + channels;
	w.bias = w.inverse + channels;
	w.dbias = w.bias + channels;
	at += weight_bytes;
	w.dweight = (float *)at;
	w.kernel = backward ? at + weight_bytes : at;
	return w;
}

static void conv_norm_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	struct thaw_conv c = thaw_conv_describe(desc->attrs, &desc->x[0], &desc->param[WEIGHT]);
	size_t weights = align_up((size_t)thaw_shape_count(&desc->param[WEIGHT]) * sizeof(float));
	size_t own = align_up((size_t)c.co * CHANNEL_BYTES) + weights;
	need->scratch_forward = own + thaw_conv_forward_bytes(&c);
	if (desc->training)
		need->scratch_backward = own + weights + thaw_conv_backward_bytes(&c);
}

THAW_MULTIVERSION
static void multiply_rows(float *to, const float *from, const float *factor, int64_t rows, int64_t columns)
{
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < columns; c++)
			to[r * columns + c] = from[r * columns + c] * factor[c];
}

/* Computes the factors, w' and b'. */
static void compute_effective_weights(const struct thaw_op_args *args, const struct work *w)
{
	int64_t channels = args->param[SCALE].shape.dim[0];
	int64_t rows = thaw_shape_count(&args->param[WEIGHT].shape) / channels;
	for (int64_t o = 0; o < channels; o++) {
		double inverse = 1 / sqrt((double)args->param[VARIANCE].data[o] + (double)args->attrs->epsilon);
		double factor = args->param[SCALE].data[o] * inverse;
		double bias = args->params > BIAS ? args->param[BIAS].data[o] : 0;
		w->inverse[o] = (float)inverse;
		w->factor[o] = (float)factor;
		w->bias[o] = (float)((bias - args->param[MEAN].data[o]) * factor + args->param[SHIFT].data[o]);
	}
	multiply_rows(w->weight, args->param[WEIGHT].data, w->factor, rows, channels);
}

static void conv_norm_forward(const struct thaw_op_args *args)
{
	const struct thaw_view *weight = &args->param[WEIGHT];
	struct thaw_conv c = thaw_conv_describe(args->attrs, &args->x[0].shape, &weight->shape);
	struct work w = work_at(args->scratch, c.co, thaw_shape_count(&weight->shape), false);
	compute_effective_weights(args, &w);
	thaw_conv_forward(&c, args, w.weight, NULL, w.bias, w.kernel);
}

THAW_MULTIVERSION
static void add_products(double *sum, const float *a, const float *b, int64_t rows, int64_t columns)
{
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < columns; c++)
			sum[c] += (double)a[r * columns + c] * b[r * columns + c];
}

THAW_MULTIVERSION
static void add_multiplied_rows(float *to, const float *from, const float *factor, int64_t rows, int64_t columns)
{
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < columns; c++)
			to[r * columns + c] += from[r * columns + c] * factor[c];
}

/* Adds the gradients of the parameters, computed from those of w' and b'. */
static void add_parameter_gradients(const struct thaw_op_args *args, const struct work *w)
{
	int64_t channels = args->param[SCALE].shape.dim[0];
	int64_t rows = thaw_shape_count(&args->param[WEIGHT].shape) / channels;
	if (args->dparam[WEIGHT])
		add_multiplied_rows(args->dparam[WEIGHT], w->dweight, w->factor, rows, channels);
	if (args->dparam[SHIFT])
		thaw_kernel_add_rows(args->dparam[SHIFT], w->dbias, 1, channels);
	if (args->params > BIAS && args->dparam[BIAS])
		add_multiplied_rows(args->dparam[BIAS], w->dbias, w->factor, 1, channels);
	if (!args->dparam[SCALE])
		return;
	memset(w->dscale, 0, (size_t)channels * sizeof(*w->dscale));
	add_products(w->dscale, w->dweight, args->param[WEIGHT].data, rows, channels);
	for (int64_t o = 0; o < channels; o++) {
		double bias = args->params > BIAS ? args->param[BIAS].data[o] : 0;
		double shifted = (bias - args->param[MEAN].data[o]) * w->dbias[o];
		args->dparam[SCALE][o] += (float)((w->dscale[o] + shifted) * w->inverse[o]);
	}
}

static void conv_norm_backward(const struct thaw_op_args *args)
{
	const struct thaw_view *weight = &args->param[WEIGHT];
	struct thaw_conv c = thaw_conv_describe(args->attrs, &args->x[0].shape, &weight->shape);
	int64_t weights = thaw_shape_count(&weight->shape);
	struct work w = work_at(args->scratch, c.co, weights, true);
	memset(w.dbias, 0, (size_t)c.co * sizeof(float));
	const float *dy = thaw_conv_epilogue_backward(args, w.dbias);

	compute_effective_weights(args, &w);
	if (args->dparam[WEIGHT] || args->dparam[SCALE]) {
		memset(w.dweight, 0, (size_t)weights * sizeof(float));
		thaw_conv_weight(&c, &args->x[0], dy, w.dweight, w.kernel);
	}
	add_parameter_gradients(args, &w);
	if (args->dx[0])
		thaw_conv_choose(&c, THAW_CONV_DATA)->data(&c, dy, w.weight, args->dx[0], args->dx_add[0], w.kernel);
}

/* The reference of conv without residual and activation, then the norm. */
static void conv_norm_reference(const struct thaw_op_args *args)
{
	struct thaw_attrs attrs = *args->attrs;
	struct thaw_view param[2] = {args->param[WEIGHT], args->param[args->params > BIAS ? BIAS : WEIGHT]};
	struct thaw_op_args conv = *args;
	int64_t count = thaw_shape_count(&args->y.shape), channels = args->param[SCALE].shape.dim[0];
	attrs.activation = THAW_ACT_NONE;
	conv.attrs = &attrs;
	conv.inputs = 1;
	conv.param = param;
	conv.params = args->params > BIAS ? 2 : 1;
	thaw_op_conv.reference(&conv);
	for (int64_t i = 0; i < count; i++) {
		int64_t o = i % channels;
		double v = (double)args->y.data[i] - args->param[MEAN].data[o];
		v *= args->param[SCALE].data[o] / sqrt((double)args->param[VARIANCE].data[o] + args->attrs->epsilon);
		args->y.data[i] = thaw_reference_result(args, i, v + args->param[SHIFT].data[o]);
	}
}

static int64_t conv_norm_flops(const struct thaw_op_desc *desc)
{
	return thaw_op_conv.flops(desc);
}

/* A case: name, N,H,W,Cin, kernel size, Cin/groups, Cout, number of parameters, and the rest. */
#define CASE(name_, n, h, w, ci, k, cg, co, params_, ...)                                                          \
	{                                                                                                          \
		.name = (name_), .x = {{4, {n, h, w, ci}}, {4, {n, h, w, co}}}, .params = (params_),               \
		.param = {{4, {k, k, cg, co}}, {1, {co}}, {1, {co}}, {1, {co}}, {1, {co}}, {1, {co}}}, __VA_ARGS__ \
	}

static const struct thaw_op_case cases[] = {
	CASE("1x1, relu6", 2, 4, 5, 2, 1, 2, 7, 5, .inputs = 1,
	     .attrs = {.epsilon = 1e-3f, .activation = THAW_ACT_RELU6}),
	CASE("3x3, bias", 2, 5, 4, 3, 3, 3, 4, 6, .inputs = 1, .attrs = {.epsilon = 1e-5f, .pad = {1, 1, 1, 1}}),
	CASE("3x3, residual, relu", 2, 4, 4, 3, 3, 3, 5, 5, .inputs = 2,
	     .attrs = {.epsilon = 1e-5f, .pad = {1, 1, 1, 1}, .activation = THAW_ACT_RELU}),
	CASE("3x3, 32 channels", 2, 6, 7, 32, 3, 32, 32, 5, .inputs = 1,
	     .attrs = {.epsilon = 1e-5f, .pad = {1, 1, 1, 1}, .activation = THAW_ACT_RELU}),
	CASE("depthwise 3x3, bias", 2, 5, 6, 17, 3, 1, 17, 6, .inputs = 1,
	     .attrs = {.epsilon = 1e-5f, .pad = {1, 1, 1, 1}, .groups = 17, .activation = THAW_ACT_RELU}),
};

const struct thaw_op thaw_op_conv_norm = {
	.name = "conv_norm",
	.min_inputs = 1,
	.max_inputs = 2,
	.param_names = (const char *const[]){"weight", "norm_weight", "norm_bias", "running_mean", "running_var",
					     "bias", NULL},
	.infer = conv_norm_infer,
	.workspace = conv_norm_workspace,
	.forward = conv_norm_forward,
	.backward = conv_norm_backward,
	.reference = conv_norm_reference,
	.flops = conv_norm_flops,
	.backward_reads = THAW_READS_X | THAW_READS_Y,
	.activates = true,
	.rounds = true,
	.bf16 = true,
	.adds = true,
	.overwrites_dy = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
