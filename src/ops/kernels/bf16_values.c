#include "src/ops/kernels/bf16_values.h"

#include "src/ops/kernels/bf16_ops.h"

THAW_MULTIVERSION
void thaw_bf16_expand(float *to, const uint16_t *from, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		to[i] = thaw_bf16_value(from[i]);
}

THAW_MULTIVERSION
void thaw_bf16_scale_rows(float *to, int64_t to_stride, const uint16_t *from, int64_t from_stride, int64_t rows,
			  int64_t columns, float factor)
{
	for (int64_t r = 0; r < rows; r++, to += to_stride, from += from_stride)
		for (int64_t c = 0; c < columns; c++)
			to[c] = factor * thaw_bf16_value(from[c]);
}

THAW_MULTIVERSION
void thaw_bf16_add(float *to, const uint16_t *from, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		to[i] += thaw_bf16_value(from[i]);
}

THAW_MULTIVERSION
void thaw_bf16_join(uint32_t *to, const uint16_t *even, const uint16_t *odd, int64_t count)
{
	if (!odd) {
		for (int64_t i = 0; i < count; i++)
			to[i] = even[i];
		return;
	}
	for (int64_t i = 0; i < count; i++)
		to[i] = even[i] | (uint32_t)odd[i] << 16;
}

void thaw_bf16_store(uint16_t *to, const float *from, int64_t count)
{
	thaw_bf16_best()->store(to, from, count);
}

const float *thaw_values_read(const struct thaw_view *v, int64_t at, int64_t count, float *room)
{
	if (!v->bf16)
		return v->data + at;
	thaw_bf16_expand(room, v->bf16 + at, count);
	return room;
}

float *thaw_values_target(const struct thaw_view *v, int64_t at, float *room)
{
	return v->bf16 ? room : v->data + at;
}

void thaw_values_write(const struct thaw_view *v, int64_t at, int64_t count, const float *room)
{
	if (v->bf16)
		thaw_bf16_store(v->bf16 + at, room, count);
}

void thaw_values_copy(const struct thaw_view *to, int64_t to_at, const struct thaw_view *from, int64_t from_at,
		      int64_t count)
{
	if (to->data == from->data && to->bf16 == from->bf16)
		return;
	if (to->bf16 && from->bf16)
		memcpy(to->bf16 + to_at, from->bf16 + from_at, (size_t)count * sizeof(*to->bf16));
	else if (to->bf16)
		thaw_bf16_store(to->bf16 + to_at, from->data + from_at, count);
	else if (from->bf16)
		thaw_bf16_expand(to->data + to_at, from->bf16 + from_at, count);
	else
		memcpy(to->data + to_at, from->data + from_at, (size_t)count * sizeof(*to->data));
}
