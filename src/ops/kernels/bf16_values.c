#include "src/ops/kernels/bf16_values.h"

#include "src/ops/kernels/bf16_ops.h"

THAW_MULTIVERSION
void thaw_bf16_expand(float *to, const uint16_t *from, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		to[i] = thaw_bf16_value(from[i]);
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
