/* Operators along axes: linear layers, matmul, softmax, layer norms, reductions. */
#include "src/onnx/export/exporter.h"

/* The weight (O,I) transposed to (I,O) for MatMul. */
static const char *transposed_weight(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const struct thaw_param *p = &e->graph->params[n->params[0]];
	const int64_t out = p->shape.dim[0], in = p->shape.dim[1];
	const struct thaw_shape shape = thaw_shape_of(in, out);
	float *data = thaw_onnx_exporter_alloc(e, (size_t)(in * out), sizeof(*data));
	for (int64_t i = 0; data && i < in; i++)
		for (int64_t o = 0; o < out; o++)
			data[i * out + o] = p->data[o * in + i];
	return thaw_onnx_emit_floats(e, p->name, &shape, data);
}

/* Linear layer of a matrix: Gemm with the weight in the layout of weight files, and a flattened image in the order that
 * the weight is stored for. */
static const char *matrix_product(struct thaw_onnx_exporter *e, const struct thaw_node *n, enum thaw_onnx_layout plain)
{
	const struct thaw_param *weight = &e->graph->params[n->params[0]];
	bool by_file =
		weight->layout == THAW_LAYOUT_SAME || thaw_onnx_has_layout(e, n->inputs[0], THAW_ONNX_CHANNELS_FIRST);
	enum thaw_onnx_layout layout = weight->layout != THAW_LAYOUT_SAME && by_file ? THAW_ONNX_CHANNELS_FIRST : plain;
	const char *inputs[] = {thaw_onnx_in(e, n, 0, layout),
				by_file ? thaw_onnx_param_in(e, n, 0)
					: thaw_onnx_emit_floats(e, weight->name, &weight->shape, weight->data),
				thaw_onnx_param_in(e, n, 1)};
	Onnx__NodeProto *y = thaw_onnx_emit(e, "Gemm", inputs, 3);
	thaw_onnx_set_int(e, y, "transB", 1);
	return thaw_onnx_output_of(y);
}

/* Linear layer of other tensors: MatMul with the transposed weight. */
static const char *tensor_product(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const char *x = thaw_onnx_in(e, n, 0, THAW_ONNX_CHANNELS_LAST);
	const char *y = thaw_onnx_emit_two(e, "MatMul", x, transposed_weight(e, n));
	return n->param_count > 1 ? thaw_onnx_emit_two(e, "Add", y, thaw_onnx_param_in(e, n, 1)) : y;
}

void thaw_onnx_export_linear(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	if (thaw_onnx_shape_in(e, n, 0)->ndim == 2)
		thaw_onnx_out_activated(e, n, THAW_ONNX_CHANNELS_LAST, matrix_product(e, n, THAW_ONNX_CHANNELS_LAST));
	else if (thaw_onnx_one_pixel(e, n->inputs[0]))
		thaw_onnx_out_activated(e, n, THAW_ONNX_FLAT, matrix_product(e, n, THAW_ONNX_FLAT));
	else
		thaw_onnx_out_activated(e, n, THAW_ONNX_CHANNELS_LAST, tensor_product(e, n));
}

/* Swaps the last two axes of x. */
static const char *swap_axes(struct thaw_onnx_exporter *e, const char *x, int ndim)
{
	int order[THAW_MAX_DIMS];
	for (int i = 0; i < ndim; i++)
		order[i] = i < ndim - 2 ? i : 2 * ndim - 3 - i;
	return thaw_onnx_emit_transpose(e, x, order, ndim);
}

void thaw_onnx_export_matmul(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const char *x[2];
	for (int k = 0; k < 2; k++) {
		x[k] = thaw_onnx_in(e, n, k, THAW_ONNX_CHANNELS_LAST);
		if (n->attrs.transpose[k])
			x[k] = swap_axes(e, x[k], thaw_onnx_shape_in(e, n, k)->ndim);
	}
	const char *y = thaw_onnx_emit_two(e, "MatMul", x[0], x[1]);
	if (n->attrs.scale != 0.0f && n->attrs.scale != 1.0f)
		y = thaw_onnx_emit_two(e, "Mul", y, thaw_onnx_emit_scalar(e, n->attrs.scale));
	thaw_onnx_out(e, THAW_ONNX_CHANNELS_LAST, y);
}

void thaw_onnx_export_softmax(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const enum thaw_onnx_layout layout = thaw_onnx_common_layout(e, n);
	const char *x = thaw_onnx_in(e, n, 0, layout);
	Onnx__NodeProto *y = thaw_onnx_emit(e, "Softmax", &x, 1);
	thaw_onnx_set_int(e, y, "axis", layout == THAW_ONNX_CHANNELS_FIRST ? 1 : -1);
	thaw_onnx_out(e, layout, thaw_onnx_output_of(y));
}

