/* Concatenation of inputs along attrs.axis; axis 0 only where no input depends on the batch. An input whose first size
 * is 1, such as a class token computed from parameters, is repeated for every image. */
#include <string.h>

#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/registry.h"

enum { MAX_INPUTS = 4096 };

/* Whether x agrees with y in all axes but `axis`. */
static bool shape_fits(const struct thaw_shape *x, const struct thaw_shape *y, int axis)
{
	for (int i = 0; i < y->ndim && i < x->ndim; i++)
		if (i != axis && x->dim[i] != y->dim[i] && !(i == 0 && x->dim[0] == 1))
			return false;
	return x->ndim == y->ndim;
}

static thaw_status concat_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	int axis = desc->attrs->axis;
	*y = desc->x[0];
	if (axis < 0 || axis >= y->ndim)
		return thaw_fail(THAW_CONFIG, "axis %d of inputs with %d axes: concat: give one of their axes", axis,
				 y->ndim);
	for (int k = 1; k < desc->inputs; k++)
		if (axis > 0 && y->ndim == desc->x[k].ndim && y->dim[0] == 1)
			y->dim[0] = desc->x[k].dim[0];
	for (int k = 0; k < desc->inputs; k++)
		if (!shape_fits(&desc->x[k], y, axis)) {
			char a[THAW_SHAPE_TEXT], b[THAW_SHAPE_TEXT];
			return thaw_fail(
				THAW_CONFIG,
				"input %d of shape %s after %s: concat: give shapes that differ in axis %d only", k,
				thaw_shape_text(&desc->x[k], a, sizeof(a)), thaw_shape_text(y, b, sizeof(b)), axis);
		}
	for (int k = 1; k < desc->inputs; k++)
		y->dim[axis] += desc->x[k].dim[axis];
	return THAW_OK;
}

/* y as rows: the axes from attrs.axis on are one row. */
struct rows {
	int64_t count, length;
};

/* Elements along axes [from, to). */
static int64_t product(const struct thaw_shape *s, int from, int to)
{
	int64_t n = 1;
	for (int i = from; i < to; i++)
		n *= s->dim[i];
	return n;
}

static struct rows rows_of(const struct thaw_op_args *args)
{
	const struct thaw_shape *y = &args->y.shape;
	int axis = args->attrs->axis;
	return (struct rows){product(y, 0, axis), product(y, axis, y->ndim)};
}

/* The row of input k that goes into row r of y. */
static int64_t row_of(const struct thaw_op_args *args, int k, int64_t r)
{
	const struct thaw_shape *x = &args->x[k].shape;
	return r % product(x, 0, args->attrs->axis);
}

static bool repeated(const struct thaw_op_args *args, int k)
{
	return args->attrs->axis > 0 && args->x[k].shape.dim[0] != args->y.shape.dim[0];
}

static void concat_forward(const struct thaw_op_args *args)
{
	struct rows y = rows_of(args);
	int64_t to = 0;
	for (int64_t r = 0; r < y.count; r++)
		for (int k = 0; k < args->inputs; k++) {
			const struct thaw_view *x = &args->x[k];
			int64_t length = product(&x->shape, args->attrs->axis, x->shape.ndim);
			thaw_values_copy(&args->y, to, x, row_of(args, k, r) * length, length);
			to += length;
		}
}

static void concat_backward(const struct thaw_op_args *args)
{
	struct rows y = rows_of(args);
	int64_t from = 0;
	for (int k = 0; k < args->inputs; k++) {
		int64_t length = product(&args->x[k].shape, args->attrs->axis, args->x[k].shape.ndim);
		float *dx = args->dx[k];
		bool add = args->dx_add[k];
		if (dx && repeated(args, k) && !add) {
			memset(dx, 0, (size_t)thaw_shape_count(&args->x[k].shape) * sizeof(float));
			add = true;
		}
		for (int64_t r = 0; dx && r < y.count; r++)
			thaw_kernel_pass_gradient(dx + row_of(args, k, r) * length, add, args->dy + r * y.length + from,
						  NULL, length, THAW_ACT_NONE);
		from += length;
	}
}

/* The input element that is element i of y, found axis by axis. */
static float reference_element(const struct thaw_op_args *args, int64_t i)
{
	const struct thaw_shape *y = &args->y.shape;
	int axis = args->attrs->axis, k = 0;
	int64_t index[THAW_MAX_DIMS] = {0}, at = 0;
	for (int a = y->ndim - 1; a >= 0; a--) {
		index[a] = i % y->dim[a];
		i /= y->dim[a];
	}
	for (; index[axis] >= args->x[k].shape.dim[axis]; k++)
		index[axis] -= args->x[k].shape.dim[axis];
	for (int a = 0; a < y->ndim; a++)
		at = at * args->x[k].shape.dim[a] + index[a] % args->x[k].shape.dim[a];
	return args->x[k].data[at];
}

static void concat_reference(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape);
	for (int64_t i = 0; i < count; i++)
		args->y.data[i] = reference_element(args, i);
}

static const struct thaw_op_case cases[] = {
	{.name = "channels", .attrs = {.axis = 3}, .inputs = 2, .x = {{4, {3, 4, 5, 17}}, {4, {3, 4, 5, 6}}}},
	{.name = "channels of four",
	 .attrs = {.axis = 3},
	 .inputs = 4,
	 .x = {{4, {2, 3, 3, 1}}, {4, {2, 3, 3, 16}}, {4, {2, 3, 3, 5}}, {4, {2, 3, 3, 2}}}},
	{.name = "one input", .attrs = {.axis = 1}, .inputs = 1, .x = {{2, {3, 4}}}},
	{.name = "rows", .attrs = {.axis = 1}, .inputs = 2, .x = {{4, {2, 3, 4, 5}}, {4, {2, 2, 4, 5}}}},
	{.name = "class token before tokens",
	 .attrs = {.axis = 1},
	 .inputs = 2,
	 .x = {{3, {1, 1, 19}}, {3, {3, 7, 19}}},
	 .fixed = 1},
	{.name = "fixed channels after",
	 .attrs = {.axis = 2},
	 .inputs = 2,
	 .x = {{3, {3, 4, 5}}, {3, {1, 4, 3}}},
	 .fixed = 2},
	{.name = "parameters", .inputs = 2, .x = {{2, {3, 5}}, {2, {2, 5}}}, .fixed = 3},
};

const struct thaw_op thaw_op_concat = {
	.name = "concat",
	.min_inputs = 1,
	.max_inputs = MAX_INPUTS,
	.param_names = (const char *const[]){NULL},
	.infer = concat_infer,
	.forward = concat_forward,
	.backward = concat_backward,
	.reference = concat_reference,
	.bf16 = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
