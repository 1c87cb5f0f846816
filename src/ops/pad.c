/* Padding and cropping. Reads attrs.before and attrs.after (elements to add to each axis; negative: to remove),
 * attrs.padding and attrs.fill; axis 0 only where x does not depend on the batch. */
#include <string.h>

#include "src/base/try.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/registry.h"

/* A reflection can add at most size - 1 elements to each side. At least one element must remain. */
static thaw_status check_axis(const struct thaw_attrs *attrs, int axis, int64_t size)
{
	int64_t before = attrs->before[axis], after = attrs->after[axis];
	int64_t reach = attrs->padding == THAW_PAD_REFLECT ? size - 1 : INT32_MAX;
	if (before > reach || after > reach || before <= -size || after <= -size || size + before + after < 1)
		return thaw_fail(THAW_CONFIG, "padding of %lld and %lld on axis %d of size %lld: pad: give %s",
				 (long long)before, (long long)after, axis, (long long)size,
				 attrs->padding == THAW_PAD_REFLECT ? "less than the size for a reflection"
								    : "padding that leaves elements of the axis");
	return THAW_OK;
}

static thaw_status pad_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	const struct thaw_attrs *attrs = desc->attrs;
	int padding = (int)attrs->padding;
	if (padding < THAW_PAD_CONSTANT || padding > THAW_PAD_EDGE)
		return thaw_fail(THAW_CONFIG, "unknown padding %d: pad: use constant, reflect or edge", padding);
	*y = desc->x[0];
	for (int i = 0; i < y->ndim; i++)
		if (attrs->before[i] != 0 || attrs->after[i] != 0) {
			THAW_TRY(check_axis(attrs, i, y->dim[i]));
			y->dim[i] += attrs->before[i] + attrs->after[i];
		}
	return THAW_OK;
}

/* Index along an axis of x of the element at index i of y; -1: the constant. */
static int64_t source_index(const struct thaw_attrs *attrs, int axis, int64_t size, int64_t i)
{
	i -= attrs->before[axis];
	if (i >= 0 && i < size)
		return i;
	if (attrs->padding == THAW_PAD_CONSTANT)
		return -1;
	if (attrs->padding == THAW_PAD_EDGE)
		return i < 0 ? 0 : size - 1;
	return i < 0 ? -i : 2 * (size - 1) - i;
}

/* A walk over y and the elements of x in it. */
struct walk {
	const struct thaw_op_args *args;
	int last; /* last axis that is padded; the axes after it are copied as a whole */
	int64_t x_step[THAW_MAX_DIMS], y_step[THAW_MAX_DIMS];
	bool backward; /* y is dy, which is added to x, which is dx */
	float *x, *y;
};

static struct walk walk_of(const struct thaw_op_args *args)
{
	struct walk w = {.args = args};
	for (int64_t i = args->y.shape.ndim - 1, x = 1, y = 1; i >= 0; i--) {
		w.x_step[i] = x;
		w.y_step[i] = y;
		x *= args->x[0].shape.dim[i];
		y *= args->y.shape.dim[i];
		if (w.last == 0 && (args->attrs->before[i] != 0 || args->attrs->after[i] != 0))
			w.last = (int)i;
	}
	return w;
}

static void pass_elements(const struct walk *w, int64_t x, int64_t y, int64_t count)
{
	if (w->backward)
		thaw_kernel_pass_gradient(w->x + x, true, w->y + y, NULL, count, THAW_ACT_NONE);
	else
		memcpy(w->y + y, w->x + x, (size_t)count * sizeof(float));
}

static void fill_elements(const struct walk *w, int64_t y, int64_t count)
{
	for (int64_t i = 0; i < count && !w->backward; i++)
		w->y[y + i] = w->args->attrs->fill;
}

/* Visits one index of the axes before `axis`, at offsets x and y. Neighbours in x that are neighbours in y are copied
 * together. */
