/* Softmax and LogSoftmax. */
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/import/importer.h"

/* Softmax of the rows of *x, or LogSoftmax: d - log(sum(exp(d))) with d = x - max(x), which is accurate for large x. */
static thaw_status softmax_rows(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x)
{
	if (strcmp(n->op_type, "LogSoftmax") != 0) {
		x->node = thaw_onnx_add(m, n, "softmax", NULL, &x->node, 1);
		return m->graph->failed;
	}
	int last = x->axes.ndim - 1;
	static const enum thaw_reduction steps[] = {THAW_REDUCE_MAX, THAW_REDUCE_LOG_SUM_EXP};
	for (int k = 0; k < 2; k++) {
		struct thaw_onnx_value v[] = {*x, *x};
		THAW_TRY(thaw_onnx_reduce(m, n, &v[1], steps[k], &last, 1));
		THAW_TRY(thaw_onnx_apply_two(m, n, v, THAW_BINARY_SUB));
		*x = v[0];
	}
	return THAW_OK;
}

/* Before opset 13, the axes from `axis` on are joined. */
thaw_status thaw_onnx_import_softmax(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	enum { SOFTMAX_BY_AXIS = 13 };
	struct thaw_onnx_value x;
	int64_t axis_attribute, dim[THAW_MAX_FACTORS], flat[] = {1, 1};
	int axis;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_attribute_int(&axis_attribute, n, "axis", m->opset < SOFTMAX_BY_AXIS ? 1 : -1));
	THAW_TRY(thaw_onnx_check_axis(n, axis_attribute, x.axes.ndim, &axis));
	int ndim = x.axes.ndim;
	bool coerced = m->opset < SOFTMAX_BY_AXIS && axis != ndim - 1;
	for (int i = 0; i < ndim; i++) {
		dim[i] = thaw_onnx_axes_dim(&x.axes, i);
		flat[i >= axis] *= dim[i];
	}
	if (coerced) {
		THAW_TRY(thaw_onnx_reshape(m, n, &x, flat, 2));
	} else {
		thaw_onnx_axes_to_end(&x.axes, axis);
	}
	THAW_TRY(thaw_onnx_as_rows(m, n, &x));
	THAW_TRY(softmax_rows(m, n, &x));
	if (coerced)
		THAW_TRY(thaw_onnx_reshape(m, n, &x, dim, ndim));
	else
		thaw_onnx_axes_from_end(&x.axes, axis);
	return thaw_onnx_value_output(m, n, 0, &x);
}
