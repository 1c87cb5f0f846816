/* Reshape and Slice of values: by a change of the view if possible, else of a copy of the tensor in view order. */
#include "src/base/try.h"
#include "src/onnx/import/importer.h"

void thaw_onnx_dims(const struct thaw_onnx_value *v, int64_t *dim)
{
	for (int i = 0; i < v->axes.ndim; i++)
		dim[i] = thaw_onnx_axes_dim(&v->axes, i);
}

thaw_status thaw_onnx_reshape(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			      const int64_t *dim, int ndim)
{
	if (ndim > THAW_MAX_DIMS)
		return thaw_onnx_fail_node(n, "its result has %d axes; at most %d are supported", ndim, THAW_MAX_DIMS);
	if (thaw_onnx_axes_reshape(&v->axes, dim, ndim))
		return THAW_OK;
	THAW_TRY(thaw_onnx_in_order(m, n, v));
	if (thaw_onnx_axes_reshape(&v->axes, dim, ndim))
		return THAW_OK;
	int64_t images = v->axes.batched ? m->images : 1;
	int64_t flat[] = {images, thaw_onnx_axes_count(&v->axes) / images};
	struct thaw_onnx_arrangement arrangement;
	if (thaw_onnx_axes_reshape(&v->axes, flat, 2)) {
		thaw_onnx_axes_in_order(&v->axes, &arrangement);
		THAW_TRY(thaw_onnx_rearrange(m, n, v, &arrangement));
		if (thaw_onnx_axes_reshape(&v->axes, dim, ndim))
			return THAW_OK;
	}
	return thaw_onnx_fail_node(n, "the batch axis would be joined with another one, or the sizes do not match");
}

thaw_status thaw_onnx_slice(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v, int axis,
			    int64_t start, int64_t step, int64_t take)
{
	if (take < 1)
		return thaw_onnx_fail_node(n, "axis %d becomes empty", axis);
	if (thaw_onnx_axes_slice(&v->axes, axis, start, step, take))
		return THAW_OK;
	THAW_TRY(thaw_onnx_in_order(m, n, v));
	if (thaw_onnx_axes_slice(&v->axes, axis, start, step, take))
		return THAW_OK;
	return thaw_onnx_fail_node(n, "it slices the batch axis");
}
