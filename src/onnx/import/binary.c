/* Add, Sub, Mul, Div, Pow, PRelu, Sum, Mean, Min, Max: elementwise operators with broadcasting. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

static const struct {
	const char *op_type;
	enum thaw_binary binary;
} binaries[] = {
	{"Add", THAW_BINARY_ADD}, {"Sum", THAW_BINARY_ADD},     {"Mean", THAW_BINARY_ADD}, {"Sub", THAW_BINARY_SUB},
	{"Mul", THAW_BINARY_MUL}, {"Div", THAW_BINARY_DIV},     {"Pow", THAW_BINARY_POW},  {"Min", THAW_BINARY_MIN},
	{"Max", THAW_BINARY_MAX}, {"PRelu", THAW_BINARY_PRELU},
};

/* x op c for a scalar c, as an elementwise function of x. *done = false if there is no such function. */
static thaw_status combine_scalar(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
				  enum thaw_binary binary, float c, bool number_first, bool *done)
{
	*done = true;
	switch (binary) {
	case THAW_BINARY_ADD:
		return thaw_onnx_apply(m, n, x, THAW_FN_AFFINE, 1.0f, c);
	case THAW_BINARY_SUB:
		return thaw_onnx_apply(m, n, x, THAW_FN_AFFINE, number_first ? -1.0f : 1.0f, number_first ? c : -c);
	case THAW_BINARY_MUL:
		return thaw_onnx_apply(m, n, x, THAW_FN_AFFINE, c, 0.0f);
	case THAW_BINARY_DIV:
		if (!number_first)
			return thaw_onnx_apply(m, n, x, THAW_FN_AFFINE, 1.0f / c, 0.0f);
		if (c == 1.0f)
			return thaw_onnx_apply(m, n, x, THAW_FN_RECIPROCAL, 0.0f, 0.0f);
		break;
	case THAW_BINARY_POW:
		if (!number_first)
			return thaw_onnx_apply(m, n, x, THAW_FN_POWER, c, 0.0f);
		break;
	case THAW_BINARY_PRELU:
		if (!number_first)
			return thaw_onnx_apply(m, n, x, THAW_FN_LEAKY_RELU, c, 0.0f);
		break;
	default:
		break;
	}
	*done = false;
	return THAW_OK;
}

