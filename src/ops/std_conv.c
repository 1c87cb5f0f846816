/* Convolution with weight standardisation (Qiao et al., 2019): y = activation(conv(x[0]) + bias + x[1]) with the
 * filters w' = (w - mean) / sqrt(variance + epsilon), where mean and biased variance are those of each filter.
 *
 * Reads the attributes of conv, and epsilon; inputs and parameters are those of conv. The gradient of w follows exactly
 * from that of w', as that of a batch norm whose rows are the taps of the filters. */
#include "src/ops/std_conv.h"

#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/conv_node.h"
#include "src/ops/kernels/norm.h"
#include "src/ops/registry.h"
#include "thaw/memory.h"

enum { WEIGHT, BIAS };

static size_t align_up(size_t bytes)
{
	return (bytes + THAW_ALIGNMENT - 1) / THAW_ALIGNMENT * THAW_ALIGNMENT;
}

/* Working memory per channel. */
struct work {
	double *sum_g, *sum_gx, *moments; /* moments: 3 values, in the memory of the sums and the block */
	float *block;                     /* 2 values */
	float *mean, *variance, *factor, *zero;
	float *mean_g, *slope;
};

enum { CHANNEL_BYTES = 2 * sizeof(double) + 8 * sizeof(float) };

static struct work work_at(void *scratch, int64_t channels)
{
	struct work w = {.sum_g = scratch, .moments = scratch};
	w.sum_gx = w.sum_g + channels;
	w.block = (float *)(w.sum_gx + channels);
	w.mean = w.block + 2 * channels;
	w.variance = w.mean + channels;
	w.factor = w.variance + channels;
	w.zero = w.factor + channels;
	w.mean_g = w.zero + channels;
	w.slope = w.mean_g + channels;
	return w;
}

size_t thaw_standardise_bytes(int64_t channels)
{
	return align_up((size_t)channels * CHANNEL_BYTES);
}

static struct thaw_norm norm_of(const float *weight, int64_t rows, int64_t channels, float epsilon,
				const struct work *w)
{
	const struct thaw_view view = {.data = (float *)weight, .shape = thaw_shape_of(rows, channels)};
	thaw_norm_fine_moments(w->mean, w->variance, &view, rows, channels, w->moments, NULL);
	for (int64_t o = 0; o < channels; o++) {
		w->factor[o] = (float)(1.0 / sqrt((double)w->variance[o] + (double)epsilon));
		w->zero[o] = 0.0f;
	}
	return (struct thaw_norm){.channels = channels, .mean = w->mean, .factor = w->factor, .shift = w->zero};
}

void thaw_standardise(float *to, const float *weight, int64_t rows, int64_t channels, float epsilon, void *scratch)
{
	const struct work w = work_at(scratch, channels);
	const struct thaw_norm norm = norm_of(weight, rows, channels, epsilon, &w);
	thaw_norm_forward(to, weight, rows, &norm);
}

/* Scratch: values per channel, the standardised weights, in backward their gradient, then the kernel's own. */
static void std_conv_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	const struct thaw_conv c = thaw_conv_describe(desc->attrs, &desc->x[0], &desc->param[WEIGHT]);
	const size_t weights = align_up((size_t)thaw_shape_count(&desc->param[WEIGHT]) * sizeof(float));
	const size_t own = thaw_standardise_bytes(c.co) + weights;
	need->scratch_forward = own + thaw_conv_forward_bytes(&c);
	if (desc->training)
		need->scratch_backward = own + weights + thaw_conv_backward_bytes(&c);
}

/* Writes the standardised weights to the scratch and returns them. */
static float *standardised(const struct thaw_op_args *args, int64_t channels)
{
	const struct thaw_view *weight = &args->param[WEIGHT];
	float *to = (float *)((char *)args->scratch + thaw_standardise_bytes(channels));
	thaw_standardise(to, weight->data, thaw_shape_count(&weight->shape) / channels, channels, args->attrs->epsilon,
			 args->scratch);
	return to;
}

static void std_conv_forward(const struct thaw_op_args *args)
{
	const struct thaw_view *weight = &args->param[WEIGHT];
	const struct thaw_conv c = thaw_conv_describe(args->attrs, &args->x[0].shape, &weight->shape);
	const float *bias = args->params > BIAS ? args->param[BIAS].data : NULL;
	float *filters = standardised(args, c.co);
	char *kernel = (char *)filters + align_up((size_t)thaw_shape_count(&weight->shape) * sizeof(float));
	thaw_conv_forward(&c, args, filters, NULL, bias, kernel);
}

/* Adds the gradient of the weights, from that of the standardised ones. */
static void add_weight_gradient(const struct thaw_op_args *args, const float *dfilters, int64_t channels)
{
	const float *weight = args->param[WEIGHT].data;
	const int64_t rows = thaw_shape_count(&args->param[WEIGHT].shape) / channels;
	const int64_t block = thaw_norm_block(channels);
	const struct work w = work_at(args->scratch, channels);
	const struct thaw_norm norm = norm_of(weight, rows, channels, args->attrs->epsilon, &w);
	memset(w.sum_g, 0, 2 * (size_t)channels * sizeof(*w.sum_g));
	for (int64_t r = 0; r < rows; r += block)
		thaw_norm_sums(w.sum_g, w.sum_gx, dfilters + r * channels, weight + r * channels,
			       min_int64(rows - r, block), &norm, w.block);
	for (int64_t o = 0; o < channels; o++) {
		const double inverse = w.factor[o];
		w.mean_g[o] = (float)(w.sum_g[o] / (double)rows);
		w.slope[o] = (float)(w.sum_gx[o] / (double)rows * inverse * inverse);
	}
	thaw_norm_backward_batch(args->dparam[WEIGHT], true, dfilters, weight, rows, &norm, w.mean_g, w.slope);
}

