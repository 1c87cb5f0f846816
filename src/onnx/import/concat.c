/* Concat. */
#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

/* Gives all inputs the layout of the first batched one, in which view_axis is exactly one tensor axis, *axis. */
static thaw_status unify_layouts(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
				 int count, int view_axis, int *axis)
{
	int first = 0;
	while (first < count - 1 && !v[first].axes.batched)
		first++;
	THAW_TRY(thaw_onnx_as_axes(m, n, &v[first], &view_axis, 1, axis));
	for (int attempt = 0; attempt < 2; attempt++) {
		bool fits = true;
		for (int k = 0; k < count && fits; k++) {
			struct thaw_onnx_axes like = v[first].axes;
			if (k == first)
				continue;
			thaw_onnx_axes_resize(&like, *axis, thaw_onnx_axes_dim(&v[k].axes, view_axis));
			THAW_TRY(thaw_onnx_align(m, n, &v[k], &like, &fits));
		}
		if (fits)
			return THAW_OK;
		THAW_TRY(thaw_onnx_in_order(m, n, &v[first]));
		THAW_TRY(thaw_onnx_as_axes(m, n, &v[first], &view_axis, 1, axis));
	}
	return thaw_onnx_fail_node(n, "its inputs have no common layout");
}

static thaw_status concat(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			  int *inputs)
{
	struct thaw_attrs attrs = {0};
	int64_t axis_attribute;
	int view_axis, count = (int)n->n_input;
	for (int k = 0; k < count; k++) {
		THAW_TRY(thaw_onnx_tensor_input(m, n, k, &v[k]));
		if (v[k].axes.ndim != v[0].axes.ndim)
			return thaw_onnx_fail_node(n, "its inputs have %d and %d axes", v[0].axes.ndim, v[k].axes.ndim);
	}
	THAW_TRY(thaw_onnx_attribute_int(&axis_attribute, n, "axis", 0));
	THAW_TRY(thaw_onnx_check_axis(n, axis_attribute, v[0].axes.ndim, &view_axis));
	THAW_TRY(unify_layouts(m, n, v, count, view_axis, &attrs.axis));
	int first = 0;
	for (int k = count - 1; k >= 0; k--) {
		first = v[k].axes.batched ? k : first;
		inputs[k] = v[k].node;
	}
	int node = thaw_onnx_add(m, n, "concat", &attrs, inputs, count);
	struct thaw_shape shape;
	THAW_TRY(thaw_onnx_node_shape(m, node, &shape));
	struct thaw_onnx_value y = v[first];
	y.node = node;
	if (attrs.axis == 0 && y.axes.batched)
		return thaw_onnx_fail_node(n, "it concatenates along the batch axis");
	thaw_onnx_axes_resize(&y.axes, attrs.axis, shape.dim[attrs.axis]);
	return thaw_onnx_value_output(m, n, 0, &y);
}

thaw_status thaw_onnx_import_concat(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	if (n->n_input == 0)
		return thaw_onnx_fail_node(n, "it has no inputs");
	struct thaw_onnx_value *v = thaw_alloc(n->n_input, sizeof(*v));
	int *inputs = thaw_alloc(n->n_input, sizeof(*inputs));
	thaw_status status = v && inputs ? concat(m, n, v, inputs) : THAW_RESOURCE;
	thaw_free(v);
	thaw_free(inputs);
	return status;
}
