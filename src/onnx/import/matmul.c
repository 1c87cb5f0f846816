/* MatMul and Gemm: a linear layer if the second matrix is constant, so that it trains; else a product of two tensors.
 */
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

/* *v = the output of `node`, which maps the rows of *v to rows of another length. */
static thaw_status rows_output(struct thaw_onnx_importer *m, int node, struct thaw_onnx_value *v)
{
	struct thaw_shape shape;
	THAW_TRY(thaw_onnx_node_shape(m, node, &shape));
	int last = v->axes.tensor.ndim - 1;
	if (shape.ndim != last + 1) /* (N,1,1,C) became (N,C) */
		thaw_onnx_axes_set(&v->axes, &shape, m->images);
	else
		thaw_onnx_axes_resize(&v->axes, last, shape.dim[last]);
	v->node = node;
	return THAW_OK;
}

/* alpha times the weight, as (O,I). The input is (I,O), or (O,I) if `transposed`. NULL if out of memory. */
static float *linear_weight(const struct thaw_onnx_constant *c, bool transposed, float alpha, struct thaw_shape *shape)
{
	const float *from = c->data;
	int64_t in = c->shape.dim[transposed], out = c->shape.dim[!transposed];
	*shape = thaw_shape_of(out, in);
	float *data = thaw_alloc((size_t)(in * out), sizeof(*data));
	for (int64_t o = 0; data && o < out; o++)
		for (int64_t i = 0; i < in; i++)
			data[o * in + i] = alpha * from[transposed ? o * in + i : i * out + o];
	return data;
}

/* Applies a linear layer with input 1 as its weight to the rows of *x. bias: NULL, one value, or one per output; scaled
 * by beta. */
static thaw_status linear(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			  bool transposed, float alpha, const struct thaw_onnx_constant *bias, float beta)
{
	const struct thaw_onnx_constant *weight;
	struct thaw_shape shape;
	THAW_TRY(thaw_onnx_constant_input(m, n, 1, &weight));
	THAW_TRY(thaw_onnx_as_rows(m, n, x));
	int64_t in = weight->shape.dim[transposed], out = weight->shape.dim[!transposed];
	if (x->axes.tensor.dim[x->axes.tensor.ndim - 1] != in)
		return thaw_onnx_fail_node(
			n, "its input has rows of %lld elements, which does not fit its weights for %lld",
			(long long)x->axes.tensor.dim[x->axes.tensor.ndim - 1], (long long)in);
	int node = thaw_onnx_add(m, n, "linear", NULL, &x->node, 1);
	float *data = NULL;
	bool as_is = transposed && alpha == 1.0f; /* is (O,I) */
	if (!as_is && !(data = linear_weight(weight, transposed, alpha, &shape)))
		return THAW_RESOURCE;
	thaw_status status = thaw_onnx_param(m, node, n->input[1], THAW_ROLE_WEIGHT, as_is ? &weight->shape : &shape,
					     as_is ? weight->data : data);
	thaw_free(data);
	THAW_TRY(status);
	if (bias) {
		struct thaw_shape row = thaw_shape_of(out);
		bool one = thaw_shape_count(&bias->shape) == 1;
		if (!(data = thaw_alloc((size_t)out, sizeof(*data))))
			return THAW_RESOURCE;
		for (int64_t o = 0; o < out; o++)
			data[o] = beta * ((const float *)bias->data)[one ? 0 : o];
		status = thaw_onnx_param(m, node, n->input[2], THAW_ROLE_BIAS, &row, data);
		thaw_free(data);
		THAW_TRY(status);
	}
	return rows_output(m, node, x);
}

/* v[0] = alpha * v[0] (...,M,K) * v[1] (...,K,N) with broadcast leading axes. For a vector, an axis of size 1 is added
 * and removed from the result. */
static thaw_status product(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			   float alpha)
{
	struct thaw_attrs attrs = {.scale = alpha};
	struct thaw_shape shape;
	bool vector[] = {v[0].axes.ndim == 1, v[1].axes.ndim == 1};
	for (int k = 0; k < 2; k++) {
		int64_t size = thaw_onnx_axes_count(&v[k].axes);
		if (v[k].axes.ndim < 1)
			return thaw_onnx_fail_node(n, "one of its inputs is a scalar");
		if (vector[k])
			THAW_TRY(thaw_onnx_reshape(m, n, &v[k], (int64_t[]){k == 0 ? 1 : size, k == 0 ? size : 1}, 2));
	}
	int ndim = max_int(v[0].axes.ndim, v[1].axes.ndim);
	THAW_TRY(thaw_onnx_as_ndim(m, n, &v[0], ndim));
	THAW_TRY(thaw_onnx_as_ndim(m, n, &v[1], ndim));
	bool batched = v[0].axes.batched || v[1].axes.batched;
	int inputs[] = {v[0].node, v[1].node};
	v[0] = (struct thaw_onnx_value){.node = thaw_onnx_add(m, n, "matmul", &attrs, inputs, 2)};
	THAW_TRY(thaw_onnx_node_shape(m, v[0].node, &shape));
	thaw_onnx_axes_set(&v[0].axes, &shape, batched ? m->images : 0);
	if (alpha == 0.0f) /* a scale of 0 means 1 to the operator */
		THAW_TRY(thaw_onnx_apply(m, n, &v[0], THAW_FN_AFFINE, 0.0f, 0.0f));
	int kept = 0;
	for (int i = 0; i < ndim; i++)
		if (!(i == ndim - 2 && vector[0]) && !(i == ndim - 1 && vector[1]))
			shape.dim[kept++] = shape.dim[i];
	return kept < ndim ? thaw_onnx_reshape(m, n, &v[0], shape.dim, kept) : THAW_OK;
}

