/* Vectors of 16 floats, for sums along memory, which the compiler must not reorder into vectors, and for tiles in
 * registers. For THAW_MULTIVERSION functions: processors with shorter vectors use several. Vectors are passed by
 * address, since the convention for passing them by value depends on the target processor. */
#ifndef THAW_SRC_OPS_KERNELS_VECTOR_H
#define THAW_SRC_OPS_KERNELS_VECTOR_H

#include <stdint.h>

#include "src/base/multiversion.h"

enum { THAW_VECTOR_WIDTH = 16 }; /* floats */

typedef float thaw_vec
	__attribute__((vector_size(THAW_VECTOR_WIDTH * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef int32_t thaw_vec_mask
	__attribute__((vector_size(THAW_VECTOR_WIDTH * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef float thaw_vec8 __attribute__((vector_size(8 * sizeof(float))));
typedef float thaw_vec4 __attribute__((vector_size(4 * sizeof(float))));

/* The sum of the elements, always in this order. */
THAW_INLINE float thaw_vec_sum(const thaw_vec *v)
{
	thaw_vec8 half = __builtin_shufflevector(*v, *v, 0, 1, 2, 3, 4, 5, 6, 7) +
			 __builtin_shufflevector(*v, *v, 8, 9, 10, 11, 12, 13, 14, 15);
	thaw_vec4 quarter =
		__builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);

	return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
}

/* The sum of x[columns]. */
THAW_INLINE float thaw_row_sum(const float *x, int64_t columns)
{
	thaw_vec sum = {0};
	float rest = 0;
	int64_t c = 0;

	for (; c + THAW_VECTOR_WIDTH <= columns; c += THAW_VECTOR_WIDTH)
		sum += *(const thaw_vec *)(x + c);
	for (; c < columns; c++)
		rest += x[c];
	return thaw_vec_sum(&sum) + rest;
}

/* max = maximum of `max` and v, element by element. NaN in v is ignored. */
THAW_INLINE void thaw_vec_raise(thaw_vec *max, const thaw_vec *v)
{
	thaw_vec_mask above = *v > *max;
	*max = (thaw_vec)((above & (thaw_vec_mask)*v) | (~above & (thaw_vec_mask)*max));
}

/* The largest element. */
THAW_INLINE float thaw_vec_largest(const thaw_vec *v)
{
	thaw_vec max = *v, rotated;
	rotated = __builtin_shufflevector(max, max, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
	thaw_vec_raise(&max, &rotated);
	rotated = __builtin_shufflevector(max, max, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
	thaw_vec_raise(&max, &rotated);
	rotated = __builtin_shufflevector(max, max, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
	thaw_vec_raise(&max, &rotated);
	rotated = __builtin_shufflevector(max, max, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
	thaw_vec_raise(&max, &rotated);
	return max[0];
}

#endif
