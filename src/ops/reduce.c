/* Reduction: y = mean, sum, maximum, ... of x along axes, which keep size 1. Reads attrs.reduction and attrs.axes;
 * axis 0 only where x does not depend on the batch.
 *
 * The gradient of a maximum or minimum is divided evenly among equal elements, as in PyTorch's amax. */
#include <math.h>

#include "src/ops/kernels/reduce.h"
#include "src/ops/registry.h"

static thaw_status reduce_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	const struct thaw_shape *x = &desc->x[0];
	int kind = (int)desc->attrs->reduction;
	if (kind < 0 || kind >= THAW_REDUCTIONS)
		return thaw_fail(THAW_CONFIG, "unknown reduction %d: reduce: see enum thaw_reduction", kind);
	if (x->ndim < 1 || desc->attrs->axes >> x->ndim != 0)
		return thaw_fail(THAW_CONFIG, "axes beyond the %d of the input: reduce: give axes of the input",
				 x->ndim);
	*y = *x;
	for (int i = 0; i < x->ndim; i++) {
		if (x->dim[i] < 1 && i > 0)
			return thaw_fail(THAW_CONFIG, "axis %d is empty: reduce: give at least one element", i);
		if (desc->attrs->axes >> i & 1)
			y->dim[i] = 1;
	}
	return THAW_OK;
}

/* LOG_SUM_EXP subtracts the maximum first, so that exp cannot overflow. */
static bool needs_peaks(const struct thaw_attrs *attrs)
{
	return attrs->reduction == THAW_REDUCE_LOG_SUM_EXP;
}

/* Whether the slope depends on counts over all elements, see thaw_reduce_count. */
static bool needs_counts(const struct thaw_attrs *attrs)
{
	return attrs->reduction == THAW_REDUCE_MAX || attrs->reduction == THAW_REDUCE_MIN ||
	       attrs->reduction == THAW_REDUCE_PROD;
}

/* Scratch: forward: the terms of a block, then a peak per element of y; backward: two counts per element of y. */
static void reduce_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	size_t values = (size_t)thaw_shape_count(&desc->y) * sizeof(float);
	need->scratch_forward = THAW_BLOCK_FLOATS * sizeof(float) + (needs_peaks(desc->attrs) ? values : 0);
	need->scratch_backward = needs_counts(desc->attrs) ? 2 * values : 0;
}

/* Number of elements of x per element of y. */
static float reduced_elements(const struct thaw_op_args *args)
{
	int64_t n = 1;
	for (int i = 0; i < args->x[0].shape.ndim; i++)
		if (args->attrs->axes >> i & 1)
			n *= args->x[0].shape.dim[i];
	return (float)n;
}

static void fill_values(float *values, int64_t count, float to)
{
	for (int64_t i = 0; i < count; i++)
		values[i] = to;
}

/* Reduces x to to->y, except for thaw_reduce_finish. */
static void reduce_blocks(const struct thaw_op_args *args, enum thaw_reduction kind, const struct thaw_reduce *to)
{
	struct thaw_broadcast b = thaw_broadcast_of(&args->x[0].shape, &args->y.shape);
	struct thaw_block block;
	fill_values(to->y, thaw_shape_count(&args->y.shape), thaw_reduce_start(kind));
	while (thaw_broadcast_next(&b, &block))
		thaw_reduce_block(kind, &block, to, args->x[0].data, args->scratch);
}

/* An infinite peak must not be subtracted from infinite elements: inf - inf is NaN. */
static void zero_infinite_peaks(float *peak, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		if (isinf(peak[i]))
			peak[i] = 0.0f;
}

static void reduce_forward(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape);
	struct thaw_reduce to = {.y = args->y.data, .n = reduced_elements(args)};
	if (needs_peaks(args->attrs)) {
		struct thaw_reduce peaks = {.y = (float *)args->scratch + THAW_BLOCK_FLOATS};
		reduce_blocks(args, THAW_REDUCE_MAX, &peaks);
		zero_infinite_peaks(peaks.y, count);
		to.other = peaks.y;
	}
	reduce_blocks(args, args->attrs->reduction, &to);
	thaw_reduce_finish(args->attrs->reduction, &to, count);
}

static void reduce_backward(const struct thaw_op_args *args)
{
	enum thaw_reduction kind = args->attrs->reduction;
	int64_t count = thaw_shape_count(&args->y.shape);
	struct thaw_broadcast b = thaw_broadcast_of(&args->x[0].shape, &args->y.shape), again = b;
	struct thaw_reduce from = {.y = args->y.data, .dy = args->dy, .n = reduced_elements(args)};
	struct thaw_block block;
	if (!args->dx[0])
		return;
	if (needs_counts(args->attrs)) {
		from.other = args->scratch;
		from.zeros = from.other + count;
		fill_values(from.other, count, kind == THAW_REDUCE_PROD ? 1.0f : 0.0f);
		fill_values(from.zeros, count, 0.0f);
		while (thaw_broadcast_next(&b, &block))
			thaw_reduce_count(kind, &block, &from, args->x[0].data);
	}
	while (thaw_broadcast_next(&again, &block))
		thaw_reduce_slope(kind, &block, &from, args->x[0].data, args->dx[0] + block.from, args->dx_add[0]);
}

