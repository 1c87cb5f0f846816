/* Operators along an axis: softmax, layer norm, reductions. */
#include <string.h>

#include "src/onnx/importer.h"

static const struct {
	const char *operator;
	enum thaw_reduction reduction;
} reductions[] = {
	{"ReduceL1", THAW_REDUCE_L1},          {"ReduceL2", THAW_REDUCE_L2},
	{"ReduceLogSum", THAW_REDUCE_LOG_SUM}, {"ReduceLogSumExp", THAW_REDUCE_LOG_SUM_EXP},
	{"ReduceMax", THAW_REDUCE_MAX},        {"ReduceMean", THAW_REDUCE_MEAN},
	{"ReduceMin", THAW_REDUCE_MIN},        {"ReduceProd", THAW_REDUCE_PROD},
	{"ReduceSum", THAW_REDUCE_SUM},        {"ReduceSumSquare", THAW_REDUCE_SUM_SQUARE},
};

/* Moves an axis of the view to its end; the same call with `back` moves it where it was. */
static void move_axis(struct thaw_onnx_axes *v, int axis, bool back)
{
	int permutation[THAW_MAX_FACTORS], last = v->rank - 1;
	for (int i = 0; i < v->rank; i++) {
		if (back)
			permutation[i] = i < axis ? i : i == axis ? last : i - 1;
		else
			permutation[i] = i < axis ? i : i == last ? axis : i + 1;
	}
	thaw_onnx_axes_transpose(v, permutation);
}

/* Before opset 13 the axes from `axis` on are one. */
thaw_status thaw_onnx_import_softmax(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	enum { SOFTMAX_BY_AXIS = 13 };
	struct thaw_onnx_value x;
	int64_t wanted, dim[THAW_MAX_FACTORS], flat[] = {1, 1};
	int axis;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_attribute_int(&wanted, n, "axis", m->opset < SOFTMAX_BY_AXIS ? 1 : -1));
	THAW_TRY(thaw_onnx_normal_axis(n, wanted, x.axes.rank, &axis));
	if (!m->keep_softmax && n->n_output > 0 && strcmp(n->output[0], m->output) == 0) {
		m->softmax_dropped = true;
		return thaw_onnx_value_output(m, n, 0, &x);
	}
	int rank = x.axes.rank;
	bool coerced = m->opset < SOFTMAX_BY_AXIS && axis != rank - 1;
	for (int i = 0; i < rank; i++) {
		dim[i] = thaw_onnx_axes_dim(&x.axes, i);
		flat[i >= axis] *= dim[i];
	}
	if (coerced) {
		THAW_TRY(thaw_onnx_in_order(m, n, &x));
		if (!thaw_onnx_axes_reshape(&x.axes, flat, 2))
			return thaw_onnx_fail_node(n, "axes from %d on cannot be taken as one", axis);
	} else {
		move_axis(&x.axes, axis, false);
	}
	THAW_TRY(thaw_onnx_as_rows(m, n, &x));
	x.node = thaw_onnx_add(m, n, "softmax", NULL, &x.node, 1);
	if (coerced)
		thaw_onnx_axes_reshape(&x.axes, dim, rank);
	else
		move_axis(&x.axes, axis, true);
	return thaw_onnx_value_output(m, n, 0, &x);
}

thaw_status thaw_onnx_import_layer_norm(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	static const enum thaw_role roles[] = {THAW_ROLE_SCALE, THAW_ROLE_SHIFT};
	struct thaw_onnx_value x;
	struct thaw_attrs attrs = {0};
	const struct thaw_onnx_constant *c;
	int64_t wanted;
	int axis;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_attribute_int(&wanted, n, "axis", -1));
	THAW_TRY(thaw_onnx_attribute_float(&attrs.epsilon, n, "epsilon", 1e-5f));
	THAW_TRY(thaw_onnx_normal_axis(n, wanted, x.axes.rank, &axis));
	if (axis != x.axes.rank - 1)
		return thaw_onnx_fail_node(n, "only a norm of the last axis is supported");
	THAW_TRY(thaw_onnx_as_rows(m, n, &x));
	int64_t size = x.axes.tensor.dim[x.axes.tensor.rank - 1];
	int node = thaw_onnx_add(m, n, "layer_norm", &attrs, &x.node, 1);
	for (int k = 1; k < 3 && thaw_onnx_has_input(n, k); k++) {
		THAW_TRY(thaw_onnx_constant_input(m, n, k, &c));
		if (c->type != THAW_F32 || c->shape.rank != 1 || c->shape.dim[0] != size)
			return thaw_onnx_fail_node(n, "input %s is no row of %lld F32", n->input[k], (long long)size);
		THAW_TRY(thaw_onnx_param(m, node, n->input[k], roles[k - 1], &c->shape, c->data));
	}
	return thaw_onnx_output_like(m, n, node, &x);
}

/* Which axes of the view go; all where none are given, unless that means none. */
static thaw_status reduced_axes(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int rank, int *of, int *count)
{
	const int64_t *axes = NULL;
	int64_t none;
	int given;
	unsigned seen = 0;
	THAW_TRY(thaw_onnx_ints(m, n, "axes", 1, &axes, &given));
	THAW_TRY(thaw_onnx_attribute_int(&none, n, "noop_with_empty_axes", 0));
	for (int k = 0, axis; k < given; k++) {
		THAW_TRY(thaw_onnx_normal_axis(n, axes[k], rank, &axis));
		seen |= 1u << axis;
	}
	if (given <= 0 && !none)
		seen = (1u << rank) - 1;
	*count = 0;
	for (int i = 0; i < rank; i++)
		if (seen & 1u << i)
			of[(*count)++] = i;
	return THAW_OK;
}

thaw_status thaw_onnx_import_reduce(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	struct thaw_attrs attrs = {0};
	int64_t keep, dim[THAW_MAX_FACTORS];
	int of[THAW_MAX_FACTORS], axis[THAW_MAX_FACTORS], count, rank = 0;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_attribute_int(&keep, n, "keepdims", 1));
	THAW_TRY(reduced_axes(m, n, x.axes.rank, of, &count));
	THAW_TRY(thaw_onnx_as_axes(m, n, &x, of, count, axis));
	for (size_t i = 0; i < sizeof reductions / sizeof reductions[0]; i++)
		if (strcmp(reductions[i].operator, n->op_type) == 0)
			attrs.reduction = reductions[i].reduction;
	for (int k = 0; k < count; k++) {
		if (axis[k] == 0 && x.axes.batched && x.axes.tensor.dim[0] > 1)
			return thaw_onnx_fail_node(n, "it puts images together");
		attrs.axes |= 1u << axis[k];
	}
	x.node = thaw_onnx_add(m, n, "reduce", &attrs, &x.node, 1);
	for (int i = 0, gone = 0; i < x.axes.rank; i++) {
		bool reduced = gone < count && of[gone] == i;
		gone += reduced;
		if (!reduced || keep)
			dim[rank++] = reduced ? 1 : thaw_onnx_axes_dim(&x.axes, i);
	}
	for (int k = 0; k < count; k++)
		if (axis[k] > 0 || !x.axes.batched)
			thaw_onnx_axes_resize(&x.axes, axis[k], 1);
	if (!thaw_onnx_axes_reshape(&x.axes, dim, rank))
		return thaw_onnx_fail_node(n, "axes that cannot be told apart");
	return thaw_onnx_value_output(m, n, 0, &x);
}
