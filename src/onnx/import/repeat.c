/* Expand and Tile: a product with a tensor of ones of the result's shape. */
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

/* Repeats x times[i] times along axis i, which has size 1. x may have fewer axes than `ndim`. */
static thaw_status repeat(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			  const int64_t *times, int ndim)
{
	struct thaw_onnx_value v[] = {*x, {0}};
	struct thaw_shape shape = {.ndim = ndim};
	for (int i = 0; i < ndim; i++)
		shape.dim[i] = times[i];
	bool once = ndim == x->axes.ndim;
	for (int i = 0; i < ndim; i++)
		once &= times[i] == 1;
	if (once)
		return THAW_OK;
	float *ones;
	THAW_TRY(thaw_onnx_alloc_elements(n, &shape, &ones));
	int64_t count = thaw_shape_count(&shape);
	for (int64_t i = 0; i < count; i++)
		ones[i] = 1.0f;
	thaw_status status = thaw_onnx_fixed_tensor(m, n, &shape, ones, &v[1]);
	thaw_free(ones);
	THAW_TRY(status);
	THAW_TRY(thaw_onnx_apply_two(m, n, v, THAW_BINARY_MUL));
	*x = v[0];
	return THAW_OK;
}

thaw_status thaw_onnx_import_expand(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	const int64_t *wanted = NULL;
	int64_t times[THAW_MAX_DIMS];
	int count;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_read_ints(m, n, "", 1, &wanted, &count));
	int ndim = max_int(count, x.axes.ndim);
	if (count < 0 || ndim > THAW_MAX_DIMS)
		return thaw_onnx_fail_node(n, "its result has %d axes; at most %d are supported", ndim, THAW_MAX_DIMS);
	for (int i = 0; i < ndim; i++) {
		int axis = i - (ndim - x.axes.ndim);
		int64_t size = axis < 0 ? 1 : thaw_onnx_axes_dim(&x.axes, axis);
		int64_t want = i < ndim - count ? 1 : wanted[i - (ndim - count)];
		if (want < 1 || (want != size && want != 1 && size != 1))
			return thaw_onnx_fail_node(n, "an axis of size %lld cannot become %lld", (long long)size,
						   (long long)want);
		times[i] = size == 1 ? want : 1;
	}
	THAW_TRY(repeat(m, n, &x, times, ndim));
	return thaw_onnx_value_output(m, n, 0, &x);
}

/* Repeats along an axis of size 1 inserted before each repeated axis, then joins the two. */
thaw_status thaw_onnx_import_tile(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	const int64_t *repeats = NULL;
	int64_t dim[THAW_MAX_FACTORS], split[2 * THAW_MAX_FACTORS], times[2 * THAW_MAX_FACTORS];
	int count, ndim = 0;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_read_ints(m, n, "", 1, &repeats, &count));
	if (count != x.axes.ndim)
		return thaw_onnx_fail_node(n, "%d repeats for %d axes", count, x.axes.ndim);
	thaw_onnx_dims(&x, dim);
	for (int i = 0; i < count; i++) {
		if (repeats[i] < 1 || repeats[i] > THAW_ONNX_MAX_ELEMENTS / dim[i])
			return thaw_onnx_fail_node(n, "a repeat count of %lld is not supported", (long long)repeats[i]);
		if (repeats[i] > 1) {
			split[ndim] = 1;
			times[ndim++] = repeats[i];
		}
		split[ndim] = dim[i];
		times[ndim++] = 1;
		dim[i] *= repeats[i];
	}
	THAW_TRY(thaw_onnx_reshape(m, n, &x, split, ndim));
	THAW_TRY(repeat(m, n, &x, times, ndim));
	THAW_TRY(thaw_onnx_reshape(m, n, &x, dim, count));
	return thaw_onnx_value_output(m, n, 0, &x);
}
