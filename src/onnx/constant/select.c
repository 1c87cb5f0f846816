/* Gather, Concat, Where, Trilu. */
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/constant/evaluator.h"

/* The product of the sizes of axes [from, to). */
static int64_t count_axes(const struct thaw_shape *shape, int64_t from, int64_t to)
{
	int64_t count = 1;
	for (int64_t i = from; i < to; i++)
		count *= shape->dim[i];
	return count;
}

/* *shape = the shape of x with the axis replaced by the shape of the indices. */
static thaw_status gather_shape(struct thaw_shape *shape, const struct thaw_onnx_call *c, const struct thaw_shape *x,
				const struct thaw_shape *indices, int64_t axis)
{
	*shape = (struct thaw_shape){0};
	if (x->ndim - 1 + indices->ndim > THAW_MAX_DIMS)
		return thaw_onnx_fail_node(c->o->node, "more than %d dimensions", THAW_MAX_DIMS);
	for (int i = 0; i < axis; i++)
		shape->dim[shape->ndim++] = x->dim[i];
	for (int i = 0; i < indices->ndim; i++)
		shape->dim[shape->ndim++] = indices->dim[i];
	for (int i = (int)axis + 1; i < x->ndim; i++)
		shape->dim[shape->ndim++] = x->dim[i];
	return THAW_OK;
}

static thaw_status evaluate_gather(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x, *indices;
	struct thaw_onnx_constant *to;
	int64_t axis;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_input(&indices, c, 1));
	THAW_TRY(thaw_onnx_attribute_int(&axis, c->o->node, "axis", 0));
	THAW_TRY(thaw_onnx_normalise_axis(&axis, c, x->shape.ndim));
	if (thaw_onnx_is_float(indices->type))
		return thaw_onnx_fail_node(c->o->node, "its indices are not integers");
	struct thaw_shape shape;
	THAW_TRY(gather_shape(&shape, c, &x->shape, &indices->shape, axis));
	THAW_TRY(thaw_onnx_output(&to, c, 0, x->type, &shape));
	int64_t dim = x->shape.dim[axis], chosen = thaw_shape_count(&indices->shape);
	int64_t outer = thaw_shape_count(&shape) > 0 ? count_axes(&x->shape, 0, axis) : 0;
	size_t block = (size_t)count_axes(&x->shape, axis + 1, x->shape.ndim) * thaw_dtype_size(x->type);
	for (int64_t k = 0; k < chosen; k++) {
		int64_t index = thaw_onnx_get_int(indices, k);
		if (index < -dim || index >= dim)
			return thaw_onnx_fail_node(c->o->node, "index %lld is out of range for an axis of size %lld",
						   (long long)index, (long long)dim);
		if (index < 0)
			index += dim;
		for (int64_t o = 0; o < outer; o++)
			memcpy((char *)to->data + (size_t)(o * chosen + k) * block,
			       (const char *)x->data + (size_t)(o * dim + index) * block, block);
	}
	return THAW_OK;
}

/* *shape = the shape of the concatenation. Makes *axis non-negative. */
static thaw_status concat_shape(struct thaw_shape *shape, const struct thaw_onnx_call *c, int64_t *axis)
{
	const struct thaw_onnx_constant *first, *x;
	THAW_TRY(thaw_onnx_input(&first, c, 0));
	*shape = first->shape;
	THAW_TRY(thaw_onnx_normalise_axis(axis, c, shape->ndim));
	for (int i = 1; i < c->o->input_count; i++) {
		THAW_TRY(thaw_onnx_input(&x, c, i));
		bool fits = x->type == first->type && x->shape.ndim == shape->ndim;
		for (int k = 0; k < shape->ndim && fits; k++)
			fits = k == *axis || x->shape.dim[k] == shape->dim[k];
		if (!fits || __builtin_add_overflow(shape->dim[*axis], x->shape.dim[*axis], &shape->dim[*axis]))
			return thaw_onnx_fail_node(c->o->node, "input %d does not match input 0", i);
	}
	return THAW_OK;
}

