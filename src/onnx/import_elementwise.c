/* Operators that compute each element for itself, of one value or of two. */
#include <string.h>

#include "src/onnx/importer.h"

#define SELU_ALPHA 1.67326319217681884765625f /* ONNX's defaults */
#define SELU_GAMMA 1.05070102214813232421875f

/* alpha and beta: attributes of these names with these defaults; where there is no name, that value. */
static const struct function {
	const char *operator;
	enum thaw_function function;
	const char *alpha_name, *beta_name;
	float alpha, beta;
} functions[] = {
	{"Abs", THAW_FN_ABS, NULL, NULL, 0, 0},
	{"Ceil", THAW_FN_CEIL, NULL, NULL, 0, 0},
	{"Celu", THAW_FN_CELU, "alpha", NULL, 1, 0},
	{"Cos", THAW_FN_COS, NULL, NULL, 0, 0},
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
	{"Sigmoid", THAW_FN_SIGMOID, NULL, NULL, 0, 0},
	{"Sign", THAW_FN_SIGN, NULL, NULL, 0, 0},
	{"Sin", THAW_FN_SIN, NULL, NULL, 0, 0},
	{"Softplus", THAW_FN_SOFTPLUS, NULL, NULL, 0, 0},
	{"Softsign", THAW_FN_SOFTSIGN, NULL, NULL, 0, 0},
	{"Sqrt", THAW_FN_SQRT, NULL, NULL, 0, 0},
	{"Tanh", THAW_FN_TANH, NULL, NULL, 0, 0},
	{"ThresholdedRelu", THAW_FN_THRESHOLDED_RELU, "alpha", NULL, 1, 0},
};

static const struct {
	const char *operator;
	enum thaw_binary binary;
} binaries[] = {
	{"Add", THAW_BINARY_ADD}, {"Sum", THAW_BINARY_ADD}, {"Mean", THAW_BINARY_ADD},
	{"Sub", THAW_BINARY_SUB}, {"Mul", THAW_BINARY_MUL}, {"Div", THAW_BINARY_DIV},
	{"Pow", THAW_BINARY_POW}, {"Min", THAW_BINARY_MIN}, {"Max", THAW_BINARY_MAX},
};

/* Output 0: a function of each element of v. */
static thaw_status apply(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			 enum thaw_function function, float alpha, float beta)
{
	struct thaw_attrs attrs = {.function = function, .alpha = alpha, .beta = beta};
	THAW_TRY(thaw_onnx_as_whole(m, n, v));
	v->node = thaw_onnx_add(m, n, "pointwise", &attrs, &v->node, 1);
	return thaw_onnx_value_output(m, n, 0, v);
}

