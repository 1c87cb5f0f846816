/* Views of tensors. Invariants: the factors of a tensor axis are consecutive and their product is its size; `order` is
 * a permutation of the factors; factors that can be merged are merged. */
#include "src/onnx/import/axes.h"

#include <string.h>

static bool taken_whole(const struct thaw_onnx_factor *f)
{
	return f->start == 0 && f->step == 1 && f->take == f->size;
}

static bool is_batch(const struct thaw_onnx_axes *v, int factor)
{
	return v->batched && factor == 0;
}

static struct thaw_onnx_factor whole_factor(int axis, int64_t size)
{
	return (struct thaw_onnx_factor){.axis = axis, .size = size, .step = 1, .take = size};
}

void thaw_onnx_axes_set(struct thaw_onnx_axes *v, const struct thaw_shape *tensor, int64_t images)
{
	*v = (struct thaw_onnx_axes){.tensor = *tensor, .batched = images > 0, .ndim = tensor->ndim};
	for (int axis = 0; axis < tensor->ndim; axis++) {
		int64_t size = tensor->dim[axis];
		if (axis == 0 && images > 0) {
			v->factor[v->count++] = whole_factor(0, images);
			size /= images;
		}
		if (axis > 0 || images == 0 || size > 1)
			v->factor[v->count++] = whole_factor(axis, size);
	}
	for (int i = 0; i < v->count; i++) {
		v->order[i] = i;
		v->view_axis[i] = v->factor[i].axis;
	}
}

int64_t thaw_onnx_axes_dim(const struct thaw_onnx_axes *v, int axis)
{
	int64_t dim = 1;
	for (int i = 0; i < v->count; i++)
		if (v->view_axis[i] == axis)
			dim *= v->factor[v->order[i]].take;
	return dim;
}

int64_t thaw_onnx_axes_count(const struct thaw_onnx_axes *v)
{
	int64_t count = 1;
	for (int i = 0; i < v->count; i++)
		count *= v->factor[i].take;
	return count;
}

/* Removes factor f and its position `at` in the view. */
static void drop(struct thaw_onnx_axes *v, int f, int at)
{
	memmove(&v->factor[f], &v->factor[f + 1], (size_t)(v->count - f - 1) * sizeof(v->factor[0]));
	memmove(&v->order[at], &v->order[at + 1], (size_t)(v->count - at - 1) * sizeof(v->order[0]));
	memmove(&v->view_axis[at], &v->view_axis[at + 1], (size_t)(v->count - at - 1) * sizeof(v->view_axis[0]));
	v->count--;
	for (int i = 0; i < v->count; i++)
		v->order[i] -= v->order[i] > f;
}

/* Moves factors with take == 1 to the end of their view axis; their position does not matter. */
static void move_units(struct thaw_onnx_axes *v)
{
	for (int pass = 1; pass < v->count; pass++)
		for (int at = 0; at + 1 < v->count; at++) {
			int f = v->order[at], next = v->order[at + 1];
			bool unit = v->factor[f].take == 1 && !is_batch(v, f);
			if (unit && v->view_axis[at] == v->view_axis[at + 1] &&
			    (v->factor[next].take > 1 || is_batch(v, next))) {
				v->order[at] = next;
				v->order[at + 1] = f;
			}
		}
}

/* Merges factors that are adjacent both in a tensor axis and in a view axis. */
static void merge(struct thaw_onnx_axes *v)
{
	move_units(v);
	for (int at = 0; at + 1 < v->count;) {
		int f = v->order[at];
		struct thaw_onnx_factor *a = &v->factor[f], *b = &v->factor[f + 1];
		if (v->order[at + 1] != f + 1 || v->view_axis[at] != v->view_axis[at + 1] || a->axis != b->axis ||
		    is_batch(v, f) || !taken_whole(a) || !taken_whole(b)) {
			at++;
			continue;
		}
		*a = whole_factor(a->axis, a->size * b->size);
		drop(v, f + 1, at + 1);
	}
}

bool thaw_onnx_axes_transpose(struct thaw_onnx_axes *v, const int *permutation)
{
	struct thaw_onnx_axes from = *v;
	int count = 0;
	for (int axis = 0; axis < v->ndim; axis++)
		for (int i = 0; i < from.count; i++)
			if (from.view_axis[i] == permutation[axis]) {
				v->order[count] = from.order[i];
				v->view_axis[count++] = axis;
			}
	merge(v);
	return true;
}

void thaw_onnx_axes_to_end(struct thaw_onnx_axes *v, int axis)
{
	int permutation[THAW_MAX_FACTORS], last = v->ndim - 1;
	for (int i = 0; i < v->ndim; i++)
		permutation[i] = i < axis ? i : i == last ? axis : i + 1;
	thaw_onnx_axes_transpose(v, permutation);
}

