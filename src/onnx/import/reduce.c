/* Reductions and global pooling. */
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/import/importer.h"

static const struct {
	const char *op_type;
	enum thaw_reduction reduction;
} reductions[] = {
	{"GlobalAveragePool", THAW_REDUCE_MEAN},
	{"GlobalMaxPool", THAW_REDUCE_MAX},
	{"ReduceL1", THAW_REDUCE_L1},
	{"ReduceL2", THAW_REDUCE_L2},
	{"ReduceLogSum", THAW_REDUCE_LOG_SUM},
	{"ReduceLogSumExp", THAW_REDUCE_LOG_SUM_EXP},
	{"ReduceMax", THAW_REDUCE_MAX},
	{"ReduceMean", THAW_REDUCE_MEAN},
	{"ReduceMin", THAW_REDUCE_MIN},
	{"ReduceProd", THAW_REDUCE_PROD},
	{"ReduceSum", THAW_REDUCE_SUM},
	{"ReduceSumSquare", THAW_REDUCE_SUM_SQUARE},
};

/* view_axis[*count] = the axes to reduce, ascending; if none are given all, unless noop_with_empty_axes is set. */
static thaw_status reduced_axes(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int ndim, int *view_axis,
				int *count)
{
	const int64_t *axes = NULL;
	int64_t none;
	int given;
	unsigned seen = 0;
	THAW_TRY(thaw_onnx_read_ints(m, n, "axes", 1, &axes, &given));
	THAW_TRY(thaw_onnx_attribute_int(&none, n, "noop_with_empty_axes", 0));
	for (int k = 0, axis; k < given; k++) {
		THAW_TRY(thaw_onnx_check_axis(n, axes[k], ndim, &axis));
		seen |= 1u << axis;
	}
	if (given <= 0 && !none)
		seen = (1u << ndim) - 1;
	*count = 0;
	for (int i = 0; i < ndim; i++)
		if (seen & 1u << i)
			view_axis[(*count)++] = i;
	return THAW_OK;
}

thaw_status thaw_onnx_reduce(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			     enum thaw_reduction reduction, const int *view_axis, int count)
{
	struct thaw_attrs attrs = {.reduction = reduction};
	int axis[THAW_MAX_FACTORS];
	int64_t dim[THAW_MAX_FACTORS];
	int ndim = x->axes.ndim;
	THAW_TRY(thaw_onnx_as_axes(m, n, x, view_axis, count, axis));
	thaw_onnx_dims(x, dim);
	for (int k = 0; k < count; k++) {
		if (axis[k] == 0 && x->axes.batched && x->axes.tensor.dim[0] > 1)
			return thaw_onnx_fail_node(n, "it reduces the batch axis");
		attrs.axes |= 1u << axis[k];
		dim[view_axis[k]] = 1;
	}
	x->node = thaw_onnx_add(m, n, "reduce", &attrs, &x->node, 1);
	for (int k = 0; k < count; k++)
		if (axis[k] > 0 || !x->axes.batched)
			thaw_onnx_axes_resize(&x->axes, axis[k], 1);
	if (!thaw_onnx_axes_reshape(&x->axes, dim, ndim))
		return thaw_onnx_fail_node(n, "its axes of size 1 cannot be distinguished");
	return m->graph->failed;
}

static enum thaw_reduction reduction_of(const Onnx__NodeProto *n)
{
	size_t i = 0;
	while (strcmp(reductions[i].op_type, n->op_type) != 0)
		i++;
	return reductions[i].reduction;
}

thaw_status thaw_onnx_import_reduce(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	int64_t keep, dim[THAW_MAX_FACTORS];
	int view_axis[THAW_MAX_FACTORS], count, ndim = 0;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_attribute_int(&keep, n, "keepdims", 1));
	THAW_TRY(reduced_axes(m, n, x.axes.ndim, view_axis, &count));
	THAW_TRY(thaw_onnx_reduce(m, n, &x, reduction_of(n), view_axis, count));
	for (int i = 0, gone = 0; i < x.axes.ndim; i++) {
		bool reduced = gone < count && view_axis[gone] == i;
		gone += reduced;
		if (!reduced || keep)
			dim[ndim++] = thaw_onnx_axes_dim(&x.axes, i);
	}
	if (!thaw_onnx_axes_reshape(&x.axes, dim, ndim))
		return thaw_onnx_fail_node(n, "its axes of size 1 cannot be distinguished");
	return thaw_onnx_value_output(m, n, 0, &x);
}

/* (N,C,...): reduces all axes after the channels. */
thaw_status thaw_onnx_import_global_pool(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	int view_axis[THAW_MAX_FACTORS], count = 0;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	if (x.axes.ndim < 3)
		return thaw_onnx_fail_node(n, "its input has %d axes; at least 3 are needed", x.axes.ndim);
	for (int i = 2; i < x.axes.ndim; i++)
		view_axis[count++] = i;
	THAW_TRY(thaw_onnx_reduce(m, n, &x, reduction_of(n), view_axis, count));
	return thaw_onnx_value_output(m, n, 0, &x);
}
