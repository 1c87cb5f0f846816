/* Softmax over the last axis of x, which has at least two: y = exp(x) / sum of exp(x). */
#include <math.h>

#include "src/ops/kernels/softmax.h"
#include "src/ops/registry.h"

static int64_t columns_of(const struct thaw_shape *x)
{
	return x->dim[x->ndim - 1];
}

static thaw_status softmax_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	if (desc->x[0].ndim < 2 || columns_of(&desc->x[0]) < 1)
		return thaw_fail(THAW_CONFIG, "input without rows: softmax: give two or more axes, the last not empty");
	*y = desc->x[0];
	return THAW_OK;
}

static void softmax_forward(const struct thaw_op_args *args)
{
	int64_t columns = columns_of(&args->y.shape);
	thaw_softmax_rows(args->y.data, args->x[0].data, thaw_shape_count(&args->y.shape) / columns, columns, columns,
			  NULL, NULL);
}

static void softmax_backward(const struct thaw_op_args *args)
{
	int64_t columns = columns_of(&args->y.shape);
	if (args->dx[0])
		thaw_softmax_rows_backward(args->dx[0], args->dx_add[0], args->y.data, args->dy,
					   thaw_shape_count(&args->y.shape) / columns, columns, columns);
}

static void softmax_reference(const struct thaw_op_args *args)
{
	int64_t columns = columns_of(&args->y.shape), rows = thaw_shape_count(&args->y.shape) / columns;
	for (int64_t r = 0; r < rows; r++) {
		const float *x = args->x[0].data + r * columns;
		double largest = x[0], sum = 0;
		for (int64_t c = 0; c < columns; c++)
			largest = fmax(largest, x[c]);
		for (int64_t c = 0; c < columns; c++)
			sum += exp(x[c] - largest);
		for (int64_t c = 0; c < columns; c++)
			args->y.data[r * columns + c] = (float)(exp(x[c] - largest) / sum);
	}
}

/* About 4 operations per element. */
static int64_t softmax_flops(const struct thaw_op_desc *desc)
{
	return 4 * thaw_shape_count(&desc->y);
}

static const struct thaw_op_case cases[] = {
	{.name = "classes", .inputs = 1, .x = {{2, {5, 10}}}},
	{.name = "scores", .inputs = 1, .x = {{4, {2, 3, 5, 37}}}},
	{.name = "whole vectors", .inputs = 1, .x = {{3, {2, 3, 48}}}},
	{.name = "one class", .inputs = 1, .x = {{2, {3, 1}}}},
};

const struct thaw_op thaw_op_softmax = {
	.name = "softmax",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){NULL},
	.infer = softmax_infer,
	.forward = softmax_forward,
	.backward = softmax_backward,
	.reference = softmax_reference,
	.flops = softmax_flops,
	.backward_reads = THAW_READS_Y,
	.in_place = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
