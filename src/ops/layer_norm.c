/* Layer norm over the last axis of x (...,C): y = (x - mean) / sqrt(variance + epsilon) * scale + shift, with the mean
 * and biased variance of each row of C values. Scale and shift are optional. Reads epsilon. */
#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/layer_norm.h"
#include "src/ops/kernels/norm.h"
#include "src/ops/registry.h"

enum { SCALE, SHIFT, PARAMS };

enum { ROOM_ROWS = 8 }; /* rows that are processed at a time, a multiple of those of layer_norm.c's kernels */

static int64_t columns_of(const struct thaw_shape *x)
{
	return x->dim[x->ndim - 1];
}

static thaw_status layer_norm_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	const struct thaw_shape *x = &desc->x[0];
	if (x->ndim < 2 || columns_of(x) < 1)
		return thaw_fail(THAW_CONFIG, "input without channels: layer_norm: give features, tokens or images");
	for (int i = 0; i < desc->params; i++)
		if (desc->param[i].ndim != 1 || desc->param[i].dim[0] != columns_of(x))
			return thaw_fail(THAW_CONFIG,
					 "parameter %d does not fit: layer_norm: give one value for each of "
					 "%lld channels",
					 i, (long long)columns_of(x));
	*y = *x;
	return THAW_OK;
}

/* Working memory, one value per channel each unless said otherwise. */
struct work {
	double *scale_sum, *shift_sum;    /* backward: sums over all rows */
	float *scale_block, *shift_block; /* backward: sums over a block of rows */
	float *ones, *zeros;              /* in place of missing parameters */
	float *room;                      /* ROOM_ROWS values each: rows that are stored in bfloat16 */
};

enum { WORK_BYTES = 2 * sizeof(double) + (4 + ROOM_ROWS) * sizeof(float) }; /* per channel */

static struct work work_at(void *scratch, int64_t columns)
{
	struct work w = {.scale_sum = scratch};
	w.shift_sum = w.scale_sum + columns;
	w.scale_block = (float *)(w.shift_sum + columns);
	w.shift_block = w.scale_block + columns;
	w.ones = w.shift_block + columns;
	w.zeros = w.ones + columns;
	w.room = w.zeros + columns;
	for (int64_t c = 0; c < columns; c++) {
		w.ones[c] = 1.0f;
		w.zeros[c] = 0.0f;
	}
	return w;
}

/* saved: mean and 1 / standard deviation of each row. */
static void layer_norm_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	int64_t columns = columns_of(&desc->x[0]), rows = thaw_shape_count(&desc->x[0]) / columns;
	need->scratch_forward = need->scratch_backward = (size_t)columns * WORK_BYTES;
	if (desc->training)
		need->saved = 2 * (size_t)rows * sizeof(float);
}

static void layer_norm_forward(const struct thaw_op_args *args)
{
	int64_t columns = columns_of(&args->y.shape), rows = thaw_shape_count(&args->y.shape) / columns;
	struct work work = work_at(args->scratch, columns);
	float *mean = args->training ? args->saved : NULL;
	for (int64_t r = 0; r < rows; r += ROOM_ROWS) {
		int64_t some = min_int64(rows - r, ROOM_ROWS), at = r * columns;
		const float *x = thaw_values_read(&args->x[0], at, some * columns, work.room);
		float *y = thaw_values_target(&args->y, at, work.room);
		thaw_layer_norm_forward(y, mean ? mean + r : NULL, mean ? mean + rows + r : NULL, x, some, columns,
					args->params > SCALE ? args->param[SCALE].data : work.ones,
					args->params > SHIFT ? args->param[SHIFT].data : work.zeros,
					args->attrs->epsilon);
		thaw_values_write(&args->y, at, some * columns, y);
	}
}

static void add_sums(float *gradient, const double *sum, int64_t columns)
{
	for (int64_t c = 0; c < columns; c++)
		gradient[c] += (float)sum[c];
}

/* Adds the sums of rows [first, first + rows) to the block's, and writes their dx. */
static void backward_block(const struct thaw_op_args *args, const struct work *work, int64_t first, int64_t rows,
			   int64_t columns)
{
	const float *mean = args->saved, *inverse = mean + thaw_shape_count(&args->y.shape) / columns;
	for (int64_t r = first; r < first + rows; r += ROOM_ROWS) {
		int64_t some = min_int64(first + rows - r, ROOM_ROWS), at = r * columns;
		const struct thaw_layer_norm_gradient g = {
			.dx = args->dx[0] ? args->dx[0] + at : NULL,
			.add = args->dx_add[0],
			.dy = args->dy + at,
			.x = thaw_values_read(&args->x[0], at, some * columns, work->room),
			.mean = mean + r,
			.inverse = inverse + r,
			.scale = args->params > SCALE ? args->param[SCALE].data : work->ones,
			.columns = columns,
		};
		thaw_layer_norm_backward(&g, some, work->scale_block, work->shift_block);
	}
}

