/* Transpose, Expand, Tile, Slice, Split. Each is a strided walk over the input. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/onnx/constant/evaluator.h"
#include "thaw/memory.h"

#define SLICE_BY_INPUTS 10 /* opset since which starts, ends and axes of Slice are inputs */
#define SPLIT_BY_INPUT  13 /* opset since which the sizes of Split are an input */

static thaw_status evaluate_transpose(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_constant *to;
	struct thaw_onnx_ints order;
	bool marked[THAW_MAX_DIMS] = {false};
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_ints_attribute(&order, c, "perm"));
	int ndim = x->shape.ndim;
	if (!thaw_onnx_attribute_present(c->o->node, "perm"))
		for (order.count = 0; order.count < ndim; order.count++)
			order.value[order.count] = ndim - 1 - order.count;
	THAW_TRY(thaw_onnx_mark_axes(marked, c, &order, ndim));
	if (order.count != ndim)
		return thaw_onnx_fail_node(c->o->node, "perm has %d axes, its input %d", order.count, ndim);
	int64_t dense[THAW_MAX_DIMS];
	struct thaw_onnx_walk w = {.shape = {.ndim = ndim}};
	thaw_onnx_strides(dense, &x->shape);
	for (int i = 0; i < ndim; i++) {
		int64_t axis = order.value[i] < 0 ? order.value[i] + ndim : order.value[i];
		w.shape.dim[i] = x->shape.dim[axis];
		w.stride[i] = dense[axis];
	}
	THAW_TRY(thaw_onnx_output(&to, c, 0, x->type, &w.shape));
	thaw_onnx_walk_copy(&w, to, x);
	return THAW_OK;
}

static thaw_status evaluate_expand(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_constant *to;
	struct thaw_onnx_ints dims;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_ints_input(&dims, c, 1));
	struct thaw_shape shape = {.ndim = dims.count};
	memcpy(shape.dim, dims.value, sizeof(shape.dim));
	THAW_TRY(thaw_onnx_broadcast(&shape, c, &x->shape));
	THAW_TRY(thaw_onnx_output(&to, c, 0, x->type, &shape));
	struct thaw_onnx_walk w = thaw_onnx_walk_broadcast(&shape, &x->shape);
	thaw_onnx_walk_copy(&w, to, x);
	return THAW_OK;
}

static thaw_status evaluate_tile(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_constant *to;
	struct thaw_onnx_ints repeats;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_ints_input(&repeats, c, 1));
	struct thaw_shape shape = x->shape;
	if (repeats.count != shape.ndim)
		return thaw_onnx_fail_node(c->o->node, "%d repeats for %d axes", repeats.count, shape.ndim);
	for (int i = 0; i < shape.ndim; i++)
		if (__builtin_mul_overflow(shape.dim[i], repeats.value[i], &shape.dim[i]))
			return thaw_onnx_fail_node(c->o->node, "a repeat count of %lld is invalid",
						   (long long)repeats.value[i]);
	THAW_TRY(thaw_onnx_output(&to, c, 0, x->type, &shape));
	/* Walks over the output; the offset in the input follows from the index. */
	int64_t dense[THAW_MAX_DIMS];
	thaw_onnx_strides(dense, &x->shape);
	struct thaw_onnx_walk w = {.shape = shape};
	size_t size = thaw_dtype_size(x->type);
	int64_t count = thaw_shape_count(&shape);
	for (int64_t i = 0; i < count; i++, thaw_onnx_walk_next(&w)) {
		int64_t at = 0;
		for (int k = 0; k < shape.ndim; k++)
			at += w.index[k] % x->shape.dim[k] * dense[k];
		memcpy((char *)to->data + (size_t)i * size, (const char *)x->data + (size_t)at * size, size);
	}
	return THAW_OK;
}

/* starts, ends, axes and steps of a Slice, all of one length. */
struct slice {
	struct thaw_onnx_ints starts, ends, axes, steps;
};

static thaw_status read_slice(struct slice *s, const struct thaw_onnx_call *c)
{
	bool inputs = c->o->opset >= SLICE_BY_INPUTS;
	bool axes = inputs ? thaw_onnx_optional(c, 3) != NULL : thaw_onnx_attribute_present(c->o->node, "axes");
	bool steps = inputs && thaw_onnx_optional(c, 4);
	THAW_TRY(inputs ? thaw_onnx_ints_input(&s->starts, c, 1) : thaw_onnx_ints_attribute(&s->starts, c, "starts"));
	THAW_TRY(inputs ? thaw_onnx_ints_input(&s->ends, c, 2) : thaw_onnx_ints_attribute(&s->ends, c, "ends"));
	if (axes)
		THAW_TRY(inputs ? thaw_onnx_ints_input(&s->axes, c, 3) : thaw_onnx_ints_attribute(&s->axes, c, "axes"));
	if (steps)
		THAW_TRY(thaw_onnx_ints_input(&s->steps, c, 4));
	int count = s->starts.count;
	for (; !axes && s->axes.count < count; s->axes.count++)
		s->axes.value[s->axes.count] = s->axes.count;
	for (; !steps && s->steps.count < count; s->steps.count++)
		s->steps.value[s->steps.count] = 1;
	if (s->ends.count != count || s->axes.count != count || s->steps.count != count)
		return thaw_onnx_fail_node(c->o->node, "its starts, ends, axes and steps differ in number");
	return THAW_OK;
}

