/* Nodes that only move elements: they change the view of a tensor, and make a tensor in the view's order where no view
 * of the one that there is can show them. */
#include <string.h>

#include "src/onnx/importer.h"

/* The view with these axes; as a tensor in one piece behind the images where the one that there is cannot show it. */
static thaw_status reshape(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			   const int64_t *dim, int rank)
{
	if (rank > THAW_MAX_RANK)
		return thaw_onnx_fail_node(n, "a result of %d axes; at most %d are supported", rank, THAW_MAX_RANK);
	if (thaw_onnx_axes_reshape(&v->axes, dim, rank))
		return THAW_OK;
	THAW_TRY(thaw_onnx_in_order(m, n, v));
	if (thaw_onnx_axes_reshape(&v->axes, dim, rank))
		return THAW_OK;
	int64_t images = v->axes.batched ? m->images : 1;
	int64_t flat[] = {images, thaw_onnx_axes_count(&v->axes) / images};
	struct thaw_onnx_making making;
	if (thaw_onnx_axes_reshape(&v->axes, flat, 2)) {
		thaw_onnx_axes_in_order(&v->axes, &making);
		THAW_TRY(thaw_onnx_make(m, n, v, &making));
		if (thaw_onnx_axes_reshape(&v->axes, dim, rank))
			return THAW_OK;
	}
	return thaw_onnx_fail_node(n, "the images and something else would share an axis, or sizes do not agree");
}

static thaw_status slice(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v, int axis,
			 int64_t start, int64_t step, int64_t take)
{
	if (take < 1)
		return thaw_onnx_fail_node(n, "nothing is left of axis %d", axis);
	if (thaw_onnx_axes_slice(&v->axes, axis, start, step, take))
		return THAW_OK;
	THAW_TRY(thaw_onnx_in_order(m, n, v));
	if (thaw_onnx_axes_slice(&v->axes, axis, start, step, take))
		return THAW_OK;
	return thaw_onnx_fail_node(n, "it takes some of the images");
}

static void dims_of(const struct thaw_onnx_value *v, int64_t *dim)
{
	for (int i = 0; i < v->axes.rank; i++)
		dim[i] = thaw_onnx_axes_dim(&v->axes, i);
}

thaw_status thaw_onnx_import_identity(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value *v;
	int64_t to;
	enum thaw_dtype type;
	THAW_TRY(thaw_onnx_value_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_attribute_int(&to, n, "to", thaw_onnx_type_of(THAW_F32)));
	if (!thaw_onnx_type((int32_t)to, &type) || (type != THAW_F32 && type != THAW_F16 && type != THAW_BF16))
		return thaw_onnx_fail_node(n, "what depends on the image is computed in floats only");
	return thaw_onnx_value_output(m, n, 0, v);
}

thaw_status thaw_onnx_import_dropout(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	struct thaw_attrs attrs = {0};
	const struct thaw_onnx_constant *ratio, *training;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_attribute_float(&attrs.rate, n, "ratio", 0.5f));
	THAW_TRY(thaw_onnx_constant_input(m, n, 1, &ratio));
	THAW_TRY(thaw_onnx_constant_input(m, n, 2, &training));
	if (training && *(const char *)training->data)
		return thaw_onnx_fail_node(n, "it is in training mode: export the network for evaluation");
	if (ratio && ratio->type == THAW_F32)
		attrs.rate = *(const float *)ratio->data;
	THAW_TRY(thaw_onnx_as_whole(m, n, &v));
	return thaw_onnx_output_like(m, n, thaw_onnx_add(m, n, "dropout", &attrs, &v.node, 1), &v);
}

