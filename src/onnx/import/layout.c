/* Layout conversion: gives a value the tensor layout that an operator needs, by a change of its view if possible, else
 * by a reshape or rearrange node. */
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

thaw_status thaw_onnx_rearrange(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
				const struct thaw_onnx_arrangement *arrangement)
{
	struct thaw_attrs attrs = {0};
	bool copy, change;
	if (arrangement->ndim > THAW_MAX_DIMS)
		return thaw_onnx_fail_node(n, "its input needs %d axes; at most %d are supported", arrangement->ndim,
					   THAW_MAX_DIMS);
	thaw_onnx_axes_rearrange(&v->axes, arrangement, &attrs.factors, &copy, &change);
	if (copy || change)
		v->node = thaw_onnx_add(m, n, copy ? "rearrange" : "reshape", &attrs, &v->node, 1);
	return m->graph->failed;
}

thaw_status thaw_onnx_in_order(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v)
{
	struct thaw_onnx_arrangement arrangement;
	thaw_onnx_axes_in_order(&v->axes, &arrangement);
	return thaw_onnx_rearrange(m, n, v, &arrangement);
}

/* Whether each view axis i is exactly tensor axis wanted[i]. */
static bool axes_are(const struct thaw_onnx_axes *v, const int *wanted)
{
	for (int view_axis = 0, axis; view_axis < v->ndim; view_axis++)
		if (!thaw_onnx_axes_is_axis(v, view_axis, &axis) || axis != wanted[view_axis])
			return false;
	return true;
}

thaw_status thaw_onnx_as_image(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v)
{
	static const int image[] = {0, 3, 1, 2}; /* tensor axes of N, C, H and W */
	static const int order[] = {0, 2, 3, 1}; /* view axes of N, H, W and C */
	struct thaw_onnx_arrangement arrangement = {.ndim = 4};
	int count = 0;
	if (v->axes.ndim != 4)
		return thaw_onnx_fail_node(n, "its input has %d axes; only images (N,C,H,W) are supported",
					   v->axes.ndim);
	if (v->axes.tensor.ndim == 4 && axes_are(&v->axes, image))
		return THAW_OK;
	for (int target = 0; target < arrangement.ndim; target++)
		for (int i = 0; i < v->axes.count; i++)
			if (v->axes.view_axis[i] == order[target]) {
				arrangement.order[count] = v->axes.order[i];
				arrangement.target[count++] = target;
			}
	if (v->axes.batched && arrangement.order[0] != 0)
		return thaw_onnx_fail_node(n, "the first axis of its input is not the batch axis");
	return thaw_onnx_rearrange(m, n, v, &arrangement);
}

thaw_status thaw_onnx_as_rows(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		int axis;
		if (thaw_onnx_axes_whole(&v->axes) && thaw_onnx_axes_is_axis(&v->axes, v->axes.ndim - 1, &axis) &&
		    axis == v->axes.tensor.ndim - 1)
			return THAW_OK;
		THAW_TRY(thaw_onnx_in_order(m, n, v));
	}
	return thaw_onnx_fail_node(n, "the last axis of its input is the batch axis");
}

thaw_status thaw_onnx_as_whole(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v)
{
	return thaw_onnx_axes_whole(&v->axes) ? THAW_OK : thaw_onnx_in_order(m, n, v);
}

/* Makes every view axis exactly one tensor axis, including axes of size 1, which have no factor. */
static thaw_status as_plain_axes(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v)
{
	if (v->axes.ndim > THAW_MAX_DIMS || (v->axes.batched && (v->axes.order[0] != 0 || v->axes.view_axis[0] != 0)))
		return thaw_onnx_in_order(m, n, v);
	THAW_TRY(thaw_onnx_as_ndim(m, n, v, v->axes.ndim));
	const struct thaw_shape tensor = v->axes.tensor;
	thaw_onnx_axes_set(&v->axes, &tensor, v->axes.batched ? m->images : 0);
	return THAW_OK;
}

thaw_status thaw_onnx_as_axes(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			      const int *view_axis, int count, int *axis)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		bool fits = thaw_onnx_axes_whole(&v->axes);
		for (int k = 0; fits && k < count; k++)
			fits = thaw_onnx_axes_is_axis(&v->axes, view_axis[k], &axis[k]);
		if (fits)
			return THAW_OK;
		THAW_TRY(as_plain_axes(m, n, v));
	}
	return thaw_onnx_fail_node(n, "one of its axes combines the batch axis with another axis");
}

thaw_status thaw_onnx_as_ndim(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			      int ndim)
{
	struct thaw_onnx_arrangement arrangement = {.ndim = ndim};
	for (int i = 0; i < v->axes.count; i++) {
		arrangement.order[i] = v->axes.order[i];
		arrangement.target[i] = v->axes.view_axis[i] + ndim - v->axes.ndim;
	}
	if (v->axes.batched && (arrangement.order[0] != 0 || arrangement.target[0] != 0))
		return thaw_onnx_fail_node(n, "the first axis of its input is not the batch axis");
	return thaw_onnx_rearrange(m, n, v, &arrangement);
}

