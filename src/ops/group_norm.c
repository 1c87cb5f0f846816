/* Group norm of images x (N,...,C) (Wu and He, ECCV 2018): y = activation((x - mean) / sqrt(variance + epsilon) * scale
 * + shift), with the mean and biased variance of a group of consecutive channels over all positions of an image. Reads
 * groups, epsilon and activation.
 *
 * The loops are those of batch norm, image by image, with the group's statistics for each of its channels. */
#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/multiversion.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/norm.h"
#include "src/ops/reference.h"
#include "src/ops/registry.h"

enum { SCALE, SHIFT, PARAMS };

static thaw_status group_norm_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	const struct thaw_shape *x = &desc->x[0];
	const int64_t channels = x->ndim >= 2 ? x->dim[x->ndim - 1] : 0, groups = desc->attrs->groups;
	if (channels < 1 || groups < 1 || channels % groups != 0)
		return thaw_fail(THAW_CONFIG,
				 "%lld groups of %lld channels: group_norm: give a number that divides the channels",
				 (long long)groups, (long long)channels);
	for (int i = 0; i < PARAMS; i++)
		if (desc->params != PARAMS || desc->param[i].ndim != 1 || desc->param[i].dim[0] != channels)
			return thaw_fail(THAW_CONFIG,
					 "parameter %d does not fit: group_norm: give scale and shift, one value for "
					 "each of %lld channels",
					 i, (long long)channels);
	*y = *x;
	return THAW_OK;
}

static int64_t channels_of(const struct thaw_shape *x)
{
	return x->dim[x->ndim - 1];
}

/* Positions of an image. */
static int64_t rows_of(const struct thaw_shape *x)
{
	int64_t rows = 1;
	for (int i = 1; i < x->ndim - 1; i++)
		rows *= x->dim[i];
	return rows;
}

/* Working memory, values per channel. */
struct work {
	double *scale_sum, *shift_sum; /* backward: of all images */
	double *sum_g, *sum_gx;        /* backward: of one image */
	double *moments;               /* forward: 3 values per channel, in the memory of the sums */
	float *block;                  /* sums of one block: 2 values per channel */
	float *mean, *inverse, *factor;
	float *variance; /* forward: of a channel */
	float *offset, *slope;
	float *room; /* a block of x in fp32 */
};

enum { WORK_BYTES = 4 * sizeof(double) + 7 * sizeof(float) }; /* per channel */

static struct work work_at(void *scratch, int64_t channels)
{
	struct work w = {.scale_sum = scratch, .moments = scratch};
	w.shift_sum = w.scale_sum + channels;
	w.sum_g = w.shift_sum + channels;
	w.sum_gx = w.sum_g + channels;
	w.block = (float *)(w.sum_gx + channels);
	w.mean = w.block + 2 * channels;
	w.inverse = w.mean + channels;
	w.factor = w.inverse + channels;
	w.variance = w.offset = w.factor + channels;
	w.slope = w.offset + channels;
	w.room = w.slope + channels;
	return w;
}

/* saved: mean and 1 / deviation of each group of each image. */
static void group_norm_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	const size_t channels = (size_t)channels_of(&desc->x[0]);
	const size_t room = (size_t)thaw_norm_block((int64_t)channels) * channels * sizeof(float);
	need->scratch_forward = need->scratch_backward = channels * WORK_BYTES + room;
	if (desc->training)
		need->saved = 2 * (size_t)desc->x[0].dim[0] * (size_t)desc->attrs->groups * sizeof(float);
}

/* Image n of a value. */
static struct thaw_view image_of(const struct thaw_view *v, int64_t n)
{
	const int64_t size = rows_of(&v->shape) * channels_of(&v->shape);
	struct thaw_view image = *v;
	if (v->data)
		image.data += n * size;
	if (v->bf16)
		image.bf16 += n * size;
	return image;
}

/* Mean and 1 / deviation of a group, from those of its channels. */
static void merge_channels(const struct work *w, int64_t first, int64_t count, float epsilon, float statistics[2])
{
	double mean = 0, variance = 0;
	for (int64_t c = first; c < first + count; c++)
		mean += (double)w->mean[c] / (double)count;
	for (int64_t c = first; c < first + count; c++) {
		const double distance = w->mean[c] - mean;
		variance += (w->variance[c] + distance * distance) / (double)count;
	}
	statistics[0] = (float)mean;
	statistics[1] = (float)(1.0 / sqrt(variance + (double)epsilon));
}