static int64_t clamp(int64_t position, int64_t dim, int64_t low, int64_t high)
{
	if (position < 0)
		position += dim;
	return position < low ? low : position > high ? high : position;
}

int64_t thaw_onnx_slice_range(int64_t dim, int64_t *start, int64_t end, int64_t *step)
{
	int64_t count = 0;
	if (*step > 0) {
		*start = clamp(*start, dim, 0, dim);
		end = clamp(end, dim, 0, dim);
		count = end > *start ? (end - *start - 1) / *step + 1 : 0;
	} else {
		*start = clamp(*start, dim, 0, dim - 1);
		end = clamp(end, dim, -1, dim - 1);
		if (dim > 0 && *start > end)
			count = (int64_t)((uint64_t)(*start - end - 1) / (0 - (uint64_t)*step)) + 1;
	}
	if (count <= 1)
		*step = 1;
	return count;
}

/* Restricts an axis of the walk to start, start + step, ... before end; step != 0. */
static void slice_axis(struct thaw_onnx_walk *w, int64_t axis, int64_t start, int64_t end, int64_t step)
{
	int64_t count = thaw_onnx_slice_range(w->shape.dim[axis], &start, end, &step);
	if (count > 0)
		w->at += start * w->stride[axis];
	w->stride[axis] *= step;
	w->shape.dim[axis] = count;
}

static thaw_status evaluate_slice(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_constant *to;
	struct slice s = {0};
	bool marked[THAW_MAX_DIMS] = {false};
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(read_slice(&s, c));
	THAW_TRY(thaw_onnx_mark_axes(marked, c, &s.axes, x->shape.ndim));
	struct thaw_onnx_walk w = {.shape = x->shape};
	thaw_onnx_strides(w.stride, &x->shape);
	for (int i = 0; i < s.axes.count; i++) {
		int64_t axis = s.axes.value[i] < 0 ? s.axes.value[i] + x->shape.ndim : s.axes.value[i];
		if (s.steps.value[i] == 0)
			return thaw_onnx_fail_node(c->o->node, "a step is 0");
		slice_axis(&w, axis, s.starts.value[i], s.ends.value[i], s.steps.value[i]);
	}
	THAW_TRY(thaw_onnx_output(&to, c, 0, x->type, &w.shape));
	thaw_onnx_walk_copy(&w, to, x);
	return THAW_OK;
}

/* sizes[outputs] = the sizes of the parts. */
static thaw_status read_parts(int64_t *sizes, const struct thaw_onnx_call *c, int64_t dim)
{
	const Onnx__NodeProto *node = c->o->node;
	const struct thaw_onnx_constant *input = c->o->opset >= SPLIT_BY_INPUT ? thaw_onnx_optional(c, 1) : NULL;
	const int64_t *list = NULL;
	size_t count = 0, outputs = (size_t)c->o->output_count;
	if (c->o->opset < SPLIT_BY_INPUT)
		THAW_TRY(thaw_onnx_attribute_ints(&list, &count, node, "split"));
	if (input)
		count = (size_t)thaw_shape_count(&input->shape);
	bool equal = !input && !list;
	if (!equal && count != outputs)
		return thaw_onnx_fail_node(node, "%zu sizes for %zu outputs", count, outputs);
	int64_t each = (dim + (int64_t)outputs - 1) / (int64_t)outputs, left = dim; /* the last part may be smaller */
	for (size_t i = 0; i < outputs; i++) {
		sizes[i] = equal ? min_int64(each, left) : input ? thaw_onnx_get_int(input, (int64_t)i) : list[i];
		if (sizes[i] < 0 || sizes[i] > left)
			return thaw_onnx_fail_node(node, "part %zu exceeds the axis", i);
		left -= sizes[i];
	}
	return left == 0 ? THAW_OK : thaw_onnx_fail_node(node, "its parts do not cover the axis");
}

static thaw_status evaluate_split(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	int64_t axis;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_attribute_int(&axis, c->o->node, "axis", 0));
	THAW_TRY(thaw_onnx_normalise_axis(&axis, c, x->shape.ndim));
	if (c->o->output_count == 0)
		return thaw_onnx_fail_node(c->o->node, "it has no outputs");
	int64_t *sizes = thaw_alloc((size_t)c->o->output_count, sizeof(*sizes));
	if (!sizes)
		return THAW_RESOURCE;
	thaw_status status = read_parts(sizes, c, x->shape.dim[axis]);
	int64_t dense[THAW_MAX_DIMS], before = 0;
	thaw_onnx_strides(dense, &x->shape);
	for (int i = 0; i < c->o->output_count && status == THAW_OK; i++) {
		struct thaw_onnx_walk w = {.shape = x->shape, .at = before * dense[axis]};
		struct thaw_onnx_constant *to;
		memcpy(w.stride, dense, sizeof(dense));
		w.shape.dim[axis] = sizes[i];
		before += sizes[i];
		status = thaw_onnx_output(&to, c, i, x->type, &w.shape);
		if (status == THAW_OK)
			thaw_onnx_walk_copy(&w, to, x);
	}
	thaw_free(sizes);
	return status;
}

const struct thaw_onnx_evaluator thaw_onnx_evaluate_Transpose = {.evaluate = evaluate_transpose};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Expand = {.evaluate = evaluate_expand};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Tile = {.evaluate = evaluate_tile};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Slice = {.evaluate = evaluate_slice};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Split = {.evaluate = evaluate_split};
