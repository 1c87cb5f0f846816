/* Batch norm of images or features: y = activation((x - mean) / sqrt(variance + epsilon) * weight + bias),
 * per channel. Reads epsilon, batch_statistics and activation; momentum is read by the trainer.
 *
 * By default mean and variance are the moving statistics, which are constants. With batch_statistics, in training, they
 * are computed from the batch (biased variance), the gradient flows through them, and backward adds N * statistic to
 * their dparam, with the unbiased variance as in PyTorch. The trainer divides the sum over all lanes by the number of
 * images and updates the moving statistics. */
#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/norm.h"
#include "src/ops/reference.h"
#include "src/ops/registry.h"

enum { WEIGHT, BIAS, MEAN, VARIANCE, PARAMS };

static thaw_status batch_norm_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	const struct thaw_shape *x = &desc->x[0];
	int64_t channels = x->ndim >= 2 ? x->dim[x->ndim - 1] : 0;
	if (channels < 1)
		return thaw_fail(THAW_CONFIG, "input without channels: batch_norm: give images or features");
	if (desc->params != PARAMS)
		return thaw_fail(THAW_CONFIG, "%d parameters: batch_norm: give weight, bias, mean and variance",
				 desc->params);
	for (int i = 0; i < PARAMS; i++)
		if (desc->param[i].ndim != 1 || desc->param[i].dim[0] != channels)
			return thaw_fail(THAW_CONFIG,
					 "parameter %d does not fit: batch_norm: give one value for each of "
					 "%lld channels",
					 i, (long long)channels);
	*y = *x;
	return THAW_OK;
}

static bool uses_batch_statistics(const struct thaw_attrs *attrs, bool training)
{
	return training && attrs->batch_statistics;
}

static int64_t channels_of(const struct thaw_shape *x)
{
	return x->dim[x->ndim - 1];
}

/* Working memory, values per channel. */
struct work {
	double *sum_g, *sum_gx;  /* backward */
	double *moments;         /* forward: 3 values per channel, in the memory of the sums and the block */
	float *block;            /* sums of one block: 2 values per channel */
	float *factor, *inverse; /* weight / deviation and 1 / deviation */
	float *mean_g, *slope;   /* backward through batch statistics */
	float *room;             /* a block of x in fp32 */
};

enum { WORK_BYTES = 2 * sizeof(double) + 6 * sizeof(float) }; /* per channel */

static struct work work_at(void *scratch, int64_t channels)
{
	struct work w = {.sum_g = scratch, .moments = scratch};
	w.sum_gx = w.sum_g + channels;
	w.block = (float *)(w.sum_gx + channels);
	w.factor = w.block + 2 * channels;
	w.inverse = w.factor + channels;
	w.mean_g = w.inverse + channels;
	w.slope = w.mean_g + channels;
	w.room = w.slope + channels;
	return w;
}

/* saved: mean and biased variance of the batch. */
static void batch_norm_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	size_t channels = (size_t)channels_of(&desc->x[0]);
	size_t room = (size_t)thaw_norm_block((int64_t)channels) * channels * sizeof(float);
	need->scratch_forward = channels * WORK_BYTES + room;
	need->scratch_backward = channels * WORK_BYTES + room;
	if (uses_batch_statistics(desc->attrs, desc->training))
		need->saved = 2 * channels * sizeof(float);
}

/* The normalisation of this call: its statistics, and the factors computed from them, which are written to `work`. */
static struct thaw_norm norm_of(const struct thaw_op_args *args, const struct work *work)
{
	int64_t channels = channels_of(&args->x[0].shape);
	bool batch = uses_batch_statistics(args->attrs, args->training);
	const float *variance = batch ? (float *)args->saved + channels : args->param[VARIANCE].data;
	for (int64_t c = 0; c < channels; c++) {
		double inverse = 1.0 / sqrt((double)variance[c] + args->attrs->epsilon);
		work->inverse[c] = (float)inverse;
		work->factor[c] = (float)(inverse * args->param[WEIGHT].data[c]);
	}
	return (struct thaw_norm){.channels = channels,
				  .mean = batch ? args->saved : args->param[MEAN].data,
				  .factor = work->factor,
				  .shift = args->param[BIAS].data,
				  .activation = args->attrs->activation};
}

