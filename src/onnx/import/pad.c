/* Padding and cropping. */
#include <string.h>

#include "src/onnx/import/importer.h"

static bool is_sane(int64_t pad)
{
	return pad >= -INT32_MAX && pad <= INT32_MAX;
}

/* What is added in front of and behind each axis of the view: an attribute before opset 11, an input from then on. */
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
		if (!is_sane(pads[k]) || !is_sane(pads[padded + k]))
			return thaw_onnx_fail_node(n, "pads of more than %d", INT32_MAX);
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

/* Axis `of` of x gets longer, or shorter where these are negative. */
static thaw_status pad_axis(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x, int of,
			    int64_t before, int64_t after, struct thaw_attrs attrs)
{
	int axis;
	struct thaw_shape shape;
	THAW_TRY(thaw_onnx_as_axes(m, n, x, &of, 1, &axis));
	if (axis == 0 && x->axes.batched)
		return thaw_onnx_fail_node(n, "it adds images");
	attrs.before[axis] = before;
	attrs.after[axis] = after;
	int64_t size = x->axes.tensor.dim[axis] + before + after;
	if (size < 1)
		return thaw_onnx_fail_node(n, "nothing is left of axis %d", of);
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
		return thaw_onnx_fail_node(n, "input %s is no F32 number", n->input[2]);
	if (fill)
		attrs.fill = *(const float *)fill->data;
	THAW_TRY(read_pads(m, n, x.axes.ndim, before, after));
	for (int of = 0; of < x.axes.ndim; of++)
		if (before[of] != 0 || after[of] != 0)
			THAW_TRY(pad_axis(m, n, &x, of, before[of], after[of], attrs));
	return thaw_onnx_value_output(m, n, 0, &x);
}
