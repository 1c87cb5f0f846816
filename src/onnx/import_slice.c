/* Operators that take a part of an axis. */
#include "src/onnx/importer.h"

/* What of an axis of size `dim` goes from start to end by step, as Slice has it. */
static void clamp_range(int64_t dim, int64_t step, int64_t *start, int64_t end, int64_t *take)
{
	int64_t low = step < 0 ? -1 : 0, high = step < 0 ? dim - 1 : dim;
	*start = *start < 0 ? *start + dim : *start;
	end = end < 0 ? end + dim : end;
	if (step < 0 && end < -1)
		end = -1;
	*start = *start < 0 ? (step < 0 ? -1 : 0) : *start > high ? high : *start;
	end = end < low ? low : end > high + (step < 0) ? high + (step < 0) : end;
	int64_t span = step > 0 ? end - *start : *start - end, stride = step > 0 ? step : -step;
	*take = span > 0 ? (span + stride - 1) / stride : 0;
}

thaw_status thaw_onnx_import_slice(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	const int64_t *starts = NULL, *ends = NULL, *axes = NULL, *steps = NULL;
	int count, end_count, axis_count, step_count;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_ints(m, n, "starts", 1, &starts, &count));
	THAW_TRY(thaw_onnx_ints(m, n, "ends", 2, &ends, &end_count));
	THAW_TRY(thaw_onnx_ints(m, n, "axes", 3, &axes, &axis_count));
	THAW_TRY(thaw_onnx_ints(m, n, "steps", 4, &steps, &step_count));
	if (count < 0 || end_count != count || (axis_count >= 0 && axis_count != count) ||
	    (step_count >= 0 && step_count != count))
		return thaw_onnx_fail_node(n, "starts, ends, axes and steps are not equally many");
	for (int k = 0, axis; k < count; k++) {
		int64_t start = starts[k], step = step_count > 0 ? steps[k] : 1, take;
		THAW_TRY(thaw_onnx_normal_axis(n, axis_count > 0 ? axes[k] : k, v.axes.rank, &axis));
		if (step == 0 || step == INT64_MIN)
			return thaw_onnx_fail_node(n, "a step of %lld", (long long)step);
		clamp_range(thaw_onnx_axes_dim(&v.axes, axis), step, &start, ends[k], &take);
		THAW_TRY(thaw_onnx_slice(m, n, &v, axis, start, step, take));
	}
	return thaw_onnx_value_output(m, n, 0, &v);
}

thaw_status thaw_onnx_import_split(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	const int64_t *sizes = NULL;
	int64_t wanted, start = 0;
	int count, axis;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_attribute_int(&wanted, n, "axis", 0));
	THAW_TRY(thaw_onnx_normal_axis(n, wanted, v.axes.rank, &axis));
	THAW_TRY(thaw_onnx_ints(m, n, "split", 1, &sizes, &count));
	int64_t dim = thaw_onnx_axes_dim(&v.axes, axis), parts = (int64_t)n->n_output;
	if (count >= 0 ? count != parts : parts == 0)
		return thaw_onnx_fail_node(n, "%d sizes for %lld outputs", count, (long long)parts);
	int64_t even = parts > 0 ? (dim + parts - 1) / parts : 0; /* the last may be smaller, from opset 18 on */
	for (int k = 0; k < parts; k++) {
		int64_t take = count >= 0 ? sizes[k] : start + even > dim ? dim - start : even;
		struct thaw_onnx_value part = v;
		if (take < 1 || take > dim - start)
			return thaw_onnx_fail_node(n, "parts that do not fit an axis of %lld", (long long)dim);
		THAW_TRY(thaw_onnx_slice(m, n, &part, axis, start, 1, take));
		THAW_TRY(thaw_onnx_value_output(m, n, k, &part));
		start += take;
	}
	return THAW_OK;
}

/* Whole numbers of any shape; THAW_DATA for others. */
static thaw_status index_at(const Onnx__NodeProto *n, const struct thaw_onnx_constant *c, int64_t k, int64_t dim,
			    int64_t *index)
{
	if (c->type != THAW_I64 && c->type != THAW_I32)
		return thaw_onnx_fail_node(n, "indices are no whole numbers");
	*index = c->type == THAW_I64 ? ((const int64_t *)c->data)[k] : ((const int32_t *)c->data)[k];
	*index = *index < 0 ? *index + dim : *index;
	if (*index < 0 || *index >= dim)
		return thaw_onnx_fail_node(n, "index %lld of an axis of %lld", (long long)*index, (long long)dim);
	return THAW_OK;
}

/* Gather: one index, or several at equal distances, are a slice. */
thaw_status thaw_onnx_import_gather(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	const struct thaw_onnx_constant *c;
	int64_t wanted, dim[THAW_MAX_FACTORS], first = 0, step = 1, index = 0;
	int axis, rank = 0;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_constant_input(m, n, 1, &c));
	THAW_TRY(thaw_onnx_attribute_int(&wanted, n, "axis", 0));
	THAW_TRY(thaw_onnx_normal_axis(n, wanted, v.axes.rank, &axis));
	int64_t count = c ? thaw_shape_count(&c->shape) : 0, size = thaw_onnx_axes_dim(&v.axes, axis);
	if (count < 1 || v.axes.rank - 1 + c->shape.rank > THAW_MAX_RANK)
		return thaw_onnx_fail_node(n, "no indices, or a result of more than %d axes", THAW_MAX_RANK);
	THAW_TRY(index_at(n, c, 0, size, &first));
	for (int64_t k = 1; k < count; k++) {
		THAW_TRY(index_at(n, c, k, size, &index));
		step = k == 1 ? index - first : step;
		if (index != first + k * step || step == 0)
			return thaw_onnx_fail_node(n, "indices that are not at equal distances");
	}
	THAW_TRY(thaw_onnx_slice(m, n, &v, axis, first, step, count));
	for (int i = 0; i < v.axes.rank; i++)
		for (int k = 0; k < (i == axis ? c->shape.rank : 1); k++)
			dim[rank++] = i == axis ? c->shape.dim[k] : thaw_onnx_axes_dim(&v.axes, i);
	THAW_TRY(thaw_onnx_reshape(m, n, &v, dim, rank));
	return thaw_onnx_value_output(m, n, 0, &v);
}