static void batch_norm_forward(const struct thaw_op_args *args)
{
	const struct thaw_view *x = &args->x[0];
	int64_t channels = channels_of(&x->shape), rows = thaw_shape_count(&x->shape) / channels;
	int64_t block = thaw_norm_block(channels);
	struct work work = work_at(args->scratch, channels);
	struct thaw_norm norm;
	if (rows == 0)
		return;
	if (uses_batch_statistics(args->attrs, args->training))
		thaw_norm_moments(args->saved, (float *)args->saved + channels, x, rows, channels, work.moments,
				  work.room);
	norm = norm_of(args, &work);
	for (int64_t r = 0; r < rows; r += block) {
		int64_t size = min_int64(rows - r, block), at = r * channels;
		float *y = thaw_values_target(&args->y, at, work.room);
		thaw_norm_forward(y, thaw_values_read(x, at, size * channels, work.room), size, &norm);
		thaw_values_write(&args->y, at, size * channels, y);
	}
}

/* Adds N * statistic of the batch for the trainer. */
static void add_statistics(const struct thaw_op_args *args, int64_t rows, int64_t channels)
{
	const float *mean = args->saved, *variance = mean + channels;
	float images = (float)args->x[0].shape.dim[0];
	float unbias = rows > 1 ? (float)((double)rows / (double)(rows - 1)) : 1.0f;
	for (int64_t c = 0; c < channels && args->dparam[MEAN]; c++)
		args->dparam[MEAN][c] += images * mean[c];
	for (int64_t c = 0; c < channels && args->dparam[VARIANCE]; c++)
		args->dparam[VARIANCE][c] += images * unbias * variance[c];
}

static void add_weight_gradients(const struct thaw_op_args *args, const struct work *work, int64_t channels)
{
	for (int64_t c = 0; c < channels && args->dparam[WEIGHT]; c++)
		args->dparam[WEIGHT][c] += (float)(work->sum_gx[c] * work->inverse[c]);
	for (int64_t c = 0; c < channels && args->dparam[BIAS]; c++)
		args->dparam[BIAS][c] += (float)work->sum_g[c];
}

/* The gradient through mean and variance of the batch (Ioffe and Szegedy, 2015, section 3). */
static void backward_batch(const struct thaw_op_args *args, const struct work *work, int64_t rows,
			   const struct thaw_norm *norm)
{
	for (int64_t c = 0; c < norm->channels; c++) {
		double inverse = work->inverse[c];
		work->mean_g[c] = (float)(work->sum_g[c] / (double)rows);
		work->slope[c] = (float)(work->sum_gx[c] / (double)rows * inverse * inverse);
	}
	int64_t block = thaw_norm_block(norm->channels);
	for (int64_t r = 0; r < rows; r += block) {
		int64_t size = min_int64(rows - r, block), at = r * norm->channels;
		const float *x = thaw_values_read(&args->x[0], at, size * norm->channels, work->room);
		thaw_norm_backward_batch(args->dx[0] + at, args->dx_add[0], args->dy + at, x, size, norm, work->mean_g,
					 work->slope);
	}
}

/* Block by block, so that with fixed statistics memory is read once for both the sums and dx. */
static void batch_norm_backward(const struct thaw_op_args *args)
{
	const struct thaw_view *x = &args->x[0];
	int64_t channels = channels_of(&x->shape), rows = thaw_shape_count(&x->shape) / channels;
	int64_t block = thaw_norm_block(channels);
	bool batch = uses_batch_statistics(args->attrs, args->training);
	bool sums = args->dparam[WEIGHT] || args->dparam[BIAS] || (batch && args->dx[0]);
	struct work work = work_at(args->scratch, channels);
	struct thaw_norm norm;
	if (rows == 0)
		return;
	norm = norm_of(args, &work);
	memset(work.sum_g, 0, 2 * (size_t)channels * sizeof(*work.sum_g));
	for (int64_t r = 0; r < rows; r += block) {
		int64_t size = min_int64(rows - r, block), at = r * channels;
		const float *values = thaw_values_read(x, at, size * channels, work.room);
		if (sums)
			thaw_norm_sums(work.sum_g, work.sum_gx, args->dy + at, values, size, &norm, work.block);
		if (args->dx[0] && !batch)
			thaw_norm_backward_fixed(args->dx[0] + at, args->dx_add[0], args->dy + at, values, size, &norm);
	}
	add_weight_gradients(args, &work, channels);
	if (batch) {
		add_statistics(args, rows, channels);
		if (args->dx[0])
			backward_batch(args, &work, rows, &norm);
	}
}

