/* Axes that are contiguous on both sides are merged. A plane of two axes is then copied by one loop: as rows where the
 * fastest axis is the same on both sides, as a transposition where it is not. The other axes are iterated. */
#include "src/ops/kernels/strided_copy.h"

#include <string.h>

#include "src/base/multiversion.h"
#include "src/ops/kernels/transpose.h"

/* Drops axes of size 1, and merges neighbouring axes that are contiguous on both sides. */
static struct thaw_strides merge_axes(const struct thaw_strides *s)
{
	struct thaw_strides t = {.axes = 0};
	for (int i = 0; i < s->axes; i++) {
		int last = t.axes - 1;
		if (s->size[i] == 1)
			continue;
		if (t.axes > 0 && t.to[last] == s->to[i] * s->size[i] && t.from[last] == s->from[i] * s->size[i]) {
			t.size[last] *= s->size[i];
		} else {
			last = t.axes++;
			t.size[last] = s->size[i];
		}
		t.to[last] = s->to[i];
		t.from[last] = s->from[i];
	}
	return t;
}

/* The axis with stride `wanted`, or -1. */
static int axis_of(const int64_t *stride, int axes, int64_t wanted)
{
	for (int i = 0; i < axes; i++)
		if (stride[i] == wanted)
			return i;
	return -1;
}

/* One axis of a copy. */
struct line {
	int64_t size, to, from;
};

/* Removes an axis from s and returns it. */
static struct line remove_axis(struct thaw_strides *s, int axis)
{
	struct line line = {s->size[axis], s->to[axis], s->from[axis]};
	s->axes--;
	for (int i = axis; i < s->axes; i++) {
		s->size[i] = s->size[i + 1];
		s->to[i] = s->to[i + 1];
		s->from[i] = s->from[i + 1];
	}
	return line;
}

THAW_INLINE void copy_rows(float *to, bool add, const float *from, struct line outer, struct line inner)
{
	for (int64_t r = 0; r < outer.size; r++, to += outer.to, from += outer.from)
		for (int64_t i = 0; i < inner.size; i++)
			to[i * inner.to] = from[i * inner.from] + (add ? to[i * inner.to] : 0.0f);
}

THAW_MULTIVERSION
static void add_runs(float *to, const float *from, struct line outer, int64_t run)
{
	for (int64_t r = 0; r < outer.size; r++) {
		float *restrict there = to + r * outer.to;
		const float *restrict here = from + r * outer.from;
		for (int64_t i = 0; i < run; i++)
			there[i] += here[i];
	}
}

static void copy_plane(float *to, bool add, const float *from, struct line outer, struct line inner)
{
	if (inner.to == 1 && inner.from == 1 && add)
		add_runs(to, from, outer, inner.size);
	else if (inner.to == 1 && inner.from == 1)
		for (int64_t r = 0; r < outer.size; r++)
			memcpy(to + r * outer.to, from + r * outer.from, (size_t)inner.size * sizeof(float));
	else if (inner.to == 1 && outer.from == 1)
		thaw_transpose(to, outer.to, add, from, inner.from, inner.size, outer.size);
	else if (add)
		copy_rows(to, true, from, outer, inner);
	else
		copy_rows(to, false, from, outer, inner);
}

/* Removes the two axes of a plane from s: the fastest of `to`, and the fastest of `from` or, where that is the same,
 * the next one. */
static void choose_plane(struct thaw_strides *s, struct line *outer, struct line *inner)
{
	const struct line single = {1, 0, 0};
	int fastest = axis_of(s->to, s->axes, 1), other;
	*inner = s->axes > 0 ? remove_axis(s, fastest >= 0 ? fastest : s->axes - 1) : single;
	other = axis_of(s->from, s->axes, 1);
	*outer = s->axes > 0 ? remove_axis(s, other >= 0 ? other : s->axes - 1) : single;
}

void thaw_strided_copy(float *to, bool add, const float *from, const struct thaw_strides *strides)
{
	struct thaw_strides s = merge_axes(strides);
	int64_t at[THAW_COPY_AXES] = {0}, planes = 1;
	struct line outer, inner;
	choose_plane(&s, &outer, &inner);
	for (int i = 0; i < s.axes; i++)
		planes *= s.size[i];
	if (outer.size == 0 || inner.size == 0)
		return;
	for (int64_t p = 0; p < planes; p++) {
		copy_plane(to, add, from, outer, inner);
		for (int i = s.axes - 1; i >= 0; i--) {
			to += s.to[i];
			from += s.from[i];
			if (++at[i] < s.size[i])
				break;
			to -= s.size[i] * s.to[i];
			from -= s.size[i] * s.from[i];
			at[i] = 0;
		}
	}
}
