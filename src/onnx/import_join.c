/* Operators that make an axis longer: concatenation and padding. */
#include <string.h>

#include "src/onnx/importer.h"

/* Inputs as tensors laid out like the first that depends on images, whose axis `of` is one of its tensor's. */
static thaw_status alike(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v, int count,
			 int of, int *axis)
{
	int first = 0;
	while (first < count - 1 && !v[first].axes.batched)
		first++;
	THAW_TRY(thaw_onnx_as_axes(m, n, &v[first], &of, 1, axis));
	for (int attempt = 0; attempt < 2; attempt++) {
		bool fits = true;
		for (int k = 0; k < count && fits; k++) {
			struct thaw_onnx_axes like = v[first].axes;
			if (k == first)
				continue;
			thaw_onnx_axes_resize(&like, *axis, thaw_onnx_axes_dim(&v[k].axes, of));
			THAW_TRY(thaw_onnx_align(m, n, &v[k], &like, &fits));
		}
		if (fits)
			return THAW_OK;
		THAW_TRY(thaw_onnx_in_order(m, n, &v[first]));
		THAW_TRY(thaw_onnx_as_axes(m, n, &v[first], &of, 1, axis));
	}
	return thaw_onnx_fail_node(n, "its inputs cannot be brought into one layout");
}

static thaw_status concat(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			  int *inputs)
{
	struct thaw_attrs attrs = {0};
	int64_t wanted;
	int of, count = (int)n->n_input;
	for (int k = 0; k < count; k++) {
		THAW_TRY(thaw_onnx_tensor_input(m, n, k, &v[k]));
		if (v[k].axes.rank != v[0].axes.rank)
			return thaw_onnx_fail_node(n, "inputs of %d and %d axes", v[0].axes.rank, v[k].axes.rank);
	}
	THAW_TRY(thaw_onnx_attribute_int(&wanted, n, "axis", 0));
	THAW_TRY(thaw_onnx_normal_axis(n, wanted, v[0].axes.rank, &of));
	THAW_TRY(alike(m, n, v, count, of, &attrs.axis));
	int first = 0;
	for (int k = count - 1; k >= 0; k--) {
		first = v[k].axes.batched ? k : first;
		inputs[k] = v[k].node;
	}
	int node = thaw_onnx_add(m, n, "concat", &attrs, inputs, count);
	struct thaw_shape shape;
	THAW_TRY(thaw_onnx_shape(m, node, &shape));
	struct thaw_onnx_value y = v[first];
	y.node = node;
	if (attrs.axis == 0 && y.axes.batched)
		return thaw_onnx_fail_node(n, "it puts images together");
	thaw_onnx_axes_resize(&y.axes, attrs.axis, shape.dim[attrs.axis]);
	return thaw_onnx_value_output(m, n, 0, &y);
}

thaw_status thaw_onnx_import_concat(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	if (n->n_input == 0)
		return thaw_onnx_fail_node(n, "it has no input");
	struct thaw_onnx_value *v = thaw_alloc(n->n_input, sizeof *v);
	int *inputs = thaw_alloc(n->n_input, sizeof *inputs);
	thaw_status status = v && inputs ? concat(m, n, v, inputs) : THAW_RESOURCE;
	thaw_free(v);
	thaw_free(inputs);
	return status;
}

/* What is added in front of and behind each axis of the view: an attribute before opset 11, an input from then on. */
static thaw_status read_pads(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int rank, int64_t *before,
			     int64_t *after)
{
	const int64_t *pads = NULL, *axes = NULL;
	int count, axis_count;
	THAW_TRY(thaw_onnx_ints(m, n, "pads", 1, &pads, &count));
	THAW_TRY(thaw_onnx_ints(m, n, "axes", 3, &axes, &axis_count));
	int padded = axis_count >= 0 ? axis_count : rank;
	if (count != 2 * padded)
		return thaw_onnx_fail_node(n, "%d pads for %d axes", count, padded);
	for (int k = 0, axis; k < padded; k++) {
		THAW_TRY(thaw_onnx_normal_axis(n, axis_count >= 0 ? axes[k] : k, rank, &axis));
		before[axis] = pads[k];
		after[axis] = pads[padded + k];
	}
	return THAW_OK;
}

thaw_status thaw_onnx_import_pad(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	static const char *const modes[] = {"constant", "reflect", "edge"};
	struct thaw_onnx_value x;
	struct thaw_attrs attrs = {0};
	const struct thaw_onnx_constant *fill;
	int64_t before[THAW_MAX_FACTORS] = {0}, after[THAW_MAX_FACTORS] = {0};
	char mode[THAW_ONNX_TEXT];
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_attribute_string(mode, n, "mode", "constant"));
	THAW_TRY(thaw_onnx_attribute_float(&attrs.fill, n, "value", 0.0f));
	THAW_TRY(thaw_onnx_constant_input(m, n, 2, &fill));
	if (fill && fill->type == THAW_F32)
		attrs.fill = *(const float *)fill->data;
	THAW_TRY(read_pads(m, n, x.axes.rank, before, after));
	int known = 0;
	while (known < 3 && strcmp(modes[known], mode) != 0)
		known++;
	if (known == 3)
		return thaw_onnx_fail_node(n, "mode %s is not supported", mode);
	attrs.padding = known == 0 ? THAW_PAD_CONSTANT : known == 1 ? THAW_PAD_REFLECT : THAW_PAD_EDGE;
	for (int of = 0, axis; of < x.axes.rank; of++) {
		if (before[of] == 0 && after[of] == 0)
			continue;
		THAW_TRY(thaw_onnx_as_axes(m, n, &x, &of, 1, &axis));
		if (axis == 0 && x.axes.batched)
			return thaw_onnx_fail_node(n, "it adds images");
		struct thaw_attrs one = attrs;
		one.before[axis] = before[of];
		one.after[axis] = after[of];
		x.node = thaw_onnx_add(m, n, "pad", &one, &x.node, 1);
		int64_t size = x.axes.tensor.dim[axis] + before[of] + after[of];
		if (size < 1)
			return thaw_onnx_fail_node(n, "nothing is left of axis %d", of);
		thaw_onnx_axes_resize(&x.axes, axis, size);
	}
	return thaw_onnx_value_output(m, n, 0, &x);
}