/* size[i] = the size of factor to->order[i] in a value of shape dim[ndim] that broadcasts to `to`: the factor's, or 1
 * if the value's axis has size 1. False if the value does not broadcast to `to`. */
static bool factor_sizes(const struct thaw_onnx_axes *to, const int64_t *dim, int ndim, int64_t *size)
{
	for (int axis = 0; axis < ndim; axis++) /* includes axes of size 1, which have no factor */
		if (dim[axis] != 1 && dim[axis] != thaw_onnx_axes_dim(to, axis + to->ndim - ndim))
			return false;
	for (int i = 0; i < to->count; i++) {
		int axis = to->view_axis[i] - (to->ndim - ndim);
		int64_t full = thaw_onnx_axes_dim(to, to->view_axis[i]);
		size[i] = axis >= 0 && dim[axis] == full ? to->factor[to->order[i]].take : 1;
	}
	return true;
}

/* Whether all factors of each tensor axis are broadcast, or none: only then do the tensors broadcast. */
static bool broadcasts_by_axis(const struct thaw_onnx_axes *to, const int64_t *size)
{
	for (int i = 0; i < to->count; i++)
		for (int k = 0; k < to->count; k++) {
			const struct thaw_onnx_factor *a = &to->factor[to->order[i]], *b = &to->factor[to->order[k]];
			if (a->axis == b->axis && (size[i] == a->take) != (size[k] == b->take))
				return false;
		}
	return true;
}

thaw_status thaw_onnx_align(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			    const struct thaw_onnx_axes *to, bool *done)
{
	int64_t dim[THAW_MAX_FACTORS], size[THAW_MAX_FACTORS];
	int place[THAW_MAX_FACTORS];
	for (int axis = 0; axis < v->axes.ndim; axis++)
		dim[axis] = thaw_onnx_axes_dim(&v->axes, axis);
	*done = v->axes.ndim <= to->ndim && factor_sizes(to, dim, v->axes.ndim, size) && broadcasts_by_axis(to, size);
	if (!*done)
		return THAW_OK;
	if (!thaw_onnx_axes_reshape(&v->axes, size, to->count)) {
		THAW_TRY(thaw_onnx_in_order(m, n, v));
		if (!thaw_onnx_axes_reshape(&v->axes, size, to->count)) {
			*done = false;
			return THAW_OK;
		}
	}
	for (int i = 0; i < to->count; i++)
		place[to->order[i]] = i;
	thaw_onnx_axes_transpose(&v->axes, place);
	struct thaw_onnx_arrangement arrangement = {.ndim = to->tensor.ndim};
	for (int i = 0; i < v->axes.count; i++) {
		arrangement.order[i] = v->axes.order[i];
		arrangement.target[i] = to->factor[v->axes.view_axis[i]].axis;
	}
	*done = !v->axes.batched || arrangement.order[0] == 0;
	return *done ? thaw_onnx_rearrange(m, n, v, &arrangement) : THAW_OK;
}

/* Copies a constant to the order of to's tensor. size, stride: of to's factors in the constant. */
static void fill_aligned(const float *from, float *data, const struct thaw_onnx_axes *to,
			 const struct thaw_shape *shape, const int64_t *size, const int64_t *stride)
{
	int64_t count = thaw_shape_count(shape);
	for (int64_t i = 0; i < count; i++) {
		int64_t rest = i, at = 0;
		for (int f = to->count - 1; f >= 0; f--) {
			at += rest % size[f] * stride[f];
			rest /= size[f];
		}
		data[i] = from[at];
	}
}

thaw_status thaw_onnx_align_constant(const struct thaw_onnx_constant *c, const struct thaw_onnx_axes *to,
				     struct thaw_shape *shape, float **data, bool *done)
{
	int64_t size[THAW_MAX_FACTORS], in_tensor[THAW_MAX_FACTORS], stride[THAW_MAX_FACTORS], step = 1;
	*done = c->shape.ndim <= to->ndim && factor_sizes(to, c->shape.dim, c->shape.ndim, size) &&
		broadcasts_by_axis(to, size);
	if (!*done)
		return THAW_OK;
	*shape = (struct thaw_shape){.ndim = to->tensor.ndim};
	for (int axis = 0; axis < shape->ndim; axis++)
		shape->dim[axis] = 1;
	for (int i = to->count - 1; i >= 0; i--) { /* the constant is in view order */
		in_tensor[to->order[i]] = size[i];
		stride[to->order[i]] = step;
		step *= size[i];
		shape->dim[to->factor[to->order[i]].axis] *= size[i];
	}
	if (to->batched && in_tensor[0] != 1) { /* a different constant per image: not in real networks */
		*done = false;
		return THAW_OK;
	}
	*data = thaw_alloc((size_t)thaw_shape_count(shape), sizeof(**data));
	if (!*data)
		return THAW_RESOURCE;
	fill_aligned(c->data, *data, to, shape, in_tensor, stride);
	return THAW_OK;
}
