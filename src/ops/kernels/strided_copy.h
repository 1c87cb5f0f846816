/* Copies between arrays with different strides: axes in another order, at other distances, or reversed. */
#ifndef THAW_SRC_OPS_KERNELS_STRIDED_COPY_H
#define THAW_SRC_OPS_KERNELS_STRIDED_COPY_H

#include <stdbool.h>
#include <stdint.h>

enum { THAW_COPY_AXES = 12 };

struct thaw_strides {
	int axes; /* at most THAW_COPY_AXES; fastest if sorted by the strides of `to`, slowest axis first */
	int64_t size[THAW_COPY_AXES];
	int64_t to[THAW_COPY_AXES], from[THAW_COPY_AXES]; /* floats from one element of the axis to the next */
};

/* to[sum of i * s.to] = from[sum of i * s.from] for all indices i, added to it if `add`. No two indices may have the
 * same element of `to`. */
void thaw_strided_copy(float *to, bool add, const float *from, const struct thaw_strides *s);

#endif