thaw_status thaw_onnx_import_shape(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value *v, y = {.known = true};
	int64_t dim[THAW_MAX_FACTORS], start, end;
	THAW_TRY(thaw_onnx_value_input(m, n, 0, &v));
	int rank = v->axes.rank;
	dims_of(v, dim);
	THAW_TRY(thaw_onnx_attribute_int(&start, n, "start", 0));
	THAW_TRY(thaw_onnx_attribute_int(&end, n, "end", rank));
	start = start < 0 ? start + rank : start;
	end = end < 0 ? end + rank : end > rank ? rank : end;
	start = start < 0 ? 0 : start > end ? end : start;
	struct thaw_shape shape = thaw_shape_of(end - start);
	y.constant = thaw_alloc(1, sizeof *y.constant);
	if (!y.constant)
		return THAW_RESOURCE;
	thaw_status status = thaw_onnx_constant_make(y.constant, THAW_I64, &shape, THAW_MAX_FACTORS, "a shape");
	if (status == THAW_OK) {
		memcpy(y.constant->data, dim + start, (size_t)(end - start) * sizeof *dim);
		status = thaw_onnx_value_output(m, n, 0, &y);
		if (status == THAW_OK)
			return THAW_OK;
		thaw_onnx_constant_free(y.constant);
	}
	thaw_free(y.constant);
	return status;
}

/* The dimensions that Reshape asks for, given those of its input. */
static thaw_status wanted_dims(const Onnx__NodeProto *n, const struct thaw_onnx_value *v, const int64_t *wanted,
			       int rank, int64_t *dim)
{
	int64_t zero, known = 1, all = thaw_onnx_axes_count(&v->axes);
	int open = -1;
	THAW_TRY(thaw_onnx_attribute_int(&zero, n, "allowzero", 0));
	for (int i = 0; i < rank; i++) {
		dim[i] = wanted[i] == 0 && !zero && i < v->axes.rank ? thaw_onnx_axes_dim(&v->axes, i) : wanted[i];
		if (dim[i] == -1 && open < 0)
			open = i;
		else if (dim[i] < 1 || known > all / dim[i])
			return thaw_onnx_fail_node(n, "its input cannot have the shape it asks for");
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
	int64_t dim[THAW_MAX_RANK];
	int rank;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_ints(m, n, "shape", 1, &wanted, &rank));
	if (rank < 0 || rank > THAW_MAX_RANK)
		return thaw_onnx_fail_node(n, "a result of %d axes; 0 to %d are supported", rank, THAW_MAX_RANK);
	THAW_TRY(wanted_dims(n, &v, wanted, rank, dim));
	THAW_TRY(reshape(m, n, &v, dim, rank));
	return thaw_onnx_value_output(m, n, 0, &v);
}

thaw_status thaw_onnx_import_flatten(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	int64_t axis, dim[] = {1, 1};
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_attribute_int(&axis, n, "axis", 1));
	axis = axis < 0 ? axis + v.axes.rank : axis;
	for (int i = 0; i < v.axes.rank; i++)
		dim[i >= axis] *= thaw_onnx_axes_dim(&v.axes, i);
	THAW_TRY(reshape(m, n, &v, dim, 2));
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
	int rank = v.axes.rank;
	for (int i = 0; i < rank; i++) {
		int64_t from = count > 0 && (size_t)i < count ? perm[i] : rank - 1 - i;
		if (from < 0 || from >= rank || seen & 1u << from || (count > 0 && count != (size_t)rank))
			return thaw_onnx_fail_node(n, "perm is no permutation of %d axes", rank);
		seen |= 1u << from;
		permutation[i] = (int)from;
	}
	thaw_onnx_axes_transpose(&v.axes, permutation);
	return thaw_onnx_value_output(m, n, 0, &v);
}

