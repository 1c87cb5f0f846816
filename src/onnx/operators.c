/* The operators that are imported, a line each. Many stand for one function that tells them apart by a table of its
 * own. */
#include <string.h>

#include "src/onnx/importer.h"

static const struct {
	const char *operator;
	thaw_onnx_node_import import;
} operators[] = {
	{"Abs", thaw_onnx_import_function},
	{"Add", thaw_onnx_import_binary},
	{"AveragePool", thaw_onnx_import_average_pool},
	{"BatchNormalization", thaw_onnx_import_batch_norm},
	{"Cast", thaw_onnx_import_identity},
	{"Ceil", thaw_onnx_import_function},
	{"Celu", thaw_onnx_import_function},
	{"Clip", thaw_onnx_import_clip},
	{"Concat", thaw_onnx_import_concat},
	{"Conv", thaw_onnx_import_conv},
	{"Cos", thaw_onnx_import_function},
	{"DepthToSpace", thaw_onnx_import_depth_to_space},
	{"Div", thaw_onnx_import_binary},
	{"Dropout", thaw_onnx_import_dropout},
	{"Elu", thaw_onnx_import_function},
	{"Erf", thaw_onnx_import_function},
	{"Exp", thaw_onnx_import_function},
	{"Expand", thaw_onnx_import_expand},
	{"Flatten", thaw_onnx_import_flatten},
	{"Floor", thaw_onnx_import_function},
	{"Gather", thaw_onnx_import_gather},
	{"Gelu", thaw_onnx_import_function},
	{"Gemm", thaw_onnx_import_gemm},
	{"GlobalAveragePool", thaw_onnx_import_global_pool},
	{"GlobalMaxPool", thaw_onnx_import_global_pool},
	{"HardSigmoid", thaw_onnx_import_function},
	{"HardSwish", thaw_onnx_import_function},
	{"Identity", thaw_onnx_import_identity},
	{"LRN", thaw_onnx_import_local_response_norm},
	{"LayerNormalization", thaw_onnx_import_layer_norm},
	{"LeakyRelu", thaw_onnx_import_function},
	{"Log", thaw_onnx_import_function},
	{"MatMul", thaw_onnx_import_matmul},
	{"Max", thaw_onnx_import_sum},
	{"MaxPool", thaw_onnx_import_max_pool},
	{"Mean", thaw_onnx_import_sum},
	{"Min", thaw_onnx_import_sum},
	{"Mish", thaw_onnx_import_function},
	{"Mul", thaw_onnx_import_binary},
	{"Neg", thaw_onnx_import_function},
	{"Pad", thaw_onnx_import_pad},
	{"Pow", thaw_onnx_import_binary},
	{"Reciprocal", thaw_onnx_import_function},
	{"ReduceL1", thaw_onnx_import_reduce},
	{"ReduceL2", thaw_onnx_import_reduce},
	{"ReduceLogSum", thaw_onnx_import_reduce},
	{"ReduceLogSumExp", thaw_onnx_import_reduce},
	{"ReduceMax", thaw_onnx_import_reduce},
	{"ReduceMean", thaw_onnx_import_reduce},
	{"ReduceMin", thaw_onnx_import_reduce},
	{"ReduceProd", thaw_onnx_import_reduce},
	{"ReduceSum", thaw_onnx_import_reduce},
	{"ReduceSumSquare", thaw_onnx_import_reduce},
	{"Relu", thaw_onnx_import_relu},
	{"Reshape", thaw_onnx_import_reshape},
	{"Round", thaw_onnx_import_function},
	{"Selu", thaw_onnx_import_function},
	{"Shape", thaw_onnx_import_shape},
	{"Sigmoid", thaw_onnx_import_function},
	{"Sign", thaw_onnx_import_function},
	{"Sin", thaw_onnx_import_function},
	{"Slice", thaw_onnx_import_slice},
	{"Softmax", thaw_onnx_import_softmax},
	{"Softplus", thaw_onnx_import_function},
	{"Softsign", thaw_onnx_import_function},
	{"SpaceToDepth", thaw_onnx_import_space_to_depth},
	{"Split", thaw_onnx_import_split},
	{"Sqrt", thaw_onnx_import_function},
	{"Squeeze", thaw_onnx_import_squeeze},
	{"Sub", thaw_onnx_import_binary},
	{"Sum", thaw_onnx_import_sum},
	{"Tanh", thaw_onnx_import_function},
	{"ThresholdedRelu", thaw_onnx_import_function},
	{"Transpose", thaw_onnx_import_transpose},
	{"Unsqueeze", thaw_onnx_import_unsqueeze},
};

thaw_onnx_node_import thaw_onnx_importer_find(const Onnx__NodeProto *n)
{
	for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
		if (strcmp(operators[i].operator, n->op_type) == 0)
			return operators[i].import;
	return NULL;
}
