/* Elementwise operators. */
#include <math.h>

#include "src/onnx/export/exporter.h"

typedef const char *(*compose)(struct thaw_onnx_exporter *e, const struct thaw_node *n, const char *x);

/* x * number and x + number. */
static const char *times(struct thaw_onnx_exporter *e, const char *x, float number)
{
	return number == 1.0f ? x : thaw_onnx_emit_two(e, "Mul", x, thaw_onnx_emit_scalar(e, number));
}

static const char *plus(struct thaw_onnx_exporter *e, const char *x, float number)
{
	return number == 0.0f ? x : thaw_onnx_emit_two(e, "Add", x, thaw_onnx_emit_scalar(e, number));
}

static const char *silu(struct thaw_onnx_exporter *e, const struct thaw_node *n, const char *x)
{
	(void)n;
	return thaw_onnx_emit_two(e, "Mul", x, thaw_onnx_emit_one(e, "Sigmoid", x));
}

/* x * (1 + v) / 2 */
static const char *gelu_of(struct thaw_onnx_exporter *e, const char *x, const char *v)
{
	return times(e, thaw_onnx_emit_two(e, "Mul", x, plus(e, v, 1.0f)), 0.5f);
}

static const char *gelu(struct thaw_onnx_exporter *e, const struct thaw_node *n, const char *x)
{
	(void)n;
	const char *scaled = thaw_onnx_emit_two(e, "Div", x, thaw_onnx_emit_scalar(e, sqrtf(2.0f)));
	return gelu_of(e, x, thaw_onnx_emit_one(e, "Erf", scaled));
}

/* tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)) */
static const char *gelu_tanh(struct thaw_onnx_exporter *e, const struct thaw_node *n, const char *x)
{
	const float cubic = 0.044715f, root = 0.797884561f;
	(void)n;
	const char *cube = thaw_onnx_emit_two(e, "Pow", x, thaw_onnx_emit_scalar(e, 3.0f));
	const char *inner = thaw_onnx_emit_two(e, "Add", x, times(e, cube, cubic));
	return gelu_of(e, x, thaw_onnx_emit_one(e, "Tanh", times(e, inner, root)));
}

static const char *mish(struct thaw_onnx_exporter *e, const struct thaw_node *n, const char *x)
{
	(void)n;
	const char *soft = thaw_onnx_emit_one(e, "Softplus", x);
	return thaw_onnx_emit_two(e, "Mul", x, thaw_onnx_emit_one(e, "Tanh", soft));
}

static const char *clip(struct thaw_onnx_exporter *e, const struct thaw_node *n, const char *x)
{
	const char *low = isfinite(n->attrs.alpha) ? thaw_onnx_emit_scalar(e, n->attrs.alpha) : "";
	const char *high = isfinite(n->attrs.beta) ? thaw_onnx_emit_scalar(e, n->attrs.beta) : "";
	return thaw_onnx_output_of(thaw_onnx_emit(e, "Clip", (const char *[]){x, low, high}, 3));
}

static const char *affine(struct thaw_onnx_exporter *e, const struct thaw_node *n, const char *x)
{
	return plus(e, times(e, x, n->attrs.alpha), n->attrs.beta);
}

static const char *power(struct thaw_onnx_exporter *e, const struct thaw_node *n, const char *x)
{
	return thaw_onnx_emit_two(e, "Pow", x, thaw_onnx_emit_scalar(e, n->attrs.alpha));
}

/* An ONNX operator with the attributes for alpha and beta, or a function that composes several. */
static const struct {
	const char *name, *alpha, *beta;
	compose compose;
} functions[THAW_FUNCTIONS] = {
	[THAW_FN_SIGMOID] = {.name = "Sigmoid"},
	[THAW_FN_TANH] = {.name = "Tanh"},
	[THAW_FN_SILU] = {.compose = silu},
	[THAW_FN_GELU] = {.compose = gelu},
	[THAW_FN_GELU_TANH] = {.compose = gelu_tanh},
	[THAW_FN_HARD_SIGMOID] = {.name = "HardSigmoid", .alpha = "alpha", .beta = "beta"},
	[THAW_FN_HARD_SWISH] = {.name = "HardSwish"},
	[THAW_FN_LEAKY_RELU] = {.name = "LeakyRelu", .alpha = "alpha"},
	[THAW_FN_ELU] = {.name = "Elu", .alpha = "alpha"},
	[THAW_FN_SELU] = {.name = "Selu", .alpha = "alpha", .beta = "gamma"},
	[THAW_FN_CELU] = {.name = "Celu", .alpha = "alpha"},
	[THAW_FN_THRESHOLDED_RELU] = {.name = "ThresholdedRelu", .alpha = "alpha"},
	[THAW_FN_SHRINK] = {.name = "Shrink", .alpha = "lambd", .beta = "bias"},
	[THAW_FN_SOFTPLUS] = {.name = "Softplus"},
	[THAW_FN_SOFTSIGN] = {.name = "Softsign"},
	[THAW_FN_MISH] = {.compose = mish},
	[THAW_FN_CLIP] = {.compose = clip},
	[THAW_FN_AFFINE] = {.compose = affine},
	[THAW_FN_POWER] = {.compose = power},
	[THAW_FN_ABS] = {.name = "Abs"},
	[THAW_FN_EXP] = {.name = "Exp"},
	[THAW_FN_LOG] = {.name = "Log"},
	[THAW_FN_SQRT] = {.name = "Sqrt"},
	[THAW_FN_RECIPROCAL] = {.name = "Reciprocal"},
	[THAW_FN_ERF] = {.name = "Erf"},
	[THAW_FN_FLOOR] = {.name = "Floor"},
	[THAW_FN_CEIL] = {.name = "Ceil"},
	[THAW_FN_ROUND] = {.name = "Round"},
	[THAW_FN_SIGN] = {.name = "Sign"},
	[THAW_FN_SIN] = {.name = "Sin"},
	[THAW_FN_COS] = {.name = "Cos"},
	[THAW_FN_TAN] = {.name = "Tan"},
	[THAW_FN_ASIN] = {.name = "Asin"},
	[THAW_FN_ACOS] = {.name = "Acos"},
	[THAW_FN_ATAN] = {.name = "Atan"},
	[THAW_FN_SINH] = {.name = "Sinh"},
	[THAW_FN_COSH] = {.name = "Cosh"},
	[THAW_FN_ASINH] = {.name = "Asinh"},
	[THAW_FN_ACOSH] = {.name = "Acosh"},
	[THAW_FN_ATANH] = {.name = "Atanh"},
};

