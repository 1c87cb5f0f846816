/* Constant, ConstantOfShape, Range. */
#include <math.h>
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/constant/evaluator.h"

/* Output 0 = a copy of the tensor. */
static thaw_status output_tensor(struct thaw_onnx_call *c, const Onnx__TensorProto *p)
{
	enum thaw_dtype type;
	struct thaw_onnx_tensor t;
	struct thaw_onnx_constant *to;
	if (!thaw_onnx_type(p->data_type, &type))
		return thaw_onnx_unsupported(c);
	THAW_TRY(thaw_onnx_tensor_read(&t, p, c->o->file));
	thaw_status status = thaw_onnx_output(&to, c, 0, t.type, &t.shape);
	if (status == THAW_OK)
		memcpy(to->data, t.data, (size_t)thaw_shape_count(&t.shape) * thaw_dtype_size(t.type));
	thaw_onnx_tensor_free(&t);
	return status;
}

/* Output 0 = a vector of `count` elements, or a scalar. */
static thaw_status output_list(struct thaw_onnx_call *c, enum thaw_dtype type, const void *values, size_t count,
			       bool single)
{
	struct thaw_onnx_constant *to;
	struct thaw_shape shape = single ? (struct thaw_shape){0} : thaw_shape_of((int64_t)count);
	THAW_TRY(thaw_onnx_output(&to, c, 0, type, &shape));
	if (count > 0)
		memcpy(to->data, values, count * thaw_dtype_size(type));
	return THAW_OK;
}

static thaw_status evaluate_constant(struct thaw_onnx_call *c)
{
	const Onnx__NodeProto *node = c->o->node;
	const Onnx__TensorProto *tensor;
	const int64_t *ints;
	const float *floats;
	int64_t number;
	float real;
	size_t count;
	THAW_TRY(thaw_onnx_attribute_tensor(&tensor, node, "value"));
	if (tensor)
		return output_tensor(c, tensor);
	THAW_TRY(thaw_onnx_attribute_int(&number, node, "value_int", 0));
	if (thaw_onnx_attribute_present(node, "value_int"))
		return output_list(c, THAW_I64, &number, 1, true);
	THAW_TRY(thaw_onnx_attribute_float(&real, node, "value_float", 0));
	if (thaw_onnx_attribute_present(node, "value_float"))
		return output_list(c, THAW_F32, &real, 1, true);
	THAW_TRY(thaw_onnx_attribute_ints(&ints, &count, node, "value_ints"));
	if (thaw_onnx_attribute_present(node, "value_ints"))
		return output_list(c, THAW_I64, ints, count, false);
	THAW_TRY(thaw_onnx_attribute_floats(&floats, &count, node, "value_floats"));
	if (thaw_onnx_attribute_present(node, "value_floats"))
		return output_list(c, THAW_F32, floats, count, false);
	return thaw_onnx_unsupported(c); /* strings, sparse tensors */
}

static thaw_status evaluate_constant_of_shape(struct thaw_onnx_call *c)
{
	const Onnx__TensorProto *p;
	struct thaw_onnx_ints dims;
	struct thaw_onnx_tensor value = {.type = THAW_F32};
	struct thaw_onnx_constant *to;
	THAW_TRY(thaw_onnx_ints_input(&dims, c, 0));
	THAW_TRY(thaw_onnx_attribute_tensor(&p, c->o->node, "value"));
	if (p && !thaw_onnx_type(p->data_type, &value.type))
		return thaw_onnx_unsupported(c);
	if (p)
		THAW_TRY(thaw_onnx_tensor_read(&value, p, c->o->file));
	struct thaw_shape shape = {.ndim = dims.count};
	memcpy(shape.dim, dims.value, sizeof(shape.dim));
	thaw_status status = THAW_OK;
	if (p && thaw_shape_count(&value.shape) != 1)
		status = thaw_onnx_fail_node(c->o->node, "attribute value is not a single number");
	if (status == THAW_OK)
		status = thaw_onnx_output(&to, c, 0, value.type, &shape);
	size_t size = thaw_dtype_size(value.type);
	int64_t count = status == THAW_OK ? thaw_shape_count(&shape) : 0;
	for (int64_t i = 0; i < count && p; i++)
		memcpy((char *)to->data + (size_t)i * size, value.data, size);
	thaw_onnx_tensor_free(&value);
	return status;
}

/* The number of values start, start + delta, ... before limit; delta != 0. */
static int64_t steps_of_ints(int64_t start, int64_t limit, int64_t delta)
{
	if (delta > 0 ? start >= limit : start <= limit)
		return 0;
	/* The distance of two int64_t needs 64 unsigned bits. */
	uint64_t distance = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
	uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
	uint64_t steps = (distance - 1) / step + 1;
	return steps > INT64_MAX ? INT64_MAX : (int64_t)steps;
}

static int64_t steps_of_floats(double start, double limit, double delta)
{
	double steps = ceil((limit - start) / delta);
	if (!(steps > 0)) /* also for NaN */
		return 0;
	return steps < 0x1p62 ? (int64_t)steps : INT64_MAX;
}

static thaw_status evaluate_range(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *in[3]; /* start, limit, delta */
	for (int i = 0; i < 3; i++) {
		THAW_TRY(thaw_onnx_input(&in[i], c, i));
		if (thaw_shape_count(&in[i]->shape) != 1 || in[i]->type != in[0]->type)
			return thaw_onnx_fail_node(c->o->node, "its inputs are not three scalars of one type");
	}
	if (thaw_onnx_get_float(in[2], 0) == 0)
		return thaw_onnx_fail_node(c->o->node, "delta is 0");
	bool floats = thaw_onnx_is_float(in[0]->type);
	double start = thaw_onnx_get_float(in[0], 0), delta = thaw_onnx_get_float(in[2], 0);
	int64_t first = thaw_onnx_get_int(in[0], 0), step = thaw_onnx_get_int(in[2], 0);
	struct thaw_shape shape = thaw_shape_of(floats ? steps_of_floats(start, thaw_onnx_get_float(in[1], 0), delta)
						       : steps_of_ints(first, thaw_onnx_get_int(in[1], 0), step));
	struct thaw_onnx_constant *to;
	THAW_TRY(thaw_onnx_output(&to, c, 0, in[0]->type, &shape));
	for (int64_t i = 0; i < shape.dim[0]; i++) {
		if (floats)
			thaw_onnx_put_float(to, i, start + (double)i * delta);
		else
			thaw_onnx_put_int(to, i, first + i * step); /* cannot overflow: it is before the limit */
	}
	return THAW_OK;
}

const struct thaw_onnx_evaluator thaw_onnx_evaluate_Constant = {.evaluate = evaluate_constant};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_ConstantOfShape = {.evaluate = evaluate_constant_of_shape};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Range = {.evaluate = evaluate_range};