thaw_status thaw_onnx_import_function(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	const struct function *f = functions;
	struct thaw_onnx_value x;
	char approximate[THAW_ONNX_TEXT];
	while (strcmp(f->operator, n->op_type) != 0)
		f++;
	float alpha = f->alpha, beta = f->beta;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	if (f->alpha_name)
		THAW_TRY(thaw_onnx_attribute_float(&alpha, n, f->alpha_name, alpha));
	if (f->beta_name)
		THAW_TRY(thaw_onnx_attribute_float(&beta, n, f->beta_name, beta));
	THAW_TRY(thaw_onnx_attribute_string(approximate, n, "approximate", "none"));
	bool tanh = f->function == THAW_FN_GELU && strcmp(approximate, "tanh") == 0;
	return apply(m, n, &x, tanh ? THAW_FN_GELU_TANH : f->function, alpha, beta);
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

/* A bound of Clip: an attribute before opset 11, an input from then on. */
static thaw_status bound(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, const char *attribute, int input,
			 float otherwise, float *value)
{
	const struct thaw_onnx_constant *c;
	THAW_TRY(thaw_onnx_attribute_float(value, n, attribute, otherwise));
	THAW_TRY(thaw_onnx_constant_input(m, n, input, &c));
	if (c && (c->type != THAW_F32 || thaw_shape_count(&c->shape) != 1))
		return thaw_onnx_fail_node(n, "input %s is no F32 number", n->input[input]);
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
	THAW_TRY(bound(m, n, "min", 1, lowest, &low));
	THAW_TRY(bound(m, n, "max", 2, highest, &high));
	if (low == 0.0f && (high == highest || high == relu6))
		return activate(m, n, &x, high == relu6 ? THAW_ACT_RELU6 : THAW_ACT_RELU);
	return apply(m, n, &x, THAW_FN_CLIP, low, high);
}

/* x with the number c: a function of x. *done false where there is none. */
static thaw_status with_number(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			       enum thaw_binary binary, float c, bool number_first, bool *done)
{
	*done = true;
	switch (binary) {
	case THAW_BINARY_ADD:
		return apply(m, n, x, THAW_FN_AFFINE, 1.0f, c);
	case THAW_BINARY_SUB:
		return apply(m, n, x, THAW_FN_AFFINE, number_first ? -1.0f : 1.0f, number_first ? c : -c);
	case THAW_BINARY_MUL:
		return apply(m, n, x, THAW_FN_AFFINE, c, 0.0f);
	case THAW_BINARY_DIV:
		if (!number_first)
			return apply(m, n, x, THAW_FN_AFFINE, 1.0f / c, 0.0f);
		if (c == 1.0f)
			return apply(m, n, x, THAW_FN_RECIPROCAL, 0.0f, 0.0f);
		break;
	case THAW_BINARY_POW:
		if (!number_first)
			return apply(m, n, x, THAW_FN_POWER, c, 0.0f);
		break;
	default:
		break;
	}
	*done = false;
	return THAW_OK;
}

/* Known elements of several values beside a tensor: a parameter in the layout of the tensor. */
static thaw_status beside_constant(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
				   const struct thaw_onnx_value *c, int *node, bool *done)
{
	struct thaw_shape shape;
	float *data = NULL;
	*done = false;
	if (c->constant->type != THAW_F32)
		return thaw_onnx_fail_node(n, "input %s is not F32", c->name);
	for (int attempt = 0; attempt < 2 && !*done; attempt++) {
		THAW_TRY(attempt == 0 ? thaw_onnx_as_whole(m, n, x) : thaw_onnx_in_order(m, n, x));
		THAW_TRY(thaw_onnx_align_constant(c->constant, &x->axes, &shape, &data, done));
	}
	if (!*done)
		return THAW_OK;
	*node = thaw_onnx_add(m, n, "constant", NULL, NULL, 0);
	thaw_status status = thaw_onnx_param(m, *node, c->name, THAW_ROLE_SHIFT, &shape, data);
	thaw_free(data);
	return status;
}

/* Brings v to a tensor that has each of `rank` axes of the view as an axis, the first ones 1. */
static thaw_status in_rank(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v, int rank)
{
	struct thaw_onnx_making making = {.rank = rank};
	for (int i = 0; i < v->axes.count; i++) {
		making.order[i] = v->axes.order[i];
		making.target[i] = v->axes.of[i] + rank - v->axes.rank;
	}
	if (v->axes.batched && (making.order[0] != 0 || making.target[0] != 0))
		return thaw_onnx_fail_node(n, "the images are not along the first axis");
	return thaw_onnx_make(m, n, v, &making);
}

/* Whether v has the sizes that the result of v and w has. */
static bool is_widest(const struct thaw_onnx_axes *v, const struct thaw_onnx_axes *w)
{
	if (v->rank < w->rank)
		return false;
	for (int i = 0; i < w->rank; i++)
		if (thaw_onnx_axes_dim(v, i + v->rank - w->rank) < thaw_onnx_axes_dim(w, i))
			return false;
	return true;
}

/* Brings two values to tensors that go together, and says what the result looks like. */
static thaw_status meet(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			struct thaw_onnx_axes *result)
{
	bool done = false;
	for (int attempt = 0; attempt < 2 && !done; attempt++) {
		int wide = is_widest(&v[0].axes, &v[1].axes) ? 0 : is_widest(&v[1].axes, &v[0].axes) ? 1 : -1;
		if (wide < 0)
			break;
		THAW_TRY(attempt == 0 ? thaw_onnx_as_whole(m, n, &v[wide]) : thaw_onnx_in_order(m, n, &v[wide]));
		*result = v[wide].axes;
		THAW_TRY(thaw_onnx_align(m, n, &v[!wide], &v[wide].axes, &done));
	}
	if (done)
		return THAW_OK;
	int rank = v[0].axes.rank > v[1].axes.rank ? v[0].axes.rank : v[1].axes.rank;
	THAW_TRY(in_rank(m, n, &v[0], rank));
	THAW_TRY(in_rank(m, n, &v[1], rank));
	struct thaw_shape shape = v[0].axes.tensor;
	for (int i = 0; i < rank; i++)
		if (v[1].axes.tensor.dim[i] > shape.dim[i])
			shape.dim[i] = v[1].axes.tensor.dim[i];
	thaw_onnx_axes_set(result, &shape, v[0].axes.batched || v[1].axes.batched ? m->images : 0);
	return THAW_OK;
}

/* v[0] with v[1]; the result takes the place of v[0]. */
static thaw_status combine(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			   enum thaw_binary binary)
{
	struct thaw_attrs attrs = {.binary = binary};
	struct thaw_onnx_axes result;
	struct thaw_shape a, b;
	THAW_TRY(meet(m, n, v, &result));
	THAW_TRY(thaw_onnx_shape(m, v[0].node, &a));
	THAW_TRY(thaw_onnx_shape(m, v[1].node, &b));
	bool residual = binary == THAW_BINARY_ADD && thaw_shape_equal(&a, &b);
	int inputs[] = {v[0].node, v[1].node};
	v[0] = (struct thaw_onnx_value){.axes = result};
	v[0].node = thaw_onnx_add(m, n, residual ? "add" : "binary", residual ? NULL : &attrs, inputs, 2);
	return m->graph->failed;
}

static enum thaw_binary binary_of(const Onnx__NodeProto *n)
{
	size_t i = 0;
	while (strcmp(binaries[i].operator, n->op_type) != 0)
		i++;
	return binaries[i].binary;
}

thaw_status thaw_onnx_import_binary(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	enum thaw_binary binary = binary_of(n);
	struct thaw_attrs attrs = {.binary = binary};
	struct thaw_onnx_value *input[2], v[2];
	bool done = false;
	THAW_TRY(thaw_onnx_value_input(m, n, 0, &input[0]));
	THAW_TRY(thaw_onnx_value_input(m, n, 1, &input[1]));
	int constant = input[0]->constant ? 0 : input[1]->constant ? 1 : -1;
	if (constant >= 0) {
		const struct thaw_onnx_constant *c = input[constant]->constant;
		struct thaw_onnx_value x = *input[!constant];
		if (c->type == THAW_F32 && thaw_shape_count(&c->shape) == 1 && c->shape.rank <= x.axes.rank)
			THAW_TRY(with_number(m, n, &x, binary, *(const float *)c->data, constant == 0, &done));
		if (done)
			return THAW_OK;
		int node[2];
		THAW_TRY(beside_constant(m, n, &x, input[constant], &node[constant], &done));
		node[!constant] = x.node;
		if (done)
			return thaw_onnx_output_like(m, n, thaw_onnx_add(m, n, "binary", &attrs, node, 2), &x);
	}
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v[0]));
	THAW_TRY(thaw_onnx_tensor_input(m, n, 1, &v[1]));
	THAW_TRY(combine(m, n, v, binary));
	return thaw_onnx_value_output(m, n, 0, &v[0]);
}

/* Sum, Mean, Min and Max of any number of values. */
thaw_status thaw_onnx_import_sum(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v[2];
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v[0]));
	for (size_t k = 1; k < n->n_input; k++) {
		THAW_TRY(thaw_onnx_tensor_input(m, n, (int)k, &v[1]));
		THAW_TRY(combine(m, n, v, binary_of(n)));
	}
	if (strcmp(n->op_type, "Mean") == 0)
		return apply(m, n, &v[0], THAW_FN_AFFINE, 1.0f / (float)n->n_input, 0.0f);
	return thaw_onnx_value_output(m, n, 0, &v[0]);
}