/* *is = whether input 1 is a constant F32 matrix. */
static thaw_status has_weight(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, bool *is)
{
	struct thaw_onnx_value *v;
	THAW_TRY(thaw_onnx_value_input(m, n, 1, &v));
	*is = v->constant && v->constant->type == THAW_F32 && v->constant->shape.ndim == 2;
	return THAW_OK;
}

thaw_status thaw_onnx_import_matmul(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v[2];
	bool weight;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v[0]));
	THAW_TRY(has_weight(m, n, &weight));
	if (weight && v[0].axes.ndim > 1) {
		THAW_TRY(linear(m, n, &v[0], false, 1.0f, NULL, 0.0f));
	} else {
		THAW_TRY(thaw_onnx_tensor_input(m, n, 1, &v[1]));
		THAW_TRY(product(m, n, v, 1.0f));
	}
	return thaw_onnx_value_output(m, n, 0, &v[0]);
}

/* Whether input 2 of Gemm can be the bias of a linear layer: a constant row. */
static bool is_row(const struct thaw_onnx_value *c, int64_t out)
{
	if (!c->constant || c->constant->type != THAW_F32)
		return false;
	const struct thaw_shape *s = &c->constant->shape;
	int64_t count = thaw_shape_count(s);
	return count == 1 || (count == out && s->ndim > 0 && s->dim[s->ndim - 1] == out);
}

/* *x += beta * input 2. */
static thaw_status add_matrix(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			      float beta)
{
	struct thaw_onnx_value v[] = {*x, {0}};
	THAW_TRY(thaw_onnx_tensor_input(m, n, 2, &v[1]));
	if (beta != 1.0f)
		THAW_TRY(thaw_onnx_apply(m, n, &v[1], THAW_FN_AFFINE, beta, 0.0f));
	THAW_TRY(thaw_onnx_apply_two(m, n, v, THAW_BINARY_ADD));
	*x = v[0];
	return THAW_OK;
}

/* alpha * A * B + beta * C; a linear layer if B is constant and C a constant row. */
thaw_status thaw_onnx_import_gemm(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	static const int exchange[] = {1, 0};
	struct thaw_onnx_value v[2], *b, *c = NULL;
	float alpha, beta;
	int64_t trans_a, trans_b;
	bool weight;
	THAW_TRY(thaw_onnx_attribute_float(&alpha, n, "alpha", 1.0f));
	THAW_TRY(thaw_onnx_attribute_float(&beta, n, "beta", 1.0f));
	THAW_TRY(thaw_onnx_attribute_int(&trans_a, n, "transA", 0));
	THAW_TRY(thaw_onnx_attribute_int(&trans_b, n, "transB", 0));
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v[0]));
	THAW_TRY(has_weight(m, n, &weight));
	THAW_TRY(thaw_onnx_value_input(m, n, 1, &b));
	if (thaw_onnx_has_input(n, 2))
		THAW_TRY(thaw_onnx_value_input(m, n, 2, &c));
	if (v[0].axes.ndim != 2 || (b->constant ? b->constant->shape.ndim : b->axes.ndim) != 2)
		return thaw_onnx_fail_node(n, "A or B is not a matrix");
	if (trans_a)
		thaw_onnx_axes_transpose(&v[0].axes, exchange);
	bool row = c && weight && is_row(c, b->constant->shape.dim[trans_b ? 0 : 1]);
	if (weight) {
		THAW_TRY(linear(m, n, &v[0], trans_b != 0, alpha, row ? c->constant : NULL, beta));
	} else {
		THAW_TRY(thaw_onnx_tensor_input(m, n, 1, &v[1]));
		if (trans_b)
			thaw_onnx_axes_transpose(&v[1].axes, exchange);
		THAW_TRY(product(m, n, v, alpha));
	}
	if (c && !row)
		THAW_TRY(add_matrix(m, n, &v[0], beta));
	return thaw_onnx_value_output(m, n, 0, &v[0]);
}