static const char *const binaries[THAW_BINARIES] = {
	[THAW_BINARY_ADD] = "Add", [THAW_BINARY_SUB] = "Sub", [THAW_BINARY_MUL] = "Mul", [THAW_BINARY_DIV] = "Div",
	[THAW_BINARY_POW] = "Pow", [THAW_BINARY_MIN] = "Min", [THAW_BINARY_MAX] = "Max", [THAW_BINARY_PRELU] = "PRelu",
};

static const char *apply(struct thaw_onnx_exporter *e, const struct thaw_node *n, const char *x)
{
	const enum thaw_function f = n->attrs.function;
	if (functions[f].compose)
		return functions[f].compose(e, n, x);
	if (!functions[f].name) {
		thaw_onnx_fail_export(e, "opset 17 has no such function");
		return "";
	}
	Onnx__NodeProto *y = thaw_onnx_emit(e, functions[f].name, &x, 1);
	if (functions[f].alpha)
		thaw_onnx_set_float(e, y, functions[f].alpha, n->attrs.alpha);
	if (functions[f].beta)
		thaw_onnx_set_float(e, y, functions[f].beta, n->attrs.beta);
	return thaw_onnx_output_of(y);
}

void thaw_onnx_export_pointwise(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const enum thaw_onnx_layout layout = thaw_onnx_elementwise_layout(e, n);
	thaw_onnx_out(e, layout, apply(e, n, thaw_onnx_in(e, n, 0, layout)));
}

void thaw_onnx_export_activation(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const enum thaw_onnx_layout layout = thaw_onnx_elementwise_layout(e, n);
	thaw_onnx_out_activated(e, n, layout, thaw_onnx_in(e, n, 0, layout));
}

void thaw_onnx_export_add(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const enum thaw_onnx_layout layout = thaw_onnx_common_layout(e, n);
	const char *x[] = {thaw_onnx_in(e, n, 0, layout), thaw_onnx_in(e, n, 1, layout)};
	thaw_onnx_out_activated(e, n, layout, thaw_onnx_emit_two(e, "Add", x[0], x[1]));
}

/* PRelu broadcasts only its slope; if x is broadcast, max(x,0) + slope * min(x,0). */
static const char *parametric_relu(struct thaw_onnx_exporter *e, const char *x, const char *slope)
{
	const char *above = thaw_onnx_emit_one(e, "Relu", x);
	const char *below = thaw_onnx_emit_two(e, "Min", x, thaw_onnx_emit_scalar(e, 0.0f));
	return thaw_onnx_emit_two(e, "Add", above, thaw_onnx_emit_two(e, "Mul", below, slope));
}

void thaw_onnx_export_binary(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const enum thaw_onnx_layout layout = thaw_onnx_common_layout(e, n);
	const char *x[] = {thaw_onnx_in(e, n, 0, layout), thaw_onnx_in(e, n, 1, layout)};
	bool repeated = !thaw_shape_equal(thaw_onnx_shape_in(e, n, 0), &e->shapes[e->node]) ||
			e->graph->nodes[n->inputs[0]].fixed;
	if (n->attrs.binary == THAW_BINARY_PRELU && repeated)
		thaw_onnx_out(e, layout, parametric_relu(e, x[0], x[1]));
	else
		thaw_onnx_out(e, layout, thaw_onnx_emit_two(e, binaries[n->attrs.binary], x[0], x[1]));
}

/* Inactive in inference; kept so that further training finds the rate. */
void thaw_onnx_export_dropout(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const enum thaw_onnx_layout layout = thaw_onnx_elementwise_layout(e, n);
	const char *x = thaw_onnx_in(e, n, 0, layout);
	thaw_onnx_out(e, layout, thaw_onnx_emit_two(e, "Dropout", x, thaw_onnx_emit_scalar(e, n->attrs.rate)));
}