static void visit_axis(const struct walk *w, int axis, int64_t x, int64_t y)
{
	int64_t in = w->args->x[0].shape.dim[axis], out = w->args->y.shape.dim[axis], run;
	for (int64_t i = 0; i < out; i += run) {
		int64_t from = source_index(w->args->attrs, axis, in, i), to = y + i * w->y_step[axis];
		run = 1;
		if (from < 0) {
			fill_elements(w, to, w->y_step[axis]);
		} else if (axis < w->last) {
			visit_axis(w, axis + 1, x + from * w->x_step[axis], to);
		} else {
			while (i + run < out && source_index(w->args->attrs, axis, in, i + run) == from + run)
				run++;
			pass_elements(w, x + from * w->x_step[axis], to, run * w->x_step[axis]);
		}
	}
}

static void pad_forward(const struct thaw_op_args *args)
{
	struct walk w = walk_of(args);
	w.x = args->x[0].data;
	w.y = args->y.data;
	visit_axis(&w, 0, 0, 0);
}

static void pad_backward(const struct thaw_op_args *args)
{
	struct walk w = walk_of(args);
	if (!args->dx[0])
		return;
	if (!args->dx_add[0])
		memset(args->dx[0], 0, (size_t)thaw_shape_count(&args->x[0].shape) * sizeof(float));
	w.x = args->dx[0];
	w.y = args->dy;
	w.backward = true;
	visit_axis(&w, 0, 0, 0);
}

static void pad_reference(const struct thaw_op_args *args)
{
	const struct thaw_shape *x = &args->x[0].shape, *y = &args->y.shape;
	for (int64_t k = 0; k < thaw_shape_count(y); k++) {
		int64_t rest = k, at = 0, step = 1;
		bool outside = false;
		for (int axis = y->ndim - 1; axis >= 0; axis--) {
			int64_t from = source_index(args->attrs, axis, x->dim[axis], rest % y->dim[axis]);
			outside |= from < 0;
			at += from * step;
			step *= x->dim[axis];
			rest /= y->dim[axis];
		}
		args->y.data[k] = outside ? args->attrs->fill : args->x[0].data[at];
	}
}

static const struct thaw_op_case cases[] = {
	{.name = "zeros around images",
	 .attrs = {.before = {0, 1, 2}, .after = {0, 2, 1}},
	 .inputs = 1,
	 .x = {{4, {2, 4, 5, 17}}}},
	{.name = "channels and rows, with a constant",
	 .attrs = {.before = {0, 1, 0, 2}, .after = {0, 0, 0, 3}, .fill = -2.5f},
	 .inputs = 1,
	 .x = {{4, {2, 3, 4, 5}}}},
	{.name = "crop", .attrs = {.before = {0, -1, -2}, .after = {0, -1, 0}}, .inputs = 1, .x = {{4, {2, 5, 6, 3}}}},
	{.name = "crop and pad",
	 .attrs = {.before = {0, -1, 2}, .after = {0, 3, -1}, .fill = 1},
	 .inputs = 1,
	 .x = {{4, {2, 5, 6, 3}}}},
	{.name = "reflect",
	 .attrs = {.padding = THAW_PAD_REFLECT, .before = {0, 2, 1}, .after = {0, 1, 3}},
	 .inputs = 1,
	 .x = {{4, {2, 4, 5, 3}}}},
	{.name = "edge",
	 .attrs = {.padding = THAW_PAD_EDGE, .before = {0, 2, 1}, .after = {0, 1, 7}},
	 .inputs = 1,
	 .x = {{4, {2, 4, 5, 3}}}},
	{.name = "nothing", .inputs = 1, .x = {{2, {3, 4}}}},
	{.name = "parameters", .attrs = {.before = {2}, .after = {1}}, .inputs = 1, .x = {{2, {3, 4}}}, .fixed = 1},
};

const struct thaw_op thaw_op_pad = {
	.name = "pad",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){NULL},
	.infer = pad_infer,
	.forward = pad_forward,
	.backward = pad_backward,
	.reference = pad_reference,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