void thaw_onnx_axes_from_end(struct thaw_onnx_axes *v, int axis)
{
	int permutation[THAW_MAX_FACTORS], last = v->ndim - 1;
	for (int i = 0; i < v->ndim; i++)
		permutation[i] = i < axis ? i : i == axis ? last : i - 1;
	thaw_onnx_axes_transpose(v, permutation);
}

/* Splits the factor at position `at` of the view into one of size `outer` and the rest after it. */
static bool split(struct thaw_onnx_axes *v, int at, int64_t outer)
{
	int f = v->order[at];
	struct thaw_onnx_factor whole = v->factor[f];
	if (v->count == THAW_MAX_FACTORS || is_batch(v, f) || whole.take % outer != 0)
		return false;
	int64_t inner = whole.take / outer;
	if (whole.step != 1 || whole.size % inner != 0 || whole.start % inner != 0)
		return false;
	memmove(&v->factor[f + 1], &v->factor[f], (size_t)(v->count - f) * sizeof(v->factor[0]));
	memmove(&v->order[at + 1], &v->order[at], (size_t)(v->count - at) * sizeof(v->order[0]));
	memmove(&v->view_axis[at + 1], &v->view_axis[at], (size_t)(v->count - at) * sizeof(v->view_axis[0]));
	v->count++;
	for (int i = 0; i < v->count; i++)
		v->order[i] += v->order[i] > f || i == at + 1;
	v->factor[f] = (struct thaw_onnx_factor){whole.axis, whole.size / inner, whole.start / inner, 1, outer};
	v->factor[f + 1] = whole_factor(whole.axis, inner);
	return true;
}

/* Assigns the factors from position *at on to view axis `axis` of size `dim`, splitting the last if necessary. */
static bool fill_axis(struct thaw_onnx_axes *v, int *at, int axis, int64_t dim)
{
	int64_t need = dim;
	while (need > 1) {
		if (*at == v->count)
			return false;
		int64_t take = v->factor[v->order[*at]].take;
		if (take == 0 || (need % take != 0 && !split(v, *at, need)))
			return false;
		need /= v->factor[v->order[*at]].take;
		v->view_axis[(*at)++] = axis;
	}
	return true;
}

bool thaw_onnx_axes_reshape(struct thaw_onnx_axes *v, const int64_t *dim, int ndim)
{
	struct thaw_onnx_axes to = *v;
	int at = 0;
	for (int axis = 0; axis < ndim; axis++) {
		int from = at;
		if (!fill_axis(&to, &at, axis, dim[axis]))
			return false;
		/* Factors with take == 1 fit anywhere: one goes to an axis of size 1, the others to the axis before
		 * them. */
		if (dim[axis] == 1 && at < to.count && to.factor[to.order[at]].take == 1)
			to.view_axis[at++] = axis;
		bool last = axis == ndim - 1;
		while (at > from && at < to.count && to.factor[to.order[at]].take == 1 && (last || dim[axis + 1] != 1))
			to.view_axis[at++] = axis;
	}
	for (; ndim == 0 && at < to.count && to.factor[to.order[at]].take == 1; at++)
		to.view_axis[at] = 0;
	if (at < to.count)
		return false;
	to.ndim = ndim;
	*v = to;
	merge(v);
	return true;
}

bool thaw_onnx_axes_slice(struct thaw_onnx_axes *v, int axis, int64_t start, int64_t step, int64_t take)
{
	int outermost = -1;
	int64_t inner = 1;
	if (start == 0 && step == 1 && take == thaw_onnx_axes_dim(v, axis))
		return true;
	for (int i = 0; i < v->count; i++) {
		const struct thaw_onnx_factor *f = &v->factor[v->order[i]];
		if (v->view_axis[i] != axis || (f->take == 1 && outermost >= 0))
			continue;
		if (outermost >= 0 && v->factor[outermost].take > 1)
			inner *= f->take;
		else
			outermost = v->order[i];
	}
	if (outermost < 0 || is_batch(v, outermost))
		return false;
	if (inner > 1 && (step != 1 || start % inner != 0 || take % inner != 0))
		return false;
	struct thaw_onnx_factor *f = &v->factor[outermost];
	f->start += start / inner * f->step;
	f->step *= step;
	f->take = take / inner;
	return true;
}

bool thaw_onnx_axes_whole(const struct thaw_onnx_axes *v)
{
	for (int i = 0; i < v->count; i++)
		if (!taken_whole(&v->factor[i]))
			return false;
	return true;
}

