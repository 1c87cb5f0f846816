/* DepthToSpace and SpaceToDepth. */
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/import/importer.h"

/* (N,C,H,W) with blocks of b x b pixels; their axes precede or follow the channels. */
static thaw_status move_blocks(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, bool to_space)
{
	static const int back[] = {0, 3, 4, 1, 5, 2}, columns[] = {0, 1, 4, 2, 5, 3}, depth[] = {0, 3, 5, 1, 2, 4};
	struct thaw_onnx_value v;
	char mode[THAW_ONNX_TEXT];
	int64_t b;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_attribute_int(&b, n, "blocksize", 0));
	THAW_TRY(thaw_onnx_attribute_string(mode, n, "mode", "DCR"));
	int64_t d[THAW_MAX_FACTORS];
	thaw_onnx_dims(&v, d);
	if (v.axes.ndim != 4 || b < 1 || b > INT16_MAX ||
	    (to_space ? d[1] % (b * b) != 0 : d[2] % b != 0 || d[3] % b != 0))
		return thaw_onnx_fail_node(n, "blocksize %lld does not divide its input", (long long)b);
	if (to_space) {
		bool crd = strcmp(mode, "CRD") == 0;
		int64_t c = d[1] / (b * b);
		int64_t split[] = {d[0], crd ? c : b, b, crd ? b : c, d[2], d[3]},
			joined[] = {d[0], c, d[2] * b, d[3] * b};
		THAW_TRY(thaw_onnx_reshape(m, n, &v, split, 6));
		thaw_onnx_axes_transpose(&v.axes, crd ? columns : back);
		THAW_TRY(thaw_onnx_reshape(m, n, &v, joined, 4));
	} else {
		int64_t split[] = {d[0], d[1], d[2] / b, b, d[3] / b, b},
			joined[] = {d[0], d[1] * b * b, d[2] / b, d[3] / b};
		THAW_TRY(thaw_onnx_reshape(m, n, &v, split, 6));
		thaw_onnx_axes_transpose(&v.axes, depth);
		THAW_TRY(thaw_onnx_reshape(m, n, &v, joined, 4));
	}
	return thaw_onnx_value_output(m, n, 0, &v);
}

thaw_status thaw_onnx_import_depth_to_space(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	return move_blocks(m, n, true);
}

thaw_status thaw_onnx_import_space_to_depth(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	return move_blocks(m, n, false);
}
