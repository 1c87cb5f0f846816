/* Slice and Split. */
#include "src/base/minmax.h"
#include "src/onnx/import/importer.h"

/* Clamps *start of a Slice to an axis of size `dim`; *take = the number of indices from *start to `end` by `step`. */
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
	*take = span > 0 ? (span - 1) / stride + 1 : 0;
}

thaw_status thaw_onnx_import_slice(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	const int64_t *starts = NULL, *ends = NULL, *axes = NULL, *steps = NULL;
	int count, end_count, axis_count, step_count;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_read_ints(m, n, "starts", 1, &starts, &count));
	THAW_TRY(thaw_onnx_read_ints(m, n, "ends", 2, &ends, &end_count));
	THAW_TRY(thaw_onnx_read_ints(m, n, "axes", 3, &axes, &axis_count));
	THAW_TRY(thaw_onnx_read_ints(m, n, "steps", 4, &steps, &step_count));
	if (count < 0 || end_count != count || (axis_count >= 0 && axis_count != count) ||
	    (step_count >= 0 && step_count != count))
		return thaw_onnx_fail_node(n, "starts, ends, axes and steps differ in number");
	for (int k = 0, axis; k < count; k++) {
		int64_t start = starts[k], step = step_count > 0 ? steps[k] : 1, take;
		THAW_TRY(thaw_onnx_check_axis(n, axis_count > 0 ? axes[k] : k, v.axes.ndim, &axis));
		if (step == 0 || step == INT64_MIN)
			return thaw_onnx_fail_node(n, "a step of %lld is invalid", (long long)step);
		clamp_range(thaw_onnx_axes_dim(&v.axes, axis), step, &start, ends[k], &take);
		if (take == 1)
			step = 1; /* not used; a large one could overflow */
		THAW_TRY(thaw_onnx_slice(m, n, &v, axis, start, step, take));
	}
	return thaw_onnx_value_output(m, n, 0, &v);
}

thaw_status thaw_onnx_import_split(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	const int64_t *sizes = NULL;
	int64_t axis_attribute, start = 0;
	int count, axis;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_attribute_int(&axis_attribute, n, "axis", 0));
	THAW_TRY(thaw_onnx_check_axis(n, axis_attribute, v.axes.ndim, &axis));
	THAW_TRY(thaw_onnx_read_ints(m, n, "split", 1, &sizes, &count));
	int64_t dim = thaw_onnx_axes_dim(&v.axes, axis), parts = (int64_t)n->n_output;
	if (count >= 0 ? count != parts : parts == 0)
		return thaw_onnx_fail_node(n, "%d sizes for %lld outputs", count, (long long)parts);
	int64_t even = parts > 0 ? (dim + parts - 1) / parts : 0; /* since opset 18 the last part may be smaller */
	for (int k = 0; k < parts; k++) {
		int64_t take = count >= 0 ? sizes[k] : min_int64(even, dim - start);
		struct thaw_onnx_value part = v;
		if (take < 1 || take > dim - start)
			return thaw_onnx_fail_node(n, "its parts do not fit an axis of size %lld", (long long)dim);
		THAW_TRY(thaw_onnx_slice(m, n, &part, axis, start, 1, take));
		THAW_TRY(thaw_onnx_value_output(m, n, k, &part));
		start += take;
	}
	return THAW_OK;
}