static void std_conv_backward(const struct thaw_op_args *args)
{
	const struct thaw_view *weight = &args->param[WEIGHT];
	const struct thaw_conv c = thaw_conv_describe(args->attrs, &args->x[0].shape, &weight->shape);
	const size_t bytes = (size_t)thaw_shape_count(&weight->shape) * sizeof(float);
	float *filters = standardised(args, c.co);
	float *dfilters = (float *)((char *)filters + align_up(bytes));
	void *kernel = (char *)dfilters + align_up(bytes);
	const float *dy = thaw_conv_epilogue_backward(args, args->params > BIAS ? args->dparam[BIAS] : NULL);
	if (args->dx[0])
		thaw_conv_choose(&c, THAW_CONV_DATA)->data(&c, dy, filters, args->dx[0], args->dx_add[0], kernel);
	if (!args->dparam[WEIGHT])
		return;
	memset(dfilters, 0, bytes);
	thaw_conv_weight(&c, &args->x[0], dy, dfilters, kernel);
	add_weight_gradient(args, dfilters, c.co);
}

/* The reference of conv with standardised weights. */
static void std_conv_reference(const struct thaw_op_args *args)
{
	const struct thaw_view *weight = &args->param[WEIGHT];
	const int64_t count = thaw_shape_count(&weight->shape), channels = weight->shape.dim[3];
	const int64_t rows = count / channels;
	float *filters = thaw_alloc((size_t)count, sizeof(*filters));
	for (int64_t o = 0; o < channels && filters; o++) {
		double mean = 0, variance = 0;
		for (int64_t r = 0; r < rows; r++)
			mean += weight->data[r * channels + o] / (double)rows;
		for (int64_t r = 0; r < rows; r++)
			variance += pow(weight->data[r * channels + o] - mean, 2) / (double)rows;
		for (int64_t r = 0; r < rows; r++)
			filters[r * channels + o] = (float)((weight->data[r * channels + o] - mean) /
							    sqrt(variance + (double)args->attrs->epsilon));
	}
	struct thaw_view param[2] = {{.data = filters, .shape = weight->shape}};
	struct thaw_op_args conv = *args;
	if (args->params > BIAS)
		param[BIAS] = args->param[BIAS];
	conv.param = param;
	if (filters)
		thaw_op_conv.reference(&conv);
	thaw_free(filters);
}

static thaw_status std_conv_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	return thaw_op_conv.infer(desc, y);
}

static int64_t std_conv_flops(const struct thaw_op_desc *desc)
{
	return thaw_op_conv.flops(desc);
}

/* A case: name, N,H,W,Cin, kernel size, Cin/groups, Cout, number of parameters, and the rest. */
#define CASE(name_, n, h, w, ci, k, cg, co, params_, ...)                                            \
	{                                                                                            \
		.name = (name_), .x = {{4, {n, h, w, ci}}, {4, {n, h, w, co}}}, .params = (params_), \
		.param = {{4, {k, k, cg, co}}, {1, {co}}}, __VA_ARGS__                               \
	}

static const struct thaw_op_case cases[] = {
	CASE("1x1, relu6", 2, 4, 5, 16, 1, 16, 7, 1, .inputs = 1,
	     .attrs = {.epsilon = 1.0f, .activation = THAW_ACT_RELU6}),
	CASE("3x3, bias", 2, 5, 4, 3, 3, 3, 4, 2, .inputs = 1, .attrs = {.epsilon = 1e-5f, .pad = {1, 1, 1, 1}}),
	CASE("3x3, residual, relu", 2, 4, 4, 3, 3, 3, 5, 2, .inputs = 2,
	     .attrs = {.epsilon = 1e-5f, .pad = {1, 1, 1, 1}, .activation = THAW_ACT_RELU}),
	CASE("3x3, 32 channels", 2, 6, 7, 32, 3, 32, 32, 1, .inputs = 1,
	     .attrs = {.epsilon = 1e-8f, .pad = {1, 1, 1, 1}}),
	CASE("3x3, groups, stride 2", 2, 5, 6, 6, 3, 3, 8, 1, .inputs = 1,
	     .attrs = {.epsilon = 1e-5f, .pad = {1, 1, 1, 1}, .groups = 2, .stride = {2, 2}}),
};

const struct thaw_op thaw_op_std_conv = {
	.name = "std_conv",
	.min_inputs = 1,
	.max_inputs = 2,
	.param_names = (const char *const[]){"weight", "bias", NULL},
	.infer = std_conv_infer,
	.workspace = std_conv_workspace,
	.forward = std_conv_forward,
	.backward = std_conv_backward,
	.reference = std_conv_reference,
	.flops = std_conv_flops,
	.backward_reads = THAW_READS_X | THAW_READS_Y,
	.activates = true,
	.rounds = true,
	.bf16 = true,
	.adds = true,
	.overwrites_dy = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
