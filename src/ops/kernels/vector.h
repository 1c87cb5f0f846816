/* Vectors of 16 floats for sums along memory, which the compiler may not reorder into vectors by itself. For
 * THAW_MULTIVERSION functions: a processor with shorter vectors takes several. Passed by address, since how a vector is
 * passed by value depends on the processor that is compiled for. */
#ifndef THAW_SRC_OPS_KERNELS_VECTOR_H
#define THAW_SRC_OPS_KERNELS_VECTOR_H

#include <stdint.h>
#include <string.h>

#include "src/base/multiversion.h"

enum { THAW_LANES = 16 };

typedef float thaw_vec __attribute__((vector_size(THAW_LANES * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef float thaw_vec8 __attribute__((vector_size(8 * sizeof(float))));
typedef float thaw_vec4 __attribute__((vector_size(4 * sizeof(float))));

/* The lanes' sum, always in this order. */
THAW_INLINE float thaw_vec_sum(const thaw_vec *v)
{
	thaw_vec8 half = __builtin_shufflevector(*v, *v, 0, 1, 2, 3, 4, 5, 6, 7) +
			 __builtin_shufflevector(*v, *v, 8, 9, 10, 11, 12, 13, 14, 15);
	thaw_vec4 quarter =
		__builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);

	return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
}

/* The first `count` of 16 floats, and `fill` for the others. */
THAW_INLINE void thaw_vec_load_some(thaw_vec *v, const float *from, int64_t count, float fill)
{
	float all[THAW_LANES];

	for (int64_t i = 0; i < THAW_LANES; i++)
		all[i] = fill;
	memcpy(all, from, (size_t)count * sizeof(float));
	*v = *(const thaw_vec *)all;
}

#endif
