/* Identity, Reshape, Flatten, Squeeze, Unsqueeze, Shape, Size. */
#include "src/base/try.h"
#include "src/onnx/constant/evaluator.h"

#define AXES_ARE_INPUT 13 /* opset since which the axes of Squeeze and Unsqueeze are an input */

static thaw_status evaluate_identity(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	return thaw_onnx_output_reshaped(c, x, &x->shape);
}

/* Infers the dimension -1 from the element count. */
static thaw_status fill_open_dimension(struct thaw_shape *shape, const struct thaw_onnx_call *c, int64_t count)
{
	int open = -1;
	int64_t others = 1;
	for (int i = 0; i < shape->ndim; i++) {
		if (shape->dim[i] == -1 && open < 0)
			open = i;
		else if (shape->dim[i] < 0 || __builtin_mul_overflow(others, shape->dim[i], &others))
			return thaw_onnx_fail_node(c->o->node, "dimension %d cannot be %lld", i,
						   (long long)shape->dim[i]);
	}
	if (open < 0)
		return THAW_OK;
	if (others == 0)
		return thaw_onnx_fail_node(c->o->node, "dimension %d cannot be inferred", open);
	shape->dim[open] = count / others; /* a remainder is detected as a wrong element count */
	return THAW_OK;
}

static thaw_status evaluate_reshape(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_ints dims;
	int64_t zero_is_zero;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_ints_input(&dims, c, 1));
	THAW_TRY(thaw_onnx_attribute_int(&zero_is_zero, c->o->node, "allowzero", 0));
	struct thaw_shape shape = {.ndim = dims.count};
	for (int i = 0; i < dims.count; i++) {
		shape.dim[i] = dims.value[i];
		if (dims.value[i] == 0 && !zero_is_zero && i >= x->shape.ndim)
			return thaw_onnx_fail_node(c->o->node, "its input has no axis %d", i);
		if (dims.value[i] == 0 && !zero_is_zero)
			shape.dim[i] = x->shape.dim[i];
	}
	THAW_TRY(fill_open_dimension(&shape, c, thaw_shape_count(&x->shape)));
	return thaw_onnx_output_reshaped(c, x, &shape);
}

static thaw_status evaluate_flatten(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	int64_t axis;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_attribute_int(&axis, c->o->node, "axis", 1));
	if (axis != x->shape.ndim) /* ndim is valid: everything is before it */
		THAW_TRY(thaw_onnx_normalise_axis(&axis, c, x->shape.ndim));
	struct thaw_shape shape = thaw_shape_of(1, 1);
	for (int i = 0; i < x->shape.ndim; i++)
		shape.dim[i < axis ? 0 : 1] *= x->shape.dim[i];
	return thaw_onnx_output_reshaped(c, x, &shape);
}

/* Without axes, removes all axes of size 1. */
static thaw_status evaluate_squeeze(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_ints axes;
	bool marked[THAW_MAX_DIMS] = {false};
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_read_axes(&axes, c, AXES_ARE_INPUT));
	THAW_TRY(thaw_onnx_mark_axes(marked, c, &axes, x->shape.ndim));
	struct thaw_shape shape = {0};
	for (int i = 0; i < x->shape.ndim; i++) {
		if (marked[i] && x->shape.dim[i] != 1)
			return thaw_onnx_fail_node(c->o->node, "axis %d has size %lld, not 1", i,
						   (long long)x->shape.dim[i]);
		if (!marked[i] && (axes.count > 0 || x->shape.dim[i] != 1))
			shape.dim[shape.ndim++] = x->shape.dim[i];
	}
	return thaw_onnx_output_reshaped(c, x, &shape);
}

static thaw_status evaluate_unsqueeze(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_ints axes;
	bool marked[THAW_MAX_DIMS] = {false};
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_read_axes(&axes, c, AXES_ARE_INPUT));
	struct thaw_shape shape = {.ndim = x->shape.ndim + axes.count};
	if (shape.ndim > THAW_MAX_DIMS)
		return thaw_onnx_fail_node(c->o->node, "more than %d dimensions", THAW_MAX_DIMS);
	THAW_TRY(thaw_onnx_mark_axes(marked, c, &axes, shape.ndim));
	for (int i = 0, from = 0; i < shape.ndim; i++)
		shape.dim[i] = marked[i] ? 1 : x->shape.dim[from++];
	return thaw_onnx_output_reshaped(c, x, &shape);
}

/* The dimensions from start to end, attributes since opset 15. */
static thaw_status evaluate_shape(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_constant *to;
	int64_t start, end;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_attribute_int(&start, c->o->node, "start", 0));
	THAW_TRY(thaw_onnx_attribute_int(&end, c->o->node, "end", x->shape.ndim));
	start = thaw_onnx_clamp_position(start, x->shape.ndim);
	end = thaw_onnx_clamp_position(end, x->shape.ndim);
	struct thaw_shape shape = thaw_shape_of(end > start ? end - start : 0);
	THAW_TRY(thaw_onnx_output(&to, c, 0, THAW_I64, &shape));
	for (int64_t i = 0; i < shape.dim[0]; i++)
		thaw_onnx_put_int(to, i, x->shape.dim[start + i]);
	return THAW_OK;
}

static thaw_status evaluate_size(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_constant *to;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_output(&to, c, 0, THAW_I64, &(struct thaw_shape){0}));
	thaw_onnx_put_int(to, 0, thaw_shape_count(&x->shape));
	return THAW_OK;
}

const struct thaw_onnx_evaluator thaw_onnx_evaluate_Identity = {.evaluate = evaluate_identity};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Reshape = {.evaluate = evaluate_reshape};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Flatten = {.evaluate = evaluate_flatten};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Squeeze = {.evaluate = evaluate_squeeze};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Unsqueeze = {.evaluate = evaluate_unsqueeze};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Shape = {.evaluate = evaluate_shape};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Size = {.evaluate = evaluate_size};
