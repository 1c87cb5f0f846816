/* Slice and Split. */
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/onnx/import/importer.h"

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
		int64_t start = starts[k], step = step_count > 0 ? steps[k] : 1;
		THAW_TRY(thaw_onnx_check_axis(n, axis_count > 0 ? axes[k] : k, v.axes.ndim, &axis));
		if (step == 0)
			return thaw_onnx_fail_node(n, "a step is 0");
		int64_t take = thaw_onnx_slice_range(thaw_onnx_axes_dim(&v.axes, axis), &start, ends[k], &step);

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
