/* Pad; negative pads crop. */
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/import/importer.h"

static bool in_range(int64_t pad)
{
	return pad >= -INT32_MAX && pad <= INT32_MAX;
}

/* before[axis], after[axis] = elements added to each view axis: an attribute before opset 11, an input since. */
static thaw_status read_pads(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int ndim, int64_t *before,
			     int64_t *after)
{
	const int64_t *pads = NULL, *axes = NULL;
	int count, axis_count;
	THAW_TRY(thaw_onnx_read_ints(m, n, "pads", 1, &pads, &count));
	THAW_TRY(thaw_onnx_read_ints(m, n, "axes", 3, &axes, &axis_count));
	int padded = axis_count >= 0 ? axis_count : ndim;
	if (count != 2 * padded)
		return thaw_onnx_fail_node(n, "%d pads for %d axes", count, padded);
	for (int k = 0, axis; k < padded; k++) {
		THAW_TRY(thaw_onnx_check_axis(n, axis_count >= 0 ? axes[k] : k, ndim, &axis));
		if (!in_range(pads[k]) || !in_range(pads[padded + k]))
			return thaw_onnx_fail_node(n, "a pad exceeds %d", INT32_MAX);
		before[axis] = pads[k];
		after[axis] = pads[padded + k];
	}
	return THAW_OK;
}

static thaw_status read_mode(const Onnx__NodeProto *n, enum thaw_padding *padding)
{
	static const struct {
		const char *mode;
		enum thaw_padding padding;
	} modes[] = {{"constant", THAW_PAD_CONSTANT}, {"reflect", THAW_PAD_REFLECT}, {"edge", THAW_PAD_EDGE}};
	char mode[THAW_ONNX_TEXT];
	THAW_TRY(thaw_onnx_attribute_string(mode, n, "mode", "constant"));
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].mode, mode) == 0) {
			*padding = modes[i].padding;
			return THAW_OK;
		}
	return thaw_onnx_fail_node(n, "mode %s is not supported", mode);
}

/* Pads view_axis of x. */
static thaw_status pad_axis(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			    int view_axis, int64_t before, int64_t after, struct thaw_attrs attrs)
{
	int axis;
	struct thaw_shape shape;
	THAW_TRY(thaw_onnx_as_axes(m, n, x, &view_axis, 1, &axis));
	if (axis == 0 && x->axes.batched)
		return thaw_onnx_fail_node(n, "it pads the batch axis");
	attrs.before[axis] = before;
	attrs.after[axis] = after;
	int64_t size = x->axes.tensor.dim[axis] + before + after;
	if (size < 1)
		return thaw_onnx_fail_node(n, "axis %d becomes empty", view_axis);
	x->node = thaw_onnx_add(m, n, "pad", &attrs, &x->node, 1);
	thaw_onnx_axes_resize(&x->axes, axis, size);
	return thaw_onnx_node_shape(m, x->node, &shape);
}

thaw_status thaw_onnx_import_pad(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	struct thaw_attrs attrs = {0};
	const struct thaw_onnx_constant *fill;
	int64_t before[THAW_MAX_FACTORS] = {0}, after[THAW_MAX_FACTORS] = {0};
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(read_mode(n, &attrs.padding));
	THAW_TRY(thaw_onnx_attribute_float(&attrs.fill, n, "value", 0.0f));
	THAW_TRY(thaw_onnx_constant_input(m, n, 2, &fill));
	if (fill && (fill->type != THAW_F32 || thaw_shape_count(&fill->shape) != 1))
		return thaw_onnx_fail_node(n, "input %s is not a FLOAT scalar", n->input[2]);
	if (fill)
		attrs.fill = *(const float *)fill->data;
	THAW_TRY(read_pads(m, n, x.axes.ndim, before, after));
	for (int view_axis = 0; view_axis < x.axes.ndim; view_axis++)
		if (before[view_axis] != 0 || after[view_axis] != 0)
			THAW_TRY(pad_axis(m, n, &x, view_axis, before[view_axis], after[view_axis], attrs));
	return thaw_onnx_value_output(m, n, 0, &x);
}
