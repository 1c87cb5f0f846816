/* Shared by the evaluators of constant nodes: operands and lists of axes. */
#include "src/onnx/constant/evaluator.h"

#include <string.h>

#include "src/base/try.h"

thaw_status thaw_onnx_unsupported(struct thaw_onnx_call *c)
{
	c->unsupported = true;
	return THAW_OK;
}

const struct thaw_onnx_constant *thaw_onnx_optional(const struct thaw_onnx_call *c, int i)
{
	return i < c->o->input_count ? c->o->inputs[i] : NULL;
}

thaw_status thaw_onnx_input(const struct thaw_onnx_constant **input, const struct thaw_onnx_call *c, int i)
{
	*input = thaw_onnx_optional(c, i);
	return *input ? THAW_OK : thaw_onnx_fail_node(c->o->node, "input %d is missing", i);
}

thaw_status thaw_onnx_output(struct thaw_onnx_constant **output, const struct thaw_onnx_call *c, int i,
			     enum thaw_dtype type, const struct thaw_shape *shape)
{
	const Onnx__NodeProto *node = c->o->node;
	if (i >= c->o->output_count)
		return thaw_onnx_fail_node(node, "it has only %d outputs", c->o->output_count);
	thaw_status status = thaw_onnx_constant_make(&c->o->outputs[i], type, shape, c->o->max_elements, "its output");
	if (status == THAW_DATA)
		return thaw_onnx_fail_node(node, "%s", thaw_error_message());
	*output = &c->o->outputs[i];
	return status;
}

thaw_status thaw_onnx_output_reshaped(const struct thaw_onnx_call *c, const struct thaw_onnx_constant *from,
				      const struct thaw_shape *shape)
{
	struct thaw_onnx_constant *to = NULL;
	THAW_TRY(thaw_onnx_output(&to, c, 0, from->type, shape));
	int64_t count = thaw_shape_count(shape);
	if (count != thaw_shape_count(&from->shape))
		return thaw_onnx_fail_node(c->o->node, "%lld elements cannot be reshaped to %lld",
					   (long long)thaw_shape_count(&from->shape), (long long)count);
	memcpy(to->data, from->data, (size_t)count * thaw_dtype_size(from->type));
	return THAW_OK;
}

thaw_status thaw_onnx_ints_input(struct thaw_onnx_ints *list, const struct thaw_onnx_call *c, int i)
{
	const struct thaw_onnx_constant *input;
	THAW_TRY(thaw_onnx_input(&input, c, i));
	int64_t count = thaw_shape_count(&input->shape);
	if (thaw_onnx_is_float(input->type) || input->shape.ndim > 1 || count > THAW_MAX_DIMS)
		return thaw_onnx_fail_node(c->o->node, "input %d is not a list of at most %d integers", i,
					   THAW_MAX_DIMS);
	list->count = (int)count;
	for (int k = 0; k < list->count; k++)
		list->value[k] = thaw_onnx_get_int(input, k);
	return THAW_OK;
}

thaw_status thaw_onnx_ints_attribute(struct thaw_onnx_ints *list, const struct thaw_onnx_call *c, const char *name)
{
	const int64_t *values;
	size_t count;
	THAW_TRY(thaw_onnx_attribute_ints(&values, &count, c->o->node, name));
	if (count > THAW_MAX_DIMS)
		return thaw_onnx_fail_node(c->o->node, "attribute %s has %zu numbers, at most %d are supported", name,
					   count, THAW_MAX_DIMS);
	list->count = (int)count;
	for (size_t k = 0; k < count; k++)
		list->value[k] = values[k];
	return THAW_OK;
}

thaw_status thaw_onnx_read_axes(struct thaw_onnx_ints *axes, const struct thaw_onnx_call *c, int64_t since)
{
	if (c->o->opset < since)
		return thaw_onnx_ints_attribute(axes, c, "axes");
	*axes = (struct thaw_onnx_ints){0};
	return thaw_onnx_optional(c, 1) ? thaw_onnx_ints_input(axes, c, 1) : THAW_OK;
}

thaw_status thaw_onnx_normalise_axis(int64_t *axis, const struct thaw_onnx_call *c, int ndim)
{
	int normal;
	THAW_TRY(thaw_onnx_check_axis(c->o->node, *axis, ndim, &normal));
	*axis = normal;
	return THAW_OK;
}

thaw_status thaw_onnx_mark_axes(bool marked[THAW_MAX_DIMS], const struct thaw_onnx_call *c,
				const struct thaw_onnx_ints *axes, int ndim)
{
	for (int i = 0; i < axes->count; i++) {
		int64_t axis = axes->value[i];
		THAW_TRY(thaw_onnx_normalise_axis(&axis, c, ndim));
		if (marked[axis])
			return thaw_onnx_fail_node(c->o->node, "axis %lld is given twice", (long long)axis);
		marked[axis] = true;
	}
	return THAW_OK;
}
