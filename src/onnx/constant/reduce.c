/* Reductions over axes. */
#include <math.h>

#include "src/base/try.h"
#include "src/onnx/constant/evaluator.h"
#include "src/onnx/constant/scalar.h"
#include "thaw/memory.h"

#define AXES_ARE_INPUT     18 /* opset since which the axes are an input */
#define AXES_ARE_INPUT_SUM 13 /* the same for ReduceSum */

/* The state of a reduction: one accumulator per element of the result, of which the type decides which is used. */
struct reduction {
	const struct thaw_onnx_evaluator *e;
	const struct thaw_onnx_constant *x;
	double *floats;
	int64_t *ints;
	int64_t count; /* of the result */
};

static thaw_status start_reduction(struct reduction *r)
{
	double start = r->e->start;
	void *sums = thaw_alloc((size_t)r->count, sizeof(int64_t));
	if (!sums)
		return THAW_RESOURCE;
	if (thaw_onnx_is_float(r->x->type))
		r->floats = sums;
	else
		r->ints = sums;
	for (int64_t i = 0; i < r->count; i++) {
		if (r->floats)
			r->floats[i] = start;
		else
			r->ints[i] = isinf(start) ? (start < 0 ? INT64_MIN : INT64_MAX) : (int64_t)start;
	}
	return THAW_OK;
}

/* w walks over the input; its offset is the element of the result. */
static void reduce_all(struct reduction *r, struct thaw_onnx_walk *w)
{
	int64_t count = thaw_shape_count(&r->x->shape);
	for (int64_t i = 0; i < count; i++) {
		if (r->floats)
			r->floats[w->at] = r->e->float2(r->floats[w->at], thaw_onnx_get_float(r->x, i));
		else
			r->ints[w->at] = r->e->int2(r->ints[w->at], thaw_onnx_get_int(r->x, i));
		thaw_onnx_walk_next(w);
	}
}

/* `each`: the divisor, the number of reduced elements for a mean, else 1. */
static void finish_reduction(struct reduction *r, struct thaw_onnx_constant *to, int64_t each)
{
	double (*finish)(double) = r->e->float1;
	for (int64_t i = 0; i < r->count; i++) {
		if (r->floats)
			thaw_onnx_put_float(to, i, finish ? finish(r->floats[i]) : r->floats[i] / (double)each);
		else
			thaw_onnx_put_int(to, i, each ? r->ints[i] / each : 0);
	}
}

/* *shape = the shape of the result; *w = a walk over the input whose offsets are in the result. */
static void reduce_shape(struct thaw_shape *shape, struct thaw_onnx_walk *w, const struct thaw_shape *from,
			 const bool reduced[THAW_MAX_DIMS], bool keep)
{
	struct thaw_shape kept = *from;
	for (int i = 0; i < from->ndim; i++)
		if (reduced[i])
			kept.dim[i] = 1;
	*w = (struct thaw_onnx_walk){.shape = *from};
	thaw_onnx_strides(w->stride, &kept);
	*shape = (struct thaw_shape){0};
	for (int i = 0; i < from->ndim; i++) {
		if (reduced[i])
			w->stride[i] = 0;
		if (keep || !reduced[i])
			shape->dim[shape->ndim++] = kept.dim[i];
	}
}

static thaw_status reduce(struct thaw_onnx_call *c, int64_t since, bool mean)
{
	struct reduction r = {.e = c->evaluator};
	struct thaw_onnx_ints axes;
	int64_t keep, nothing;
	THAW_TRY(thaw_onnx_input(&r.x, c, 0));
	if (!r.e->int2 && !thaw_onnx_is_float(r.x->type))
		return thaw_onnx_unsupported(c);
	THAW_TRY(thaw_onnx_read_axes(&axes, c, since));
	THAW_TRY(thaw_onnx_attribute_int(&keep, c->o->node, "keepdims", 1));
	THAW_TRY(thaw_onnx_attribute_int(&nothing, c->o->node, "noop_with_empty_axes", 0));
	bool reduced[THAW_MAX_DIMS] = {false};
	THAW_TRY(thaw_onnx_mark_axes(reduced, c, &axes, r.x->shape.ndim));
	for (int i = 0; i < r.x->shape.ndim && axes.count == 0; i++)
		reduced[i] = !nothing;

	struct thaw_shape shape;
	struct thaw_onnx_walk w;
	struct thaw_onnx_constant *to;
	reduce_shape(&shape, &w, &r.x->shape, reduced, keep != 0);
	THAW_TRY(thaw_onnx_output(&to, c, 0, r.x->type, &shape));
	r.count = thaw_shape_count(&shape);
	THAW_TRY(start_reduction(&r));
	reduce_all(&r, &w);
	finish_reduction(&r, to, mean && r.count > 0 ? thaw_shape_count(&r.x->shape) / r.count : 1);
	thaw_free(r.floats);
	thaw_free(r.ints);
	return THAW_OK;
}

static thaw_status evaluate_reduce(struct thaw_onnx_call *c)
{
	return reduce(c, AXES_ARE_INPUT, false);
}

static thaw_status evaluate_sum(struct thaw_onnx_call *c)
{
	return reduce(c, AXES_ARE_INPUT_SUM, false);
}

static thaw_status evaluate_mean(struct thaw_onnx_call *c)
{
	return reduce(c, AXES_ARE_INPUT, true);
}

static double add_size(double x, double y)
{
	return x + fabs(y);
}

static double add_square(double x, double y)
{
	return x + y * y;
}

/* log(exp(x) + exp(y)) */
static double add_logs(double x, double y)
{
	return x == y ? x + log(2) : fmax(x, y) + log1p(exp(-fabs(x - y)));
}

#define REDUCTION(name, of_node, of_floats, of_ints, from)             \
	const struct thaw_onnx_evaluator thaw_onnx_evaluate_##name = { \
		.evaluate = (of_node), .float2 = (of_floats), .int2 = (of_ints), .start = (from)}

REDUCTION(ReduceSum, evaluate_sum, add, add_int, 0);
REDUCTION(ReduceMean, evaluate_mean, add, add_int, 0);
REDUCTION(ReduceProd, evaluate_reduce, multiply, multiply_int, 1);
REDUCTION(ReduceMax, evaluate_reduce, max_of, max_int64, -INFINITY);
REDUCTION(ReduceMin, evaluate_reduce, min_of, min_int64, INFINITY);

/* Reductions of floating types only; `finish` is applied to the accumulator. */
#define FLOAT_REDUCTION(name, of_floats, from, finish)                 \
	const struct thaw_onnx_evaluator thaw_onnx_evaluate_##name = { \
		.evaluate = evaluate_reduce, .float1 = (finish), .float2 = (of_floats), .start = (from)}

FLOAT_REDUCTION(ReduceL1, add_size, 0, NULL);
FLOAT_REDUCTION(ReduceL2, add_square, 0, sqrt);
FLOAT_REDUCTION(ReduceSumSquare, add_square, 0, NULL);
FLOAT_REDUCTION(ReduceLogSum, add, 0, log);
FLOAT_REDUCTION(ReduceLogSumExp, add_logs, -INFINITY, NULL);