thaw_status thaw_onnx_import_squeeze(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	const int64_t *axes = NULL;
	int64_t dim[THAW_MAX_FACTORS], kept[THAW_MAX_FACTORS];
	int count, rank = 0;
	unsigned gone = 0;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_ints(m, n, "axes", 1, &axes, &count));
	dims_of(&v, dim);
	for (int k = 0, axis; k < count; k++) {
		THAW_TRY(thaw_onnx_normal_axis(n, axes[k], v.axes.rank, &axis));
		if (dim[axis] != 1)
			return thaw_onnx_fail_node(n, "axis %d has size %lld, not 1", axis, (long long)dim[axis]);
		gone |= 1u << axis;
	}
	for (int i = 0; i < v.axes.rank; i++)
		if (count < 0 ? dim[i] != 1 : !(gone & 1u << i))
			kept[rank++] = dim[i];
	THAW_TRY(reshape(m, n, &v, kept, rank));
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
	THAW_TRY(thaw_onnx_ints(m, n, "axes", 1, &axes, &count));
	dims_of(&v, dim);
	int rank = v.axes.rank + count;
	if (count < 0 || rank > THAW_MAX_RANK)
		return thaw_onnx_fail_node(n, "a result of %d axes; at most %d are supported", rank, THAW_MAX_RANK);
	for (int k = 0, axis; k < count; k++) {
		THAW_TRY(thaw_onnx_normal_axis(n, axes[k], rank, &axis));
		if (added & 1u << axis)
			return thaw_onnx_fail_node(n, "axis %d is added twice", axis);
		added |= 1u << axis;
	}
	for (int i = 0; i < rank; i++)
		wider[i] = added & 1u << i ? 1 : dim[from++];
	THAW_TRY(reshape(m, n, &v, wider, rank));
	return thaw_onnx_value_output(m, n, 0, &v);
}

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
		THAW_TRY(slice(m, n, &v, axis, start, step, take));
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
		THAW_TRY(slice(m, n, &part, axis, start, 1, take));
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
	THAW_TRY(slice(m, n, &v, axis, first, step, count));
	for (int i = 0; i < v.axes.rank; i++)
		for (int k = 0; k < (i == axis ? c->shape.rank : 1); k++)
			dim[rank++] = i == axis ? c->shape.dim[k] : thaw_onnx_axes_dim(&v.axes, i);
	THAW_TRY(reshape(m, n, &v, dim, rank));
	return thaw_onnx_value_output(m, n, 0, &v);
}

thaw_status thaw_onnx_import_expand(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	const int64_t *wanted = NULL;
	int count;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_ints(m, n, "", 1, &wanted, &count));
	for (int i = 0; i < count; i++) {
		int axis = i + v.axes.rank - count;
		if (axis < 0 ? wanted[i] != 1 : wanted[i] != 1 && wanted[i] != thaw_onnx_axes_dim(&v.axes, axis))
			return thaw_onnx_fail_node(n, "it repeats what depends on the image");
	}
	return thaw_onnx_value_output(m, n, 0, &v);
}

/* (N,C,H,W): the axes of blocks of b x b pixels stand before or behind the channels. */
static thaw_status blocks(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, bool to_space)
{
	static const int back[] = {0, 3, 4, 1, 5, 2}, columns[] = {0, 1, 4, 2, 5, 3}, depth[] = {0, 3, 5, 1, 2, 4};
	struct thaw_onnx_value v;
	char mode[THAW_ONNX_TEXT];
	int64_t b;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_attribute_int(&b, n, "blocksize", 0));
	THAW_TRY(thaw_onnx_attribute_string(mode, n, "mode", "DCR"));
	int64_t d[THAW_MAX_FACTORS];
	dims_of(&v, d);
	if (v.axes.rank != 4 || b < 1 || (to_space ? d[1] % (b * b) != 0 : d[2] % b != 0 || d[3] % b != 0))
		return thaw_onnx_fail_node(n, "blocks of %lld do not fit its input", (long long)b);
	if (to_space) {
		bool crd = strcmp(mode, "CRD") == 0;
		int64_t c = d[1] / (b * b);
		int64_t split[] = {d[0], crd ? c : b, b, crd ? b : c, d[2], d[3]},
			joined[] = {d[0], c, d[2] * b, d[3] * b};
		THAW_TRY(reshape(m, n, &v, split, 6));
		thaw_onnx_axes_transpose(&v.axes, crd ? columns : back);
		THAW_TRY(reshape(m, n, &v, joined, 4));
	} else {
		int64_t split[] = {d[0], d[1], d[2] / b, b, d[3] / b, b},
			joined[] = {d[0], d[1] * b * b, d[2] / b, d[3] / b};
		THAW_TRY(reshape(m, n, &v, split, 6));
		thaw_onnx_axes_transpose(&v.axes, depth);
		THAW_TRY(reshape(m, n, &v, joined, 4));
	}
	return thaw_onnx_value_output(m, n, 0, &v);
}

thaw_status thaw_onnx_import_depth_to_space(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	return blocks(m, n, true);
}

thaw_status thaw_onnx_import_space_to_depth(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	return blocks(m, n, false);
}
