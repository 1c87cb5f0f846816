/* ScatterND, which exporters use to write masks. */
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/constant/evaluator.h"
#include "src/onnx/constant/scalar.h"

static const struct reduction {
	const char *name;
	double (*float2)(double, double);
	int64_t (*int2)(int64_t, int64_t);
} reductions[] = {{"none", NULL, NULL}, {"add", add, add_int}, {"mul", multiply, multiply_int}};

/* NULL if not supported. */
static const struct reduction *find_reduction(const char *name)
{
	for (size_t i = 0; i < sizeof(reductions) / sizeof(reductions[0]); i++)
		if (strcmp(reductions[i].name, name) == 0)
			return &reductions[i];
	return NULL;
}

/* Updates `length` elements of `to` from `start` on with those of `updates` from `first` on. */
static void update_slice(struct thaw_onnx_constant *to, int64_t start, const struct thaw_onnx_constant *updates,
			 int64_t first, int64_t length, const struct reduction *r)
{
	size_t size = thaw_dtype_size(to->type);
	if (!r->float2)
		memcpy((char *)to->data + (size_t)start * size, (const char *)updates->data + (size_t)first * size,
		       (size_t)length * size);
	for (int64_t i = 0; i < length && r->float2; i++) {
		if (thaw_onnx_is_float(to->type))
			thaw_onnx_put_float(
				to, start + i,
				r->float2(thaw_onnx_get_float(to, start + i), thaw_onnx_get_float(updates, first + i)));
		else
			thaw_onnx_put_int(
				to, start + i,
				r->int2(thaw_onnx_get_int(to, start + i), thaw_onnx_get_int(updates, first + i)));
	}
}

/* *start = the offset in elements of the slice that row `row` of the indices selects. */
static thaw_status slice_start(const struct thaw_onnx_call *c, const struct thaw_onnx_constant *data,
			       const struct thaw_onnx_constant *indices, int64_t row, int depth, int64_t *start)
{
	*start = 0;
	for (int axis = 0; axis < data->shape.ndim; axis++) {
		int64_t index = axis < depth ? thaw_onnx_get_int(indices, row * depth + axis) : 0;
		index = index < 0 ? index + data->shape.dim[axis] : index;
		if (index < 0 || index >= data->shape.dim[axis])
			return thaw_onnx_fail_node(c->o->node, "an index is out of range for axis %d", axis);
		*start = *start * data->shape.dim[axis] + index;
	}
	return THAW_OK;
}

static thaw_status scatter(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *data, *indices, *updates;
	struct thaw_onnx_constant *result;
	char name[THAW_ONNX_TEXT];
	THAW_TRY(thaw_onnx_input(&data, c, 0));
	THAW_TRY(thaw_onnx_input(&indices, c, 1));
	THAW_TRY(thaw_onnx_input(&updates, c, 2));
	THAW_TRY(thaw_onnx_attribute_string(name, c->o->node, "reduction", "none"));
	const struct reduction *reduction = find_reduction(name);
	if (!reduction || indices->type != THAW_I64)
		return thaw_onnx_unsupported(c);
	int last = indices->shape.ndim - 1;
	int64_t depth = last < 0 ? 0 : indices->shape.dim[last];
	if (last < 0 || depth > data->shape.ndim || updates->type != data->type)
		return thaw_onnx_fail_node(c->o->node, "data, indices and updates do not match");
	int64_t rows = 1, length = 1;
	for (int i = 0; i < last; i++)
		rows *= indices->shape.dim[i];
	for (int i = (int)depth; i < data->shape.ndim; i++)
		length *= data->shape.dim[i];
	if (thaw_shape_count(&updates->shape) != rows * length)
		return thaw_onnx_fail_node(c->o->node, "the number of updates does not match the indices");
	THAW_TRY(thaw_onnx_output(&result, c, 0, data->type, &data->shape));
	memcpy(result->data, data->data, (size_t)thaw_shape_count(&data->shape) * thaw_dtype_size(data->type));
	for (int64_t row = 0, start; row < rows; row++) {
		THAW_TRY(slice_start(c, data, indices, row, (int)depth, &start));
		update_slice(result, start, updates, row * length, length, reduction);
	}
	return THAW_OK;
}

const struct thaw_onnx_evaluator thaw_onnx_evaluate_ScatterND = {.evaluate = scatter};
