/* Axes that lie together on both sides become one. Then two axes, at most, are copied by a loop of their own: rows of
 * runs where the fastest axis is the same on both sides, a transposition where it is not; the others are counted. */
#include "src/ops/kernels/strided_copy.h"

#include <string.h>

#include "src/base/multiversion.h"
#include "src/ops/kernels/transpose.h"

/* Leaves out axes of one element, and joins neighbours that are one axis on both sides. */
static struct thaw_strides simplified(const struct thaw_strides *s)
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

/* The axis of this stride, or -1. */
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

/* Takes an axis out of s. */
static struct line take(struct thaw_strides *s, int axis)
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

static void plane(float *to, bool add, const float *from, struct line outer, struct line inner)
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

/* Which two axes make a plane: the fastest of `to`, and that of `from` or, where it is the same, the next one. */
static void choose_plane(struct thaw_strides *s, struct line *outer, struct line *inner)
{
	const struct line single = {1, 0, 0};
	int fastest = axis_of(s->to, s->axes, 1), other;
	*inner = s->axes > 0 ? take(s, fastest >= 0 ? fastest : s->axes - 1) : single;
	other = axis_of(s->from, s->axes, 1);
	*outer = s->axes > 0 ? take(s, other >= 0 ? other : s->axes - 1) : single;
}

void thaw_strided_copy(float *to, bool add, const float *from, const struct thaw_strides *strides)
{
	struct thaw_strides s = simplified(strides);
	int64_t at[THAW_COPY_AXES] = {0}, planes = 1;
	struct line outer, inner;
	choose_plane(&s, &outer, &inner);
	for (int i = 0; i < s.axes; i++)
		planes *= s.size[i];
	if (outer.size == 0 || inner.size == 0)
		return;
	for (int64_t p = 0; p < planes; p++) {
		plane(to, add, from, outer, inner);
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
