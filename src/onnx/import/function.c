/* Elementwise functions of one input. */
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/import/importer.h"

#define SELU_ALPHA 1.67326319217681884765625f /* defaults of ONNX */
#define SELU_GAMMA 1.05070102214813232421875f

/* alpha and beta are attributes with these names and defaults; without a name, these constants. */
static const struct function {
	const char *op_type;
	enum thaw_function function;
	const char *alpha_name, *beta_name;
	float alpha, beta;
} functions[] = {
	{"Abs", THAW_FN_ABS, NULL, NULL, 0, 0},
	{"Acos", THAW_FN_ACOS, NULL, NULL, 0, 0},
	{"Acosh", THAW_FN_ACOSH, NULL, NULL, 0, 0},
	{"Asin", THAW_FN_ASIN, NULL, NULL, 0, 0},
	{"Asinh", THAW_FN_ASINH, NULL, NULL, 0, 0},
	{"Atan", THAW_FN_ATAN, NULL, NULL, 0, 0},
	{"Atanh", THAW_FN_ATANH, NULL, NULL, 0, 0},
	{"Ceil", THAW_FN_CEIL, NULL, NULL, 0, 0},
	{"Celu", THAW_FN_CELU, "alpha", NULL, 1, 0},
	{"Cos", THAW_FN_COS, NULL, NULL, 0, 0},
	{"Cosh", THAW_FN_COSH, NULL, NULL, 0, 0},
	{"Elu", THAW_FN_ELU, "alpha", NULL, 1, 0},
	{"Erf", THAW_FN_ERF, NULL, NULL, 0, 0},
	{"Exp", THAW_FN_EXP, NULL, NULL, 0, 0},
	{"Floor", THAW_FN_FLOOR, NULL, NULL, 0, 0},
	{"Gelu", THAW_FN_GELU, NULL, NULL, 0, 0},
	{"HardSigmoid", THAW_FN_HARD_SIGMOID, "alpha", "beta", 0.2f, 0.5f},
	{"HardSwish", THAW_FN_HARD_SWISH, NULL, NULL, 0, 0},
	{"LeakyRelu", THAW_FN_LEAKY_RELU, "alpha", NULL, 0.01f, 0},
	{"Log", THAW_FN_LOG, NULL, NULL, 0, 0},
	{"Mish", THAW_FN_MISH, NULL, NULL, 0, 0},
	{"Neg", THAW_FN_AFFINE, NULL, NULL, -1, 0},
	{"Reciprocal", THAW_FN_RECIPROCAL, NULL, NULL, 0, 0},
	{"Round", THAW_FN_ROUND, NULL, NULL, 0, 0},
	{"Selu", THAW_FN_SELU, "alpha", "gamma", SELU_ALPHA, SELU_GAMMA},
	{"Shrink", THAW_FN_SHRINK, "lambd", "bias", 0.5f, 0},
	{"Sigmoid", THAW_FN_SIGMOID, NULL, NULL, 0, 0},
	{"Sign", THAW_FN_SIGN, NULL, NULL, 0, 0},
	{"Sin", THAW_FN_SIN, NULL, NULL, 0, 0},
	{"Sinh", THAW_FN_SINH, NULL, NULL, 0, 0},
	{"Softplus", THAW_FN_SOFTPLUS, NULL, NULL, 0, 0},
	{"Softsign", THAW_FN_SOFTSIGN, NULL, NULL, 0, 0},
	{"Sqrt", THAW_FN_SQRT, NULL, NULL, 0, 0},
	{"Tan", THAW_FN_TAN, NULL, NULL, 0, 0},
	{"Tanh", THAW_FN_TANH, NULL, NULL, 0, 0},
	{"ThresholdedRelu", THAW_FN_THRESHOLDED_RELU, "alpha", NULL, 1, 0},
};

thaw_status thaw_onnx_apply(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			    enum thaw_function function, float alpha, float beta)
{
	struct thaw_attrs attrs = {.function = function, .alpha = alpha, .beta = beta};
	THAW_TRY(thaw_onnx_as_whole(m, n, v));
	v->node = thaw_onnx_add(m, n, "pointwise", &attrs, &v->node, 1);
	return m->graph->failed;
}

thaw_status thaw_onnx_import_function(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	const struct function *f = functions;
	struct thaw_onnx_value x;
	char approximate[THAW_ONNX_TEXT];
	while (strcmp(f->op_type, n->op_type) != 0)
		f++;
	float alpha = f->alpha, beta = f->beta;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	if (f->alpha_name)
		THAW_TRY(thaw_onnx_attribute_float(&alpha, n, f->alpha_name, alpha));
	if (f->beta_name)
		THAW_TRY(thaw_onnx_attribute_float(&beta, n, f->beta_name, beta));
	THAW_TRY(thaw_onnx_attribute_string(approximate, n, "approximate", "none"));
	bool tanh = f->function == THAW_FN_GELU && strcmp(approximate, "tanh") == 0;
	THAW_TRY(thaw_onnx_apply(m, n, &x, tanh ? THAW_FN_GELU_TANH : f->function, alpha, beta));
	return thaw_onnx_value_output(m, n, 0, &x);
}

static thaw_status activate(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			    enum thaw_activation activation)
{
	struct thaw_attrs attrs = {.activation = activation};
	THAW_TRY(thaw_onnx_as_whole(m, n, x));
	return thaw_onnx_output_like(m, n, thaw_onnx_add(m, n, "activation", &attrs, &x->node, 1), x);
}

thaw_status thaw_onnx_import_relu(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	return activate(m, n, &x, THAW_ACT_RELU);
}

/* A bound of Clip: an attribute before opset 11, an input since. */
static thaw_status read_bound(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, const char *attribute, int input,
			      float otherwise, float *value)
{
	const struct thaw_onnx_constant *c;
	THAW_TRY(thaw_onnx_attribute_float(value, n, attribute, otherwise));
	THAW_TRY(thaw_onnx_constant_input(m, n, input, &c));
	if (c && (c->type != THAW_F32 || thaw_shape_count(&c->shape) != 1))
		return thaw_onnx_fail_node(n, "input %s is not a FLOAT scalar", n->input[input]);
	if (c)
		*value = *(const float *)c->data;
	return THAW_OK;
}

thaw_status thaw_onnx_import_clip(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	const float lowest = -3.402823466e+38f, highest = 3.402823466e+38f, relu6 = 6.0f;
	struct thaw_onnx_value x;
	float low, high;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(read_bound(m, n, "min", 1, lowest, &low));
	THAW_TRY(read_bound(m, n, "max", 2, highest, &high));
	if (low == 0.0f && (high == highest || high == relu6))
		return activate(m, n, &x, high == relu6 ? THAW_ACT_RELU6 : THAW_ACT_RELU);
	THAW_TRY(thaw_onnx_apply(m, n, &x, THAW_FN_CLIP, low, high));
	return thaw_onnx_value_output(m, n, 0, &x);
}
