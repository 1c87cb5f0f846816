/* Operators that repeat elements. */
#include "src/onnx/importer.h"

thaw_status thaw_onnx_import_expand(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	const int64_t *wanted = NULL;
	int count;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_ints(m, n, "", 1, &wanted, &count));
	for (int i = 0; i < count; i++) {
		int axis = i + v.axes.rank - count;
		if (axis < 0 ? wanted[i] != 1 : wanted[i] != 1 && wanted[i] != thaw_onnx_axes_dim(&v.axes, axis))
			return thaw_onnx_fail_node(n, "it repeats what depends on the image");
	}
	return thaw_onnx_value_output(m, n, 0, &v);
}
