/* Values stored in bfloat16 between the nodes of a network: the upper half of a float's bits. They are computed with in
 * fp32 and rounded to nearest, ties to even, when they are stored; subnormal numbers become zero.
 *
 * An operator that takes values in either storage walks over them in blocks that stay in the first-level cache:
 *
 *     float room[THAW_VALUES_BLOCK];
 *     const float *x = thaw_values_read(&args->x[0], at, count, room);
 *
 * Blocks of fp32 values are read and written where they are. */
#ifndef THAW_SRC_OPS_KERNELS_BF16_VALUES_H
#define THAW_SRC_OPS_KERNELS_BF16_VALUES_H

#include <string.h>

#include "src/base/multiversion.h"
#include "thaw/tensor.h"

enum { THAW_VALUES_BLOCK = 2048 }; /* values in a block: 8 KiB of floats */

/* Values to read: in fp32, or, where data is NULL, in bfloat16. */
struct thaw_values {
	const float *data;
	const uint16_t *bf16;
};

/* For loops that compute with values directly; the compiler vectorises it. */
THAW_INLINE float thaw_bf16_value(uint16_t v)
{
	uint32_t bits = (uint32_t)v << 16;
	float value;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Value `at`; a constant `bf16`, true where x is in bfloat16, keeps the choice out of loops. */
THAW_INLINE float thaw_values_at(struct thaw_values x, bool bf16, int64_t at)
{
	return bf16 ? thaw_bf16_value(x.bf16[at]) : x.data[at];
}

/* to[i] = from[i]. */
void thaw_bf16_expand(float *to, const uint16_t *from, int64_t count);
/* to[i] = from[i], rounded. */
void thaw_bf16_store(uint16_t *to, const float *from, int64_t count);
/* to[i] = the pair of even[i] and odd[i], see bf16_ops.h; odd NULL: zeros. */
void thaw_bf16_join(uint32_t *to, const uint16_t *even, const uint16_t *odd, int64_t count);
/* to[rows][columns] = factor * from; strides are in values from row to row. */
void thaw_bf16_scale_rows(float *to, int64_t to_stride, const uint16_t *from, int64_t from_stride, int64_t rows,
			  int64_t columns, float factor);
/* to[i] += from[i]. */
void thaw_bf16_add(float *to, const uint16_t *from, int64_t count);

THAW_INLINE struct thaw_values thaw_values_of(const struct thaw_view *v)
{
	return (struct thaw_values){v->data, v->bf16};
}

/* The values [at, at + count) of v: where they are, or expanded to room[count]. */
const float *thaw_values_read(const struct thaw_view *v, int64_t at, int64_t count, float *room);
/* Where to write the values [at, at + count) of v: in place, or room[count]; thaw_values_write then stores them. */
float *thaw_values_target(const struct thaw_view *v, int64_t at, float *room);
/* Rounds room[count] to the values [at, at + count) of v; nothing to do for values in fp32. */
void thaw_values_write(const struct thaw_view *v, int64_t at, int64_t count, const float *room);
/* to[to_at + i] = from[from_at + i], each in its storage; nothing to do in place. */
void thaw_values_copy(const struct thaw_view *to, int64_t to_at, const struct thaw_view *from, int64_t from_at,
		      int64_t count);

#endif