static thaw_status evaluate_concat(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_constant *to;
	struct thaw_shape shape;
	int64_t axis;
	if (!thaw_onnx_attribute_present(c->o->node, "axis"))
		return thaw_onnx_fail_node(c->o->node, "attribute axis is missing");
	THAW_TRY(thaw_onnx_attribute_int(&axis, c->o->node, "axis", 0));
	THAW_TRY(concat_shape(&shape, c, &axis));
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_output(&to, c, 0, x->type, &shape));
	int64_t outer = thaw_shape_count(&shape) > 0 ? count_axes(&shape, 0, axis) : 0;
	size_t size = thaw_dtype_size(to->type), before = 0;
	size_t row = (size_t)(outer ? count_axes(&shape, axis, shape.ndim) : 0) * size;
	for (int i = 0; i < c->o->input_count; i++) {
		THAW_TRY(thaw_onnx_input(&x, c, i));
		size_t part = (size_t)(outer ? count_axes(&x->shape, axis, shape.ndim) : 0) * size;
		for (int64_t o = 0; o < outer; o++)
			memcpy((char *)to->data + (size_t)o * row + before, (const char *)x->data + (size_t)o * part,
			       part);
		before += part;
	}
	return THAW_OK;
}

static thaw_status evaluate_where(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *in[3]; /* condition, value if true, value if false */
	struct thaw_onnx_walk w[3];
	struct thaw_onnx_constant *to;
	struct thaw_shape shape = {0};
	for (int i = 0; i < 3; i++) {
		THAW_TRY(thaw_onnx_input(&in[i], c, i));
		THAW_TRY(thaw_onnx_broadcast(&shape, c, &in[i]->shape));
	}
	if (in[0]->type != THAW_BOOL || in[1]->type != in[2]->type)
		return thaw_onnx_fail_node(c->o->node, "its inputs are of types %s, %s and %s",
					   thaw_dtype_name(in[0]->type), thaw_dtype_name(in[1]->type),
					   thaw_dtype_name(in[2]->type));
	THAW_TRY(thaw_onnx_output(&to, c, 0, in[1]->type, &shape));
	for (int i = 0; i < 3; i++)
		w[i] = thaw_onnx_walk_broadcast(&shape, &in[i]->shape);
	size_t size = thaw_dtype_size(to->type);
	int64_t count = thaw_shape_count(&shape);
	for (int64_t i = 0; i < count; i++) {
		int chosen = thaw_onnx_get_int(in[0], w[0].at) ? 1 : 2;
		memcpy((char *)to->data + (size_t)i * size,
		       (const char *)in[chosen]->data + (size_t)w[chosen].at * size, size);
		for (int k = 0; k < 3; k++)
			thaw_onnx_walk_next(&w[k]);
	}
	return THAW_OK;
}

/* Keeps the upper or lower triangle of each matrix, including diagonal k; zeros elsewhere. */
static thaw_status evaluate_trilu(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_constant *to;
	struct thaw_onnx_ints diagonal = {.count = 1};
	int64_t upper;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_attribute_int(&upper, c->o->node, "upper", 1));
	if (thaw_onnx_optional(c, 1))
		THAW_TRY(thaw_onnx_ints_input(&diagonal, c, 1));
	int ndim = x->shape.ndim;
	if (ndim < 2 || diagonal.count != 1)
		return thaw_onnx_fail_node(c->o->node, "its inputs are not matrices and a scalar");
	THAW_TRY(thaw_onnx_output(&to, c, 0, x->type, &x->shape));
	size_t size = thaw_dtype_size(x->type);
	int64_t count = thaw_shape_count(&x->shape), columns = x->shape.dim[ndim - 1], rows = x->shape.dim[ndim - 2];
	for (int64_t i = 0; i < count; i++) {
		int64_t distance = i % columns - i / columns % rows, k = diagonal.value[0];
		if (upper ? distance >= k : distance <= k)
			memcpy((char *)to->data + (size_t)i * size, (const char *)x->data + (size_t)i * size, size);
	}
	return THAW_OK;
}

const struct thaw_onnx_evaluator thaw_onnx_evaluate_Gather = {.evaluate = evaluate_gather};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Concat = {.evaluate = evaluate_concat};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Where = {.evaluate = evaluate_where};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Trilu = {.evaluate = evaluate_trilu};
