/* The operators that can be exported, one per line. */
#include <string.h>

#include "src/onnx/export/exporter.h"

static const struct {
	const char *op_type;
	thaw_onnx_node_export export;
} operators[] = {
	{"activation", thaw_onnx_export_activation},
	{"add", thaw_onnx_export_add},
	{"attention", thaw_onnx_export_attention},
	{"average_pool", thaw_onnx_export_pool},
	{"batch_norm", thaw_onnx_export_batch_norm},
	{"binary", thaw_onnx_export_binary},
	{"concat", thaw_onnx_export_concat},
	{"constant", thaw_onnx_export_constant},
	{"conv", thaw_onnx_export_conv},
	{"conv_norm", thaw_onnx_export_conv_norm},
	{"dropout", thaw_onnx_export_dropout},
	{"flatten", thaw_onnx_export_flatten},
	{"gather", thaw_onnx_export_gather},
	{"group_norm", thaw_onnx_export_group_norm},
	{"layer_norm", thaw_onnx_export_layer_norm},
	{"linear", thaw_onnx_export_linear},
	{"local_response_norm", thaw_onnx_export_local_response_norm},
	{"matmul", thaw_onnx_export_matmul},
	{"max_pool", thaw_onnx_export_pool},
	{"pad", thaw_onnx_export_pad},
	{"pointwise", thaw_onnx_export_pointwise},
	{"rearrange", thaw_onnx_export_rearrange},
	{"reduce", thaw_onnx_export_reduce},
	{"reshape", thaw_onnx_export_rearrange},
	{"softmax", thaw_onnx_export_softmax},
	{"std_conv", thaw_onnx_export_conv},
};

thaw_onnx_node_export thaw_onnx_exporter_find(const struct thaw_op *op)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (strcmp(operators[i].op_type, op->name) == 0)
			return operators[i].export;
	return NULL;
}