/* The scale that ONNX requires even if the node has none. */
static const char *ones(struct thaw_onnx_exporter *e, int64_t count)
{
	const struct thaw_shape shape = thaw_shape_of(count);
	float *data = thaw_onnx_exporter_alloc(e, (size_t)count, sizeof(*data));
	for (int64_t i = 0; data && i < count; i++)
		data[i] = 1.0f;
	return thaw_onnx_emit_floats(e, "ones", &shape, data);
}

void thaw_onnx_export_layer_norm(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const struct thaw_shape *x = thaw_onnx_shape_in(e, n, 0);
	const enum thaw_onnx_layout layout =
		thaw_onnx_one_pixel(e, n->inputs[0]) ? THAW_ONNX_FLAT : THAW_ONNX_CHANNELS_LAST;
	const char *inputs[] = {thaw_onnx_in(e, n, 0, layout),
				n->param_count > 0 ? thaw_onnx_param_in(e, n, 0) : ones(e, x->dim[x->ndim - 1]),
				thaw_onnx_param_in(e, n, 1)};
	Onnx__NodeProto *y = thaw_onnx_emit(e, "LayerNormalization", inputs, 3);
	thaw_onnx_set_int(e, y, "axis", -1);
	thaw_onnx_set_float(e, y, "epsilon", n->attrs.epsilon);
	thaw_onnx_out(e, layout, thaw_onnx_output_of(y));
}

static const char *const reductions[THAW_REDUCTIONS] = {
	[THAW_REDUCE_MEAN] = "ReduceMean",      [THAW_REDUCE_SUM] = "ReduceSum",
	[THAW_REDUCE_MAX] = "ReduceMax",        [THAW_REDUCE_MIN] = "ReduceMin",
	[THAW_REDUCE_PROD] = "ReduceProd",      [THAW_REDUCE_L1] = "ReduceL1",
	[THAW_REDUCE_L2] = "ReduceL2",          [THAW_REDUCE_SUM_SQUARE] = "ReduceSumSquare",
	[THAW_REDUCE_LOG_SUM] = "ReduceLogSum", [THAW_REDUCE_LOG_SUM_EXP] = "ReduceLogSumExp",
};

/* In opset 17, ReduceSum takes its axes as an input, the others as an attribute. */
static const char *reduce(struct thaw_onnx_exporter *e, enum thaw_reduction reduction, const char *x,
			  const int64_t *axes, int count, bool keep)
{
	bool as_input = reduction == THAW_REDUCE_SUM;
	const char *inputs[] = {x, as_input ? thaw_onnx_emit_ints(e, axes, count) : ""};
	Onnx__NodeProto *y = thaw_onnx_emit(e, reductions[reduction], inputs, 2);
	if (!as_input)
		thaw_onnx_set_ints(e, y, "axes", axes, count);
	thaw_onnx_set_int(e, y, "keepdims", keep);
	return thaw_onnx_output_of(y);
}

void thaw_onnx_export_reduce(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	enum { PIXELS = 1u << 1 | 1u << 2 };
	const enum thaw_onnx_layout layout = thaw_onnx_common_layout(e, n);
	const enum thaw_reduction reduction = n->attrs.reduction;
	const int ndim = e->shapes[e->node].ndim;
	const char *x = thaw_onnx_in(e, n, 0, layout), *y;
	int64_t axes[THAW_MAX_DIMS];
	int count = 0;
	for (int axis = 0; axis < ndim; axis++)
		if (n->attrs.axes >> axis & 1)
			axes[count++] = thaw_onnx_layout_axis(layout, ndim, axis);
	bool global = layout == THAW_ONNX_CHANNELS_FIRST && ndim == 4 && n->attrs.axes == PIXELS;
	if (count == 0) { /* means all axes in ONNX; reduce an added axis of size 1 instead */
		const char *with_axis[] = {x, thaw_onnx_emit_ints(e, &(int64_t){ndim}, 1)};
		x = thaw_onnx_output_of(thaw_onnx_emit(e, "Unsqueeze", with_axis, 2));
		y = reduce(e, reduction, x, &(int64_t){ndim}, 1, false);
	} else if (global && reduction == THAW_REDUCE_MEAN) {
		y = thaw_onnx_emit_one(e, "GlobalAveragePool", x);
	} else if (global && reduction == THAW_REDUCE_MAX) {
		y = thaw_onnx_emit_one(e, "GlobalMaxPool", x);
	} else {
		y = reduce(e, reduction, x, axes, count, true);
	}
	thaw_onnx_out(e, layout, y);
}