/* Writes a group's statistics for each of its channels. */
static void spread(const struct work *w, const float *scale, int64_t first, int64_t count, const float statistics[2])
{
	for (int64_t c = first; c < first + count; c++) {
		w->mean[c] = statistics[0];
		w->inverse[c] = statistics[1];
		w->factor[c] = statistics[1] * scale[c];
	}
}

static struct thaw_norm norm_of(const struct thaw_op_args *args, const struct work *w)
{
	return (struct thaw_norm){.channels = channels_of(&args->x[0].shape),
				  .mean = w->mean,
				  .factor = w->factor,
				  .shift = args->param[SHIFT].data,
				  .activation = args->attrs->activation};
}

static void forward_image(const struct thaw_op_args *args, const struct work *w, int64_t n)
{
	const struct thaw_view x = image_of(&args->x[0], n), to = image_of(&args->y, n);
	const struct thaw_norm norm = norm_of(args, w);
	const int64_t rows = rows_of(&x.shape), channels = norm.channels, groups = args->attrs->groups;
	const int64_t block = thaw_norm_block(channels);
	float *saved = args->training ? (float *)args->saved + 2 * n * groups : NULL;
	thaw_norm_fine_moments(w->mean, w->variance, &x, rows, channels, w->moments, w->room);
	for (int64_t g = 0; g < groups; g++) {
		float statistics[2];
		const int64_t count = channels / groups;
		merge_channels(w, g * count, count, args->attrs->epsilon, statistics);
		spread(w, args->param[SCALE].data, g * count, count, statistics);
		if (saved)
			memcpy(saved + 2 * g, statistics, sizeof(statistics));
	}
	for (int64_t r = 0; r < rows; r += block) {
		const int64_t size = min_int64(rows - r, block), at = r * channels;
		float *y = thaw_values_target(&to, at, w->room);
		thaw_norm_forward(y, thaw_values_read(&x, at, size * channels, w->room), size, &norm);
		thaw_values_write(&to, at, size * channels, y);
	}
}

static void group_norm_forward(const struct thaw_op_args *args)
{
	const struct work w = work_at(args->scratch, channels_of(&args->x[0].shape));
	for (int64_t n = 0; n < args->x[0].shape.dim[0]; n++)
		forward_image(args, &w, n);
}

/* dx -= offset + (x - mean) * slope */
THAW_MULTIVERSION
static void subtract(float *dx, const float *x, int64_t rows, const struct work *w, int64_t channels)
{
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < channels; c++)
			dx[r * channels + c] -= w->offset[c] + (x[r * channels + c] - w->mean[c]) * w->slope[c];
}

/* What the statistics of each group add to dx, from the sums of the image. */
static void find_corrections(const struct thaw_op_args *args, const struct work *w, int64_t rows, int64_t channels)
{
	const float *scale = args->param[SCALE].data;
	const int64_t count = channels / args->attrs->groups;
	for (int64_t first = 0; first < channels; first += count) {
		const double inverse = w->inverse[first], values = (double)(rows * count);
		double sum_g = 0, sum_gx = 0;
		for (int64_t c = first; c < first + count; c++) {
			sum_g += scale[c] * w->sum_g[c];
			sum_gx += scale[c] * w->sum_gx[c];
		}
		for (int64_t c = first; c < first + count; c++) {
			w->offset[c] = (float)(inverse * sum_g / values);
			w->slope[c] = (float)(inverse * inverse * inverse * sum_gx / values);
		}
	}
}

static void backward_image(const struct thaw_op_args *args, const struct work *w, int64_t n)
{
	const struct thaw_view x = image_of(&args->x[0], n);
	const struct thaw_norm norm = norm_of(args, w);
	const int64_t rows = rows_of(&x.shape), channels = norm.channels, groups = args->attrs->groups;
	const int64_t block = thaw_norm_block(channels), count = channels / groups, image = n * rows * channels;
	const float *saved = (const float *)args->saved + 2 * n * groups;
	for (int64_t g = 0; g < groups; g++)
		spread(w, args->param[SCALE].data, g * count, count, saved + 2 * g);
	memset(w->sum_g, 0, 2 * (size_t)channels * sizeof(*w->sum_g));
	for (int64_t r = 0; r < rows; r += block) {
		const int64_t size = min_int64(rows - r, block), at = r * channels;
		const float *values = thaw_values_read(&x, at, size * channels, w->room);
		thaw_norm_sums(w->sum_g, w->sum_gx, args->dy + image + at, values, size, &norm, w->block);
	}
	for (int64_t c = 0; c < channels; c++) {
		w->shift_sum[c] += w->sum_g[c];
		w->scale_sum[c] += w->sum_gx[c] * w->inverse[c];
	}
	if (!args->dx[0])
		return;
	find_corrections(args, w, rows, channels);
	for (int64_t r = 0; r < rows; r += block) {
		const int64_t size = min_int64(rows - r, block), at = r * channels;
		const float *values = thaw_values_read(&x, at, size * channels, w->room);
		float *dx = args->dx[0] + image + at;
		thaw_norm_backward_fixed(dx, args->dx_add[0], args->dy + image + at, values, size, &norm);
		subtract(dx, values, size, w, channels);
	}
}