bool thaw_onnx_axes_is_axis(const struct thaw_onnx_axes *v, int view_axis, int *axis)
{
	int64_t covered = 1;
	int previous = -1, unit = -1;
	*axis = -1;
	for (int i = 0; i < v->count; i++) {
		const struct thaw_onnx_factor *f = &v->factor[v->order[i]];
		if (v->view_axis[i] != view_axis)
			continue;
		if (f->size == 1 && !is_batch(v, v->order[i]) && v->tensor.dim[f->axis] == 1) {
			unit = f->axis;
			continue;
		}
		if (!taken_whole(f) || (previous >= 0 && (v->order[i] != previous + 1 || f->axis != *axis)))
			return false;
		*axis = f->axis;
		previous = v->order[i];
		covered *= f->size;
	}
	*axis = *axis < 0 ? unit : *axis;
	return *axis >= 0 && covered == v->tensor.dim[*axis];
}

bool thaw_onnx_axes_equal(const struct thaw_onnx_axes *a, const struct thaw_onnx_axes *b)
{
	if (!thaw_shape_equal(&a->tensor, &b->tensor) || a->batched != b->batched || a->count != b->count ||
	    a->ndim != b->ndim)
		return false;
	for (int i = 0; i < a->count; i++) {
		const struct thaw_onnx_factor *f = &a->factor[i], *g = &b->factor[i];
		if (f->axis != g->axis || f->size != g->size || f->start != g->start || f->step != g->step ||
		    f->take != g->take || a->order[i] != b->order[i] || a->view_axis[i] != b->view_axis[i])
			return false;
	}
	return true;
}

void thaw_onnx_axes_resize(struct thaw_onnx_axes *v, int axis, int64_t size)
{
	bool first = true;
	v->tensor.dim[axis] = size;
	for (int at = 0; at < v->count;) {
		int f = v->order[at];
		if (v->factor[f].axis != axis) {
			at++;
		} else if (first) {
			v->factor[f] = whole_factor(axis, size);
			first = false;
			at++;
		} else {
			drop(v, f, at);
		}
	}
}

void thaw_onnx_axes_in_order(const struct thaw_onnx_axes *v, struct thaw_onnx_arrangement *arrangement)
{
	bool images_elsewhere = v->batched && v->order[0] != 0;
	int count = 0, last = -1;
	arrangement->ndim = 0;
	if (images_elsewhere) {
		arrangement->order[count] = 0;
		arrangement->target[count++] = arrangement->ndim++;
	}
	for (int i = 0; i < v->count; i++) {
		if (images_elsewhere && v->order[i] == 0)
			continue;
		if (v->view_axis[i] != last || arrangement->ndim == 0)
			arrangement->ndim++;
		last = v->view_axis[i];
		arrangement->order[count] = v->order[i];
		arrangement->target[count++] = arrangement->ndim - 1;
	}
}

/* Whether the size of factor f is inferred from the size of its tensor axis: the images, else the slowest factor. */
static bool is_free(const struct thaw_onnx_axes *v, int f)
{
	return f == 0 || v->factor[f].axis != v->factor[f - 1].axis;
}

void thaw_onnx_axes_rearrange(struct thaw_onnx_axes *v, const struct thaw_onnx_arrangement *arrangement,
			      struct thaw_factors *factors, bool *copy, bool *change)
{
	struct thaw_onnx_axes made = *v;
	int place[THAW_MAX_FACTORS];
	*factors = (struct thaw_factors){.count = v->count, .ndim = arrangement->ndim};
	*copy = !thaw_onnx_axes_whole(v);
	made.tensor = (struct thaw_shape){.ndim = arrangement->ndim};
	for (int axis = 0; axis < arrangement->ndim; axis++)
		made.tensor.dim[axis] = 1;
	for (int i = 0; i < v->count; i++) {
		const struct thaw_onnx_factor *f = &v->factor[i];
		int from = arrangement->order[i], axis = arrangement->target[i];
		factors->axis[i] = f->axis;
		factors->size[i] = is_free(v, i) ? 0 : f->size;
		factors->start[i] = f->start;
		factors->step[i] = f->step;
		factors->take[i] = taken_whole(f) ? 0 : f->take;
		factors->order[i] = from;
		factors->target[i] = axis;
		*copy |= from != i;
		place[from] = i;
		made.factor[i] = whole_factor(axis, v->factor[from].take);
		made.tensor.dim[axis] *= v->factor[from].take;
	}
	for (int i = 0; i < v->count; i++)
		made.order[i] = place[v->order[i]];
	merge(&made);
	*change = !thaw_shape_equal(&made.tensor, &v->tensor);
	*v = made;
}
