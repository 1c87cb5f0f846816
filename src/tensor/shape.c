#include <stdio.h>

#include "thaw/dtype.h"
#include "thaw/tensor.h"

/* x86-64 programs can address 47 bits; times 8 bytes for the widest element. */
#define MAX_ELEMENTS (INT64_C(1) << (47 - 3))

int64_t thaw_shape_count(const struct thaw_shape *s)
{
	int64_t count = 1;
	for (int i = 0; i < s->ndim; i++)
		count *= s->dim[i];
	return count;
}

bool thaw_shape_equal(const struct thaw_shape *a, const struct thaw_shape *b)
{
	if (a->ndim != b->ndim)
		return false;
	for (int i = 0; i < a->ndim; i++)
		if (a->dim[i] != b->dim[i])
			return false;
	return true;
}

thaw_status thaw_shape_check(const struct thaw_shape *s, const char *what)
{
	if (s->ndim < 0 || s->ndim > THAW_MAX_DIMS)
		return thaw_fail(THAW_DATA, "bad shape: %s: %d dimensions, at most %d are supported", what, s->ndim,
				 THAW_MAX_DIMS);
	int64_t count = 1;
	for (int i = 0; i < s->ndim; i++) {
		if (s->dim[i] < 0)
			return thaw_fail(THAW_DATA, "bad shape: %s: dimension %d is negative", what, i);
		/* A zero must not hide other dimensions whose product overflows. */
		int64_t factor = s->dim[i] > 0 ? s->dim[i] : 1;
		if (__builtin_mul_overflow(count, factor, &count) || count >= MAX_ELEMENTS)
			return thaw_fail(THAW_DATA, "bad shape: %s: more elements than the address space holds", what);
	}
	return THAW_OK;
}

const char *thaw_shape_text(const struct thaw_shape *s, char *text, size_t size)
{
	if (size == 0)
		return text;
	size_t used = 0;
	text[0] = '\0';
	for (int i = 0; i < s->ndim && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "(", (long long)s->dim[i]);
	if (used < size)
		snprintf(text + used, size - used, s->ndim ? ")" : "()");
	return text;
}

const float *thaw_view_values(const struct thaw_view *v, float *room)
{
	if (!v->bf16)
		return v->data;
	thaw_to_f32(THAW_BF16, v->bf16, room, thaw_shape_count(&v->shape));
	return room;
}
