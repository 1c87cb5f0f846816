/* Strided walks over broadcast, permuted or sliced arrays. */
#include <string.h>

#include "src/onnx/constant/evaluator.h"

void thaw_onnx_strides(int64_t stride[THAW_MAX_DIMS], const struct thaw_shape *shape)
{
	int64_t step = 1;
	for (int i = shape->ndim - 1; i >= 0; i--) {
		stride[i] = step;
		step *= shape->dim[i];
	}
}

void thaw_onnx_walk_next(struct thaw_onnx_walk *w)
{
	for (int i = w->shape.ndim - 1; i >= 0; i--) {
		w->at += w->stride[i];
		if (++w->index[i] < w->shape.dim[i])
			return;
		w->at -= w->stride[i] * w->shape.dim[i];
		w->index[i] = 0;
	}
}

void thaw_onnx_walk_copy(struct thaw_onnx_walk *w, struct thaw_onnx_constant *to, const struct thaw_onnx_constant *from)
{
	size_t size = thaw_dtype_size(to->type);
	int64_t count = thaw_shape_count(&w->shape);
	for (int64_t i = 0; i < count; i++) {
		memcpy((char *)to->data + (size_t)i * size, (const char *)from->data + (size_t)w->at * size, size);
		thaw_onnx_walk_next(w);
	}
}

thaw_status thaw_onnx_broadcast(struct thaw_shape *shape, const struct thaw_onnx_call *c,
				const struct thaw_shape *other)
{
	struct thaw_shape wide = shape->ndim >= other->ndim ? *shape : *other;
	const struct thaw_shape *narrow = shape->ndim >= other->ndim ? other : shape;
	int skip = wide.ndim - narrow->ndim;
	for (int i = 0; i < narrow->ndim; i++) {
		int64_t *dim = &wide.dim[skip + i];
		if (*dim != narrow->dim[i] && *dim != 1 && narrow->dim[i] != 1)
			return thaw_onnx_fail_node(c->o->node, "its shapes do not broadcast: %lld and %lld",
						   (long long)*dim, (long long)narrow->dim[i]);
		if (*dim == 1)
			*dim = narrow->dim[i];
	}
	*shape = wide;
	return THAW_OK;
}

struct thaw_onnx_walk thaw_onnx_walk_broadcast(const struct thaw_shape *shape, const struct thaw_shape *from)
{
	struct thaw_onnx_walk w = {.shape = *shape};
	int64_t dense[THAW_MAX_DIMS];
	thaw_onnx_strides(dense, from);
	int skip = shape->ndim - from->ndim;
	for (int i = 0; i < from->ndim; i++)
		w.stride[skip + i] = from->dim[i] == 1 ? 0 : dense[i];
	return w;
}