/* *node = constant c as a parameter in the layout of tensor x. *done = false if it does not broadcast to x. */
static thaw_status constant_operand(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
				    const struct thaw_onnx_value *c, int *node, bool *done)
{
	struct thaw_shape shape;
	float *data = NULL;
	*done = false;
	if (c->constant->type != THAW_F32)
		return thaw_onnx_fail_node(n, "input %s is %s; only FLOAT is supported", c->name,
					   thaw_onnx_type_name(thaw_onnx_type_of(c->constant->type)));
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

/* Whether v has the shape of the result of broadcasting v and w. */
static bool is_widest(const struct thaw_onnx_axes *v, const struct thaw_onnx_axes *w)
{
	if (v->ndim < w->ndim)
		return false;
	for (int i = 0; i < w->ndim; i++)
		if (thaw_onnx_axes_dim(v, i + v->ndim - w->ndim) < thaw_onnx_axes_dim(w, i))
			return false;
	return true;
}

/* Lays out v[0] and v[1] so that their tensors broadcast; *result = the view of the result. */
static thaw_status broadcast_layouts(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
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
	int ndim = max_int(v[0].axes.ndim, v[1].axes.ndim);
	THAW_TRY(thaw_onnx_as_ndim(m, n, &v[0], ndim));
	THAW_TRY(thaw_onnx_as_ndim(m, n, &v[1], ndim));
	struct thaw_shape shape = v[0].axes.tensor;
	for (int i = 0; i < ndim; i++)
		shape.dim[i] = max_int64(shape.dim[i], v[1].axes.tensor.dim[i]);
	thaw_onnx_axes_set(result, &shape, v[0].axes.batched || v[1].axes.batched ? m->images : 0);
	return THAW_OK;
}

/* v[0] = v[0] op v[1] of two tensors. */
static thaw_status combine_tensors(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
				   enum thaw_binary binary)
{
	struct thaw_attrs attrs = {.binary = binary};
	struct thaw_onnx_axes result;
	struct thaw_shape a, b;
	THAW_TRY(broadcast_layouts(m, n, v, &result));
	THAW_TRY(thaw_onnx_node_shape(m, v[0].node, &a));
	THAW_TRY(thaw_onnx_node_shape(m, v[1].node, &b));
	bool residual = binary == THAW_BINARY_ADD && thaw_shape_equal(&a, &b);
	int inputs[] = {v[0].node, v[1].node};
	v[0] = (struct thaw_onnx_value){.axes = result};
	v[0].node = thaw_onnx_add(m, n, residual ? "add" : "binary", residual ? NULL : &attrs, inputs, 2);
	return m->graph->failed;
}

static enum thaw_binary binary_of(const Onnx__NodeProto *n)
{
	size_t i = 0;
	while (strcmp(binaries[i].op_type, n->op_type) != 0)
		i++;
	return binaries[i].binary;
}

/* v[0] = v[0] op v[1], where v[constant] is constant. *done = false if both must become tensors. */
static thaw_status combine_constant(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
				    int constant, enum thaw_binary binary, bool *done)
{
	const struct thaw_onnx_constant *c = v[constant].constant;
	struct thaw_attrs attrs = {.binary = binary};
	struct thaw_onnx_value x = v[!constant];
	int node[2];
	*done = false;
	if (c->type == THAW_F32 && thaw_shape_count(&c->shape) == 1 && c->shape.ndim <= x.axes.ndim)
		THAW_TRY(combine_scalar(m, n, &x, binary, *(const float *)c->data, constant == 0, done));
	if (!*done) {
		THAW_TRY(constant_operand(m, n, &x, &v[constant], &node[constant], done));
		node[!constant] = x.node;
		if (*done)
			x.node = thaw_onnx_add(m, n, "binary", &attrs, node, 2);
	}
	if (*done)
		v[0] = x;
	return m->graph->failed;
}

thaw_status thaw_onnx_apply_two(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
				enum thaw_binary binary)
{
	int constant = v[0].constant ? 0 : 1;
	bool done = false;
	if (v[constant].constant && !v[!constant].constant)
		THAW_TRY(combine_constant(m, n, v, constant, binary, &done));
	if (done)
		return THAW_OK;
	THAW_TRY(thaw_onnx_as_tensor(m, n, &v[0]));
	THAW_TRY(thaw_onnx_as_tensor(m, n, &v[1]));
	return combine_tensors(m, n, v, binary);
}

/* Converts an exponent, which may be of integers, to F32. The caller frees *floats. */
static thaw_status as_floats(struct thaw_onnx_value *v, struct thaw_onnx_constant *floats)
{
	const struct thaw_onnx_constant *c = v->constant;
	int64_t count = thaw_shape_count(&c->shape);
	*floats = (struct thaw_onnx_constant){.type = THAW_F32, .shape = c->shape};
	floats->data = thaw_alloc((size_t)count, sizeof(float));
	if (!floats->data)
		return THAW_RESOURCE;
	thaw_to_f32(c->type, c->data, floats->data, count);
	v->constant = floats;
	return THAW_OK;
}

thaw_status thaw_onnx_import_binary(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value *x, *y;
	struct thaw_onnx_constant exponent = {0};
	enum thaw_binary binary = binary_of(n);
	THAW_TRY(thaw_onnx_value_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_value_input(m, n, 1, &y));
	struct thaw_onnx_value v[] = {*x, *y};
	if (binary == THAW_BINARY_POW && y->constant && y->constant->type != THAW_F32)
		THAW_TRY(as_floats(&v[1], &exponent));
	thaw_status status = thaw_onnx_apply_two(m, n, v, binary);
	thaw_onnx_constant_free(&exponent);
	return status == THAW_OK ? thaw_onnx_value_output(m, n, 0, &v[0]) : status;
}

/* Sum, Mean, Min and Max of any number of inputs. */
thaw_status thaw_onnx_import_sum(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v[2], *x;
	THAW_TRY(thaw_onnx_value_input(m, n, 0, &x));
	v[0] = *x;
	for (size_t k = 1; k < n->n_input; k++) {
		THAW_TRY(thaw_onnx_value_input(m, n, (int)k, &x));
		v[1] = *x;
		THAW_TRY(thaw_onnx_apply_two(m, n, v, binary_of(n)));
	}
	THAW_TRY(thaw_onnx_as_tensor(m, n, &v[0]));
	if (strcmp(n->op_type, "Mean") == 0)
		THAW_TRY(thaw_onnx_apply(m, n, &v[0], THAW_FN_AFFINE, 1.0f / (float)n->n_input, 0.0f));
	return thaw_onnx_value_output(m, n, 0, &v[0]);
}