/* Sums over rows are single precision within a block, and double precision over the blocks. */
static void layer_norm_backward(const struct thaw_op_args *args)
{
	int64_t columns = columns_of(&args->y.shape), rows = thaw_shape_count(&args->y.shape) / columns;
	int64_t block = thaw_norm_block(columns);
	struct work work = work_at(args->scratch, columns);
	memset(work.scale_sum, 0, 2 * (size_t)columns * sizeof(double));
	for (int64_t r = 0; r < rows; r += block) {
		memset(work.scale_block, 0, 2 * (size_t)columns * sizeof(float));
		backward_block(args, &work, r, min_int64(rows - r, block), columns);
		for (int64_t c = 0; c < columns; c++) {
			work.scale_sum[c] += work.scale_block[c];
			work.shift_sum[c] += work.shift_block[c];
		}
	}
	if (args->params > SCALE && args->dparam[SCALE])
		add_sums(args->dparam[SCALE], work.scale_sum, columns);
	if (args->params > SHIFT && args->dparam[SHIFT])
		add_sums(args->dparam[SHIFT], work.shift_sum, columns);
}

static void layer_norm_reference(const struct thaw_op_args *args)
{
	int64_t columns = columns_of(&args->y.shape), rows = thaw_shape_count(&args->y.shape) / columns;
	for (int64_t r = 0; r < rows; r++) {
		const float *x = args->x[0].data + r * columns;
		double mean = 0, variance = 0;
		for (int64_t c = 0; c < columns; c++)
			mean += x[c] / (double)columns;
		for (int64_t c = 0; c < columns; c++)
			variance += (x[c] - mean) * (x[c] - mean) / (double)columns;
		for (int64_t c = 0; c < columns; c++) {
			double z = (x[c] - mean) / sqrt(variance + args->attrs->epsilon);
			if (args->params > SCALE)
				z *= args->param[SCALE].data[c];
			if (args->params > SHIFT)
				z += args->param[SHIFT].data[c];
			args->y.data[r * columns + c] = (float)z;
		}
	}
}

/* About 8 operations per element. */
static int64_t layer_norm_flops(const struct thaw_op_desc *desc)
{
	return 8 * thaw_shape_count(&desc->y);
}

static const struct thaw_op_case cases[] = {
	{.name = "tokens",
	 .attrs = {.epsilon = 1e-6f},
	 .inputs = 1,
	 .x = {{3, {3, 5, 48}}},
	 .params = 2,
	 .param = {{1, {48}}, {1, {48}}}},
	{.name = "images",
	 .attrs = {.epsilon = 1e-5f},
	 .inputs = 1,
	 .x = {{4, {2, 3, 3, 37}}},
	 .params = 2,
	 .param = {{1, {37}}, {1, {37}}}},
	{.name = "features, fewer than a vector",
	 .attrs = {.epsilon = 1e-5f},
	 .inputs = 1,
	 .x = {{2, {9, 5}}},
	 .params = 2,
	 .param = {{1, {5}}, {1, {5}}}},
	{.name = "no shift",
	 .attrs = {.epsilon = 1e-5f},
	 .inputs = 1,
	 .x = {{2, {4, 33}}},
	 .params = 1,
	 .param = {{1, {33}}}},
	{.name = "no parameters", .attrs = {.epsilon = 1e-5f}, .inputs = 1, .x = {{3, {2, 3, 16}}}},
	{.name = "more than a block of rows",
	 .attrs = {.epsilon = 1e-5f},
	 .inputs = 1,
	 .x = {{3, {2, 150, 8}}},
	 .params = 2,
	 .param = {{1, {8}}, {1, {8}}}},
};

const struct thaw_op thaw_op_layer_norm = {
	.name = "layer_norm",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){"scale", "shift", NULL},
	.infer = layer_norm_infer,
	.workspace = layer_norm_workspace,
	.forward = layer_norm_forward,
	.backward = layer_norm_backward,
	.reference = layer_norm_reference,
	.flops = layer_norm_flops,
	.backward_reads = THAW_READS_X,
	.bf16 = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
