/* Gather: y = the slices of x[0] along attrs.axis whose indices are in x[1]; the axes of x[1] replace the axis.
 * Negative indices count from the end. x[1] does not depend on the batch and receives no gradient; axis 0 only where
 * x[0] does not depend on the batch either.
 *
 * The builder of the graph must refuse indices out of range. Here they select the nearest slice, so no memory outside x
 * is read. */
#include <string.h>

#include "src/ops/kernels/elementwise.h"
#include "src/ops/registry.h"

static thaw_status gather_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	const struct thaw_shape *x = &desc->x[0], *indices = &desc->x[1];
	int axis = desc->attrs->axis;
	if (axis < 0 || axis >= x->ndim || x->dim[axis] < 1 || x->ndim - 1 + indices->ndim > THAW_MAX_DIMS)
		return thaw_fail(THAW_CONFIG,
				 "axis %d of an input with %d axes, indices with %d axes: gather: give an axis of the "
				 "input, and at most %d axes in the result",
				 axis, x->ndim, indices->ndim, THAW_MAX_DIMS);
	*y = *x;
	y->ndim = x->ndim - 1 + indices->ndim;
	for (int i = 0; i < indices->ndim; i++)
		y->dim[axis + i] = indices->dim[i];
	for (int i = axis + 1; i < x->ndim; i++)
		y->dim[i - 1 + indices->ndim] = x->dim[i];
	return THAW_OK;
}

/* x as (outer, size, inner), y as (outer, count, inner). */
struct slices {
	int64_t outer, size, inner, count;
};

static struct slices slices_of(const struct thaw_op_args *args)
{
	const struct thaw_shape *x = &args->x[0].shape;
	struct slices s = {1, x->dim[args->attrs->axis], 1, thaw_shape_count(&args->x[1].shape)};
	for (int i = 0; i < args->attrs->axis; i++)
		s.outer *= x->dim[i];
	for (int i = args->attrs->axis + 1; i < x->ndim; i++)
		s.inner *= x->dim[i];
	return s;
}

/* The slice that index x[1] selects, clamped to 0..size - 1. */
static int64_t slice_of(float index, int64_t size)
{
	float last = (float)(size - 1), from_start = index < 0.0f ? index + (float)size : index;
	return from_start > 0.0f ? (int64_t)(from_start < last ? from_start : last) : 0;
}

static void gather_forward(const struct thaw_op_args *args)
{
	struct slices s = slices_of(args);
	float *to = args->y.data;
	for (int64_t o = 0; o < s.outer; o++)
		for (int64_t k = 0; k < s.count; k++, to += s.inner)
			memcpy(to, args->x[0].data + (o * s.size + slice_of(args->x[1].data[k], s.size)) * s.inner,
			       (size_t)s.inner * sizeof(float));
}

static void gather_backward(const struct thaw_op_args *args)
{
	struct slices s = slices_of(args);
	const float *dy = args->dy;
	for (int i = 0; i < 2; i++)
		if (args->dx[i] && !args->dx_add[i])
			memset(args->dx[i], 0, (size_t)thaw_shape_count(&args->x[i].shape) * sizeof(float));
	if (!args->dx[0])
		return;
	for (int64_t o = 0; o < s.outer; o++)
		for (int64_t k = 0; k < s.count; k++, dy += s.inner) {
			int64_t row = o * s.size + slice_of(args->x[1].data[k], s.size);
			thaw_kernel_pass_gradient(args->dx[0] + row * s.inner, true, dy, NULL, s.inner, THAW_ACT_NONE);
		}
}

static void gather_reference(const struct thaw_op_args *args)
{
	struct slices s = slices_of(args);
	for (int64_t i = 0; i < s.outer * s.count * s.inner; i++) {
		int64_t k = i / s.inner % s.count, index = (int64_t)args->x[1].data[k];
		index += index < 0 ? s.size : 0;
		args->y.data[i] = args->x[0].data[(i / s.inner / s.count * s.size + index) * s.inner + i % s.inner];
	}
}

#define CASE(name_, axis_, size, ...)                                                                        \
	{                                                                                                    \
		.name = (name_), .attrs = {.axis = (axis_)}, .inputs = 2, .indices = 2, .low = -(size)-0.4f, \
		.high = (size)-0.6f, __VA_ARGS__                                                             \
	}

static const struct thaw_op_case cases[] = {
	CASE("table of positions", 0, 9, .x = {{2, {9, 3}}, {2, {5, 5}}}, .fixed = 3),
	CASE("tokens", 1, 5, .x = {{3, {3, 5, 19}}, {1, {4}}}, .fixed = 2),
	CASE("channels", 3, 7, .x = {{4, {2, 3, 3, 7}}, {1, {11}}}, .fixed = 2),
	CASE("one token", 1, 4, .x = {{3, {3, 4, 6}}, {1, {1}}}, .fixed = 2),
};

const struct thaw_op thaw_op_gather = {
	.name = "gather",
	.min_inputs = 2,
	.max_inputs = 2,
	.param_names = (const char *const[]){NULL},
	.infer = gather_infer,
	.forward = gather_forward,
	.backward = gather_backward,
	.reference = gather_reference,
	.backward_reads = THAW_READS_X,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