/* Mean and biased variance of channel c, in two plain passes. */
static void reference_moments(const struct thaw_view *x, int64_t c, double *mean, double *variance)
{
	int64_t channels = channels_of(&x->shape), rows = thaw_shape_count(&x->shape) / channels;
	*mean = *variance = 0;
	for (int64_t r = 0; r < rows; r++)
		*mean += x->data[r * channels + c] / (double)rows;
	for (int64_t r = 0; r < rows; r++)
		*variance += (x->data[r * channels + c] - *mean) * (x->data[r * channels + c] - *mean) / (double)rows;
}

static void batch_norm_reference(const struct thaw_op_args *args)
{
	const struct thaw_view *x = &args->x[0];
	int64_t channels = channels_of(&x->shape), rows = thaw_shape_count(&x->shape) / channels;
	for (int64_t c = 0; c < channels; c++) {
		double mean = args->param[MEAN].data[c], variance = args->param[VARIANCE].data[c];
		if (uses_batch_statistics(args->attrs, args->training))
			reference_moments(x, c, &mean, &variance);
		for (int64_t r = 0; r < rows; r++) {
			double v = (x->data[r * channels + c] - mean) / sqrt(variance + args->attrs->epsilon);
			v = v * args->param[WEIGHT].data[c] + args->param[BIAS].data[c];
			args->y.data[r * channels + c] = thaw_reference_result(args, r * channels + c, v);
		}
	}
}

static int64_t batch_norm_flops(const struct thaw_op_desc *desc)
{
	return 2 * thaw_shape_count(&desc->x[0]);
}

#define CHANNELS(c) .params = PARAMS, .param = {{1, {c}}, {1, {c}}, {1, {c}}, {1, {c}}}

static const struct thaw_op_case cases[] = {
	{.name = "fixed", .attrs = {.epsilon = 1e-5f}, .inputs = 1, .x = {{4, {3, 5, 3, 19}}}, CHANNELS(19)},
	{.name = "fixed, relu",
	 .attrs = {.epsilon = 1e-3f, .activation = THAW_ACT_RELU},
	 .inputs = 1,
	 .x = {{4, {2, 7, 5, 32}}},
	 CHANNELS(32)},
	{.name = "fixed, features", .attrs = {.epsilon = 1e-5f}, .inputs = 1, .x = {{2, {5, 7}}}, CHANNELS(7)},
	{.name = "fixed, one channel, one pixel",
	 .attrs = {.epsilon = 1e-5f},
	 .inputs = 1,
	 .x = {{4, {1, 1, 1, 1}}},
	 CHANNELS(1)},
	{.name = "batch",
	 .attrs = {.epsilon = 1e-5f, .batch_statistics = true},
	 .inputs = 1,
	 .x = {{4, {3, 5, 3, 19}}},
	 CHANNELS(19)},
	{.name = "batch, more than one block",
	 .attrs = {.epsilon = 1e-5f, .batch_statistics = true},
	 .inputs = 1,
	 .x = {{4, {3, 13, 11, 2}}},
	 CHANNELS(2)},
	{.name = "batch, relu6",
	 .attrs = {.epsilon = 1e-3f, .batch_statistics = true, .activation = THAW_ACT_RELU6},
	 .inputs = 1,
	 .x = {{4, {2, 3, 5, 8}}},
	 CHANNELS(8)},
	{.name = "batch, features",
	 .attrs = {.epsilon = 1e-5f, .batch_statistics = true},
	 .inputs = 1,
	 .x = {{2, {6, 5}}},
	 CHANNELS(5)},
};

const struct thaw_op thaw_op_batch_norm = {
	.name = "batch_norm",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){"weight", "bias", "running_mean", "running_var", NULL},
	.infer = batch_norm_infer,
	.workspace = batch_norm_workspace,
	.forward = batch_norm_forward,
	.backward = batch_norm_backward,
	.reference = batch_norm_reference,
	.activates = true,
	.flops = batch_norm_flops,
	.bf16 = true,
	.backward_reads = THAW_READS_X,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
