/* Gather. Equidistant indices become a slice. */
#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

/* *indices = the indices, non-negative and as floats, from thaw_alloc. `size` is that of the axis. */
static thaw_status read_indices(const Onnx__NodeProto *n, const struct thaw_onnx_constant *c, int64_t size,
				float **indices)
{
	enum { MAX_INDEX = 1 << 24 }; /* larger integers are not exact as floats */
	int64_t count = thaw_shape_count(&c->shape);
	if ((c->type != THAW_I64 && c->type != THAW_I32) || size > MAX_INDEX)
		return thaw_onnx_fail_node(n, "its indices are not integers below %d", MAX_INDEX);
	THAW_TRY(thaw_onnx_alloc_elements(n, &(struct thaw_shape){.ndim = 1, .dim = {count}}, indices));
	for (int64_t k = 0; k < count; k++) {
		int64_t i = c->type == THAW_I64 ? ((const int64_t *)c->data)[k] : ((const int32_t *)c->data)[k];
		if (i < -size || i >= size)
			return thaw_onnx_fail_node(n, "index %lld is out of range for an axis of size %lld",
						   (long long)i, (long long)size);
		(*indices)[k] = (float)(i < 0 ? i + size : i);
	}
	return THAW_OK;
}

static bool at_equal_distances(const float *indices, int64_t count, int64_t *step)
{
	*step = count > 1 ? (int64_t)(indices[1] - indices[0]) : 1;
	for (int64_t k = 1; k < count; k++)
		if (indices[k] - indices[k - 1] != (float)*step)
			return false;
	return *step != 0;
}

thaw_status thaw_onnx_gather(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			     int view_axis, const float *indices, int64_t count)
{
	struct thaw_attrs attrs = {0};
	struct thaw_onnx_value numbers;
	struct thaw_shape shape = thaw_shape_of(count);
	int64_t step;
	if (at_equal_distances(indices, count, &step))
		return thaw_onnx_slice(m, n, x, view_axis, (int64_t)indices[0], step, count);
	THAW_TRY(thaw_onnx_as_axes(m, n, x, &view_axis, 1, &attrs.axis));
	if (attrs.axis == 0 && x->axes.batched)
		return thaw_onnx_fail_node(n, "it selects along the batch axis");
	THAW_TRY(thaw_onnx_fixed_tensor(m, n, &shape, indices, &numbers));
	x->node = thaw_onnx_add(m, n, "gather", &attrs, (int[]){x->node, numbers.node}, 2);
	thaw_onnx_axes_resize(&x->axes, attrs.axis, count);
	return thaw_onnx_node_shape(m, x->node, &shape);
}

thaw_status thaw_onnx_import_gather(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	const struct thaw_onnx_constant *c;
	int64_t axis_attribute, dim[THAW_MAX_FACTORS];
	float *indices = NULL;
	int axis, ndim = 0;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_constant_input(m, n, 1, &c));
	THAW_TRY(thaw_onnx_attribute_int(&axis_attribute, n, "axis", 0));
	THAW_TRY(thaw_onnx_check_axis(n, axis_attribute, x.axes.ndim, &axis));
	int64_t count = c ? thaw_shape_count(&c->shape) : 0;
	if (count < 1 || x.axes.ndim - 1 + c->shape.ndim > THAW_MAX_DIMS)
		return thaw_onnx_fail_node(n, "it has no constant indices, or a result with more than %d axes",
					   THAW_MAX_DIMS);
	thaw_status status = read_indices(n, c, thaw_onnx_axes_dim(&x.axes, axis), &indices);
	if (status == THAW_OK)
		status = thaw_onnx_gather(m, n, &x, axis, indices, count);
	thaw_free(indices);
	THAW_TRY(status);
	for (int i = 0; i < x.axes.ndim; i++)
		for (int k = 0; k < (i == axis ? c->shape.ndim : 1); k++)
			dim[ndim++] = i == axis ? c->shape.dim[k] : thaw_onnx_axes_dim(&x.axes, i);
	THAW_TRY(thaw_onnx_reshape(m, n, &x, dim, ndim));
	return thaw_onnx_value_output(m, n, 0, &x);
}
