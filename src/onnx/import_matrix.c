/* Matrix products: with known elements a linear layer, whose weights train; else a product of two tensors. */
#include <string.h>

#include "src/onnx/importer.h"

/* Output 0: what `node` makes of rows like v's, of another length. */
static thaw_status rows_output(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int node,
			       struct thaw_onnx_value *v)
{
	struct thaw_shape shape;
	THAW_TRY(thaw_onnx_shape(m, node, &shape));
	int last = v->axes.tensor.rank - 1;
	if (shape.rank != last + 1) /* (N,1,1,C) became (N,C) */
		thaw_onnx_axes_set(&v->axes, &shape, m->images);
	else
		thaw_onnx_axes_resize(&v->axes, last, shape.dim[last]);
	v->node = node;
	return thaw_onnx_value_output(m, n, 0, v);
}

/* weight (I,O), or (O,I) if `transposed`, becomes (O,I), times alpha. */
static float *linear_weight(const struct thaw_onnx_constant *c, bool transposed, float alpha, struct thaw_shape *shape)
{
	const float *from = c->data;
	int64_t in = c->shape.dim[transposed], out = c->shape.dim[!transposed];
	*shape = thaw_shape_of(out, in);
	float *data = thaw_alloc((size_t)(in * out), sizeof *data);
	for (int64_t o = 0; data && o < out; o++)
		for (int64_t i = 0; i < in; i++)
			data[o * in + i] = alpha * from[transposed ? o * in + i : i * out + o];
	return data;
}

/* A linear layer on the rows of x. bias: NULL, one value, or one for each output; times beta. */
static thaw_status linear(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			  bool transposed, float alpha, const struct thaw_onnx_constant *bias, float beta)
{
	const struct thaw_onnx_constant *weight;
	struct thaw_shape shape;
	THAW_TRY(thaw_onnx_constant_input(m, n, 1, &weight));
	THAW_TRY(thaw_onnx_as_rows(m, n, x));
	int64_t in = weight->shape.dim[transposed], out = weight->shape.dim[!transposed];
	if (x->axes.tensor.dim[x->axes.tensor.rank - 1] != in)
		return thaw_onnx_fail_node(n, "a row of %lld values does not fit its weights of %lld",
					   (long long)x->axes.tensor.dim[x->axes.tensor.rank - 1], (long long)in);
	int node = thaw_onnx_add(m, n, "linear", NULL, &x->node, 1);
	float *data = linear_weight(weight, transposed, alpha, &shape);
	if (!data)
		return THAW_RESOURCE;
	thaw_status status = thaw_onnx_param(m, node, n->input[1], THAW_ROLE_WEIGHT, &shape, data);
	thaw_free(data);
	THAW_TRY(status);
	if (bias) {
		struct thaw_shape row = thaw_shape_of(out);
		bool one = thaw_shape_count(&bias->shape) == 1;
		if (!(data = thaw_alloc((size_t)out, sizeof *data)))
			return THAW_RESOURCE;
		for (int64_t o = 0; o < out; o++)
			data[o] = beta * ((const float *)bias->data)[one ? 0 : o];
		status = thaw_onnx_param(m, node, n->input[2], THAW_ROLE_BIAS, &row, data);
		thaw_free(data);
		THAW_TRY(status);
	}
	return rows_output(m, n, node, x);
}

/* Two tensors of one rank whose axes before the last two agree or are 1: (..,M,K) times (..,K,N). */
static thaw_status product(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *a,
			   struct thaw_onnx_value *b)
{
	struct thaw_attrs attrs = {0};
	struct thaw_shape shape;
	struct thaw_onnx_value *const both[] = {a, b};
	int rank = a->axes.rank > b->axes.rank ? a->axes.rank : b->axes.rank;
	if (a->axes.rank < 2 || b->axes.rank < 2)
		return thaw_onnx_fail_node(n, "a vector; only matrices are supported");
	for (int k = 0; k < 2; k++) {
		struct thaw_onnx_making making = {.rank = rank};
		const struct thaw_onnx_axes *v = &both[k]->axes;
		for (int i = 0; i < v->count; i++) {
			making.order[i] = v->order[i];
			making.target[i] = v->of[i] + rank - v->rank;
		}
		if (v->batched && (making.order[0] != 0 || making.target[0] != 0))
			return thaw_onnx_fail_node(n, "the images are not along the first axis");
		THAW_TRY(thaw_onnx_make(m, n, both[k], &making));
	}
	int inputs[] = {a->node, b->node};
	int node = thaw_onnx_add(m, n, "matmul", &attrs, inputs, 2);
	THAW_TRY(thaw_onnx_shape(m, node, &shape));
	struct thaw_onnx_value y = {.node = node};
	thaw_onnx_axes_set(&y.axes, &shape, a->axes.batched || b->axes.batched ? m->images : 0);
	return thaw_onnx_value_output(m, n, 0, &y);
}

/* Whether input 1 is a known matrix of F32. */
static thaw_status has_weight(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, bool *is)
{
	struct thaw_onnx_value *v;
	THAW_TRY(thaw_onnx_value_input(m, n, 1, &v));
	*is = v->constant && v->constant->type == THAW_F32 && v->constant->shape.rank == 2;
	return THAW_OK;
}

thaw_status thaw_onnx_import_matmul(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value a, b;
	bool weight;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &a));
	THAW_TRY(has_weight(m, n, &weight));
	if (weight && a.axes.rank > 1)
		return linear(m, n, &a, false, 1.0f, NULL, 0.0f);
	THAW_TRY(thaw_onnx_tensor_input(m, n, 1, &b));
	return product(m, n, &a, &b);
}

thaw_status thaw_onnx_import_gemm(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	static const int exchange[] = {1, 0};
	struct thaw_onnx_value a;
	const struct thaw_onnx_constant *bias = NULL;
	float alpha, beta;
	int64_t trans_a, trans_b;
	bool weight;
	THAW_TRY(thaw_onnx_attribute_float(&alpha, n, "alpha", 1.0f));
	THAW_TRY(thaw_onnx_attribute_float(&beta, n, "beta", 1.0f));
	THAW_TRY(thaw_onnx_attribute_int(&trans_a, n, "transA", 0));
	THAW_TRY(thaw_onnx_attribute_int(&trans_b, n, "transB", 0));
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &a));
	THAW_TRY(has_weight(m, n, &weight));
	THAW_TRY(thaw_onnx_constant_input(m, n, 2, &bias));
	if (a.axes.rank != 2 || !weight)
		return thaw_onnx_fail_node(n, "only a matrix with constant weights is supported");
	if (trans_a)
		thaw_onnx_axes_transpose(&a.axes, exchange);
	int64_t out = thaw_onnx_value_find(m, n->input[1])->constant->shape.dim[trans_b ? 0 : 1];
	if (bias) {
		const struct thaw_shape *s = &bias->shape;
		int64_t count = thaw_shape_count(s);
		bool row = count == 1 || (count == out && s->rank > 0 && s->dim[s->rank - 1] == out);
		if (!row || bias->type != THAW_F32)
			return thaw_onnx_fail_node(n, "input C is no row of F32");
	}
	return linear(m, n, &a, trans_b != 0, alpha, bias, beta);
}