static void group_norm_backward(const struct thaw_op_args *args)
{
	const int64_t channels = channels_of(&args->x[0].shape);
	const struct work w = work_at(args->scratch, channels);
	memset(w.scale_sum, 0, 2 * (size_t)channels * sizeof(*w.scale_sum));
	for (int64_t n = 0; n < args->x[0].shape.dim[0]; n++)
		backward_image(args, &w, n);
	for (int64_t c = 0; c < channels && args->dparam[SCALE]; c++)
		args->dparam[SCALE][c] += (float)w.scale_sum[c];
	for (int64_t c = 0; c < channels && args->dparam[SHIFT]; c++)
		args->dparam[SHIFT][c] += (float)w.shift_sum[c];
}

/* Channels [first, first + count) of the image whose first value is `at`. */
static void reference_group(const struct thaw_op_args *args, int64_t at, int64_t first, int64_t count)
{
	const int64_t rows = rows_of(&args->x[0].shape), channels = channels_of(&args->x[0].shape);
	const float *x = args->x[0].data + at;
	double mean = 0, variance = 0;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = first; c < first + count; c++)
			mean += x[r * channels + c] / (double)(rows * count);
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = first; c < first + count; c++)
			variance += pow(x[r * channels + c] - mean, 2) / (double)(rows * count);
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = first; c < first + count; c++) {
			double v = (x[r * channels + c] - mean) / sqrt(variance + args->attrs->epsilon);
			v = v * args->param[SCALE].data[c] + args->param[SHIFT].data[c];
			args->y.data[at + r * channels + c] = thaw_reference_result(args, at + r * channels + c, v);
		}
}

static void group_norm_reference(const struct thaw_op_args *args)
{
	const struct thaw_shape *x = &args->x[0].shape;
	const int64_t channels = channels_of(x), count = channels / args->attrs->groups;
	for (int64_t n = 0; n < x->dim[0]; n++)
		for (int64_t first = 0; first < channels; first += count)
			reference_group(args, n * rows_of(x) * channels, first, count);
}

/* About 8 operations per element. */
static int64_t group_norm_flops(const struct thaw_op_desc *desc)
{
	return 8 * thaw_shape_count(&desc->y);
}

#define CHANNELS(c) .params = PARAMS, .param = {{1, {c}}, {1, {c}}}

static const struct thaw_op_case cases[] = {
	{.name = "groups of 3",
	 .attrs = {.epsilon = 1e-5f, .groups = 4},
	 .inputs = 1,
	 .x = {{4, {2, 5, 3, 12}}},
	 CHANNELS(12)},
	{.name = "relu",
	 .attrs = {.epsilon = 1e-5f, .groups = 2, .activation = THAW_ACT_RELU},
	 .inputs = 1,
	 .x = {{4, {3, 4, 5, 8}}},
	 CHANNELS(8)},
	{.name = "one group",
	 .attrs = {.epsilon = 1e-3f, .groups = 1},
	 .inputs = 1,
	 .x = {{4, {2, 3, 3, 5}}},
	 CHANNELS(5)},
	{.name = "a group per channel, more than a block",
	 .attrs = {.epsilon = 1e-5f, .groups = 3},
	 .inputs = 1,
	 .x = {{4, {2, 19, 17, 3}}},
	 CHANNELS(3)},
	{.name = "features", .attrs = {.epsilon = 1e-5f, .groups = 2}, .inputs = 1, .x = {{2, {3, 10}}}, CHANNELS(10)},
};

const struct thaw_op thaw_op_group_norm = {
	.name = "group_norm",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){"scale", "shift", NULL},
	.infer = group_norm_infer,
	.workspace = group_norm_workspace,
	.forward = group_norm_forward,
	.backward = group_norm_backward,
	.reference = group_norm_reference,
	.flops = group_norm_flops,
	.activates = true,
	.bf16 = true,
	.backward_reads = THAW_READS_X,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
