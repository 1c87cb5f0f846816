/* Reshape, Flatten, Transpose, Squeeze, Unsqueeze: operators that change the view. */
#include "src/base/try.h"
#include "src/onnx/import/importer.h"

/* dim[ndim] = the resolved dimensions of Reshape: 0 copies from the input, -1 is inferred. */
static thaw_status resolve_dims(const Onnx__NodeProto *n, const struct thaw_onnx_value *v, const int64_t *wanted,
				int ndim, int64_t *dim)
{
	int64_t zero, known = 1, all = thaw_onnx_axes_count(&v->axes);
	int open = -1;
	THAW_TRY(thaw_onnx_attribute_int(&zero, n, "allowzero", 0));
	for (int i = 0; i < ndim; i++) {
		dim[i] = wanted[i] == 0 && !zero && i < v->axes.ndim ? thaw_onnx_axes_dim(&v->axes, i) : wanted[i];
		if (dim[i] == -1 && open < 0)
			open = i;
		else if (dim[i] < 1 || known > all / dim[i])
			return thaw_onnx_fail_node(n, "its input cannot have the requested shape");
		else
			known *= dim[i];
	}
	if (open >= 0 && all % known == 0)
		dim[open] = all / known;
	return THAW_OK;
}

thaw_status thaw_onnx_import_reshape(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	const int64_t *wanted = NULL;
	int64_t dim[THAW_MAX_DIMS];
	int ndim;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_read_ints(m, n, "shape", 1, &wanted, &ndim));
	if (ndim < 0 || ndim > THAW_MAX_DIMS)
		return thaw_onnx_fail_node(n, "its result has %d axes; 0 to %d are supported", ndim, THAW_MAX_DIMS);
	THAW_TRY(resolve_dims(n, &v, wanted, ndim, dim));
	THAW_TRY(thaw_onnx_reshape(m, n, &v, dim, ndim));
	return thaw_onnx_value_output(m, n, 0, &v);
}

thaw_status thaw_onnx_import_flatten(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	int64_t axis, dim[] = {1, 1};
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_attribute_int(&axis, n, "axis", 1));
	axis = axis < 0 ? axis + v.axes.ndim : axis;
	for (int i = 0; i < v.axes.ndim; i++)
		dim[i >= axis] *= thaw_onnx_axes_dim(&v.axes, i);
	THAW_TRY(thaw_onnx_reshape(m, n, &v, dim, 2));
	return thaw_onnx_value_output(m, n, 0, &v);
}

thaw_status thaw_onnx_import_transpose(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	const int64_t *perm = NULL;
	size_t count = 0;
	int permutation[THAW_MAX_FACTORS];
	unsigned seen = 0;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_attribute_ints(&perm, &count, n, "perm"));
	int ndim = v.axes.ndim;
	for (int i = 0; i < ndim; i++) {
		int64_t from = count > 0 && (size_t)i < count ? perm[i] : ndim - 1 - i;
		if (from < 0 || from >= ndim || seen & 1u << from || (count > 0 && count != (size_t)ndim))
			return thaw_onnx_fail_node(n, "perm is not a permutation of %d axes", ndim);
		seen |= 1u << from;
		permutation[i] = (int)from;
	}
	thaw_onnx_axes_transpose(&v.axes, permutation);
	return thaw_onnx_value_output(m, n, 0, &v);
}

/* *set: bit i is set for each axis i of axes[count]. THAW_DATA for an axis out of range or a duplicate. */
static thaw_status axis_set(const Onnx__NodeProto *n, const int64_t *axes, int count, int ndim, unsigned *set)
{
	for (int k = 0, axis; k < count; k++) {
		THAW_TRY(thaw_onnx_check_axis(n, axes[k], ndim, &axis));
		if (*set & 1u << axis)
			return thaw_onnx_fail_node(n, "axis %d is given twice", axis);
		*set |= 1u << axis;
	}
	return THAW_OK;
}

thaw_status thaw_onnx_import_squeeze(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	const int64_t *axes = NULL;
	int64_t dim[THAW_MAX_FACTORS], kept[THAW_MAX_FACTORS];
	int count, ndim = 0;
	unsigned removed = 0;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_read_ints(m, n, "axes", 1, &axes, &count));
	thaw_onnx_dims(&v, dim);
	if (count > 0)
		THAW_TRY(axis_set(n, axes, count, v.axes.ndim, &removed));
	for (int i = 0; i < v.axes.ndim; i++) {
		if (removed & 1u << i && dim[i] != 1)
			return thaw_onnx_fail_node(n, "axis %d has size %lld, not 1", i, (long long)dim[i]);
		if (count < 0 ? dim[i] != 1 : !(removed & 1u << i))
			kept[ndim++] = dim[i];
	}

	THAW_TRY(thaw_onnx_reshape(m, n, &v, kept, ndim));
	return thaw_onnx_value_output(m, n, 0, &v);
}

thaw_status thaw_onnx_import_unsqueeze(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	const int64_t *axes = NULL;
	int64_t dim[THAW_MAX_FACTORS], wider[THAW_MAX_FACTORS];
	int count, from = 0;
	unsigned added = 0;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_read_ints(m, n, "axes", 1, &axes, &count));
	thaw_onnx_dims(&v, dim);
	int ndim = v.axes.ndim + count;
	if (count < 0 || ndim > THAW_MAX_DIMS)
		return thaw_onnx_fail_node(n, "its result has %d axes; at most %d are supported", ndim, THAW_MAX_DIMS);
	THAW_TRY(axis_set(n, axes, count, ndim, &added));

	for (int i = 0; i < ndim; i++)
		wider[i] = added & 1u << i ? 1 : dim[from++];
	THAW_TRY(thaw_onnx_reshape(m, n, &v, wider, ndim));
	return thaw_onnx_value_output(m, n, 0, &v);
}
