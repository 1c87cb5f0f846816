/* Copies of arrays whose axes lie in another order, at other distances, or backwards. */
#ifndef THAW_SRC_OPS_KERNELS_STRIDED_COPY_H
#define THAW_SRC_OPS_KERNELS_STRIDED_COPY_H

#include <stdbool.h>
#include <stdint.h>

enum { THAW_COPY_AXES = 12 };

struct thaw_strides {
	int axes; /* up to THAW_COPY_AXES, slowest of `to` first for speed */
	int64_t size[THAW_COPY_AXES];
	int64_t to[THAW_COPY_AXES], from[THAW_COPY_AXES]; /* floats from one element of the axis to the next */
};

/* to[sum of i * s.to] = from[sum of i * s.from] for all indices i, or added to it. No element of `to` is met twice. */
void thaw_strided_copy(float *to, bool add, const float *from, const struct thaw_strides *s);

#endif