/* The partial result v combined with one more element x. */
static double reference_step(enum thaw_reduction kind, double v, double x)
{
	switch (kind) {
	case THAW_REDUCE_MAX:
		return fmax(v, x);
	case THAW_REDUCE_MIN:
		return fmin(v, x);
	case THAW_REDUCE_PROD:
		return v * x;
	case THAW_REDUCE_L1:
		return v + fabs(x);
	case THAW_REDUCE_L2:
	case THAW_REDUCE_SUM_SQUARE:
		return v + x * x;
	case THAW_REDUCE_LOG_SUM_EXP:
		return v + exp(x);
	default:
		return v + x;
	}
}

static double reference_finish(enum thaw_reduction kind, double v, double n)
{
	if (kind == THAW_REDUCE_MEAN)
		return v / n;
	if (kind == THAW_REDUCE_L2)
		return sqrt(v);
	if (kind == THAW_REDUCE_LOG_SUM || kind == THAW_REDUCE_LOG_SUM_EXP)
		return log(v);
	return v;
}

/* Whether element i of x belongs to element o of y. */
static bool belongs(const struct thaw_shape *x, const struct thaw_shape *y, int64_t i, int64_t o)
{
	for (int axis = x->ndim - 1; axis >= 0; axis--) {
		if (y->dim[axis] != 1 && i % x->dim[axis] != o % y->dim[axis])
			return false;
		i /= x->dim[axis];
		o /= y->dim[axis];
	}
	return true;
}

static void reduce_reference(const struct thaw_op_args *args)
{
	const struct thaw_view *x = &args->x[0];
	enum thaw_reduction kind = args->attrs->reduction;
	for (int64_t o = 0; o < thaw_shape_count(&args->y.shape); o++) {
		double v = thaw_reduce_start(kind), n = 0;
		for (int64_t i = 0; i < thaw_shape_count(&x->shape); i++)
			if (belongs(&x->shape, &args->y.shape, i, o)) {
				v = reference_step(kind, v, x->data[i]);
				n++;
			}
		args->y.data[o] = (float)reference_finish(kind, v, n);
	}
}

static int64_t reduce_flops(const struct thaw_op_desc *desc)
{
	return thaw_shape_count(&desc->x[0]);
}

#define CASE(name_, kind, axes_, ...)                                                                        \
	{                                                                                                    \
		.name = (name_), .attrs = {.reduction = (THAW_REDUCE_##kind), .axes = (axes_)}, .inputs = 1, \
		__VA_ARGS__                                                                                  \
	}
#define POSITIVE .low = 0.5f, .high = 1.5f

static const struct thaw_op_case cases[] = {
	CASE("mean of tokens", MEAN, 2, .x = {{3, {3, 7, 19}}}),
	CASE("mean of pixels", MEAN, 6, .x = {{4, {2, 5, 3, 17}}}),
	CASE("mean of channels", MEAN, 8, .x = {{4, {2, 3, 3, 37}}}),
	CASE("mean of all", MEAN, 14, .x = {{4, {3, 3, 2, 5}}}),
	CASE("mean of rows and channels", MEAN, 10, .x = {{4, {2, 3, 4, 5}}}),
	CASE("sum", SUM, 4, .x = {{4, {2, 3, 7, 5}}}),
	CASE("sum of no axis", SUM, 0, .x = {{2, {2, 5}}}),
	CASE("max", MAX, 6, .x = {{4, {2, 3, 4, 17}}}, .distinct = true),
	CASE("max of channels", MAX, 8, .x = {{4, {2, 3, 4, 17}}}, .distinct = true),
	CASE("min", MIN, 2, .x = {{3, {3, 5, 9}}}, .distinct = true),
	CASE("min of channels", MIN, 4, .x = {{3, {3, 5, 9}}}, .distinct = true),
	CASE("prod", PROD, 2, .x = {{3, {2, 4, 7}}}, POSITIVE),
	CASE("prod of channels", PROD, 4, .x = {{3, {2, 4, 5}}}, POSITIVE),
	CASE("l1", L1, 4, .x = {{3, {2, 4, 9}}}, .kinks = 1, .kink = {0}),
	CASE("l2", L2, 2, .x = {{3, {2, 4, 9}}}, POSITIVE),
	CASE("l2 of channels", L2, 4, .x = {{3, {2, 4, 19}}}),
	CASE("sum of squares", SUM_SQUARE, 6, .x = {{3, {2, 4, 9}}}),
	CASE("log of sum", LOG_SUM, 2, .x = {{3, {2, 4, 9}}}, POSITIVE),
	CASE("log of sum of exp", LOG_SUM_EXP, 2, .x = {{3, {2, 4, 9}}}),
	CASE("log of sum of exp of channels", LOG_SUM_EXP, 4, .x = {{3, {2, 4, 19}}}, .low = -20, .high = 20),
	CASE("mean of parameters", MEAN, 1, .x = {{2, {5, 3}}}, .fixed = 1),
};

const struct thaw_op thaw_op_reduce = {
	.name = "reduce",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){NULL},
	.infer = reduce_infer,
	.workspace = reduce_workspace,
	.forward = reduce_forward,
	.backward = reduce_backward,
	.reference = reduce_reference,
	.flops = reduce_flops,
	.backward_reads = THAW_READS_X | THAW_READS_Y,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
