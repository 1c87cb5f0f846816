/* Sums over the copies of repeated elements in a block. */
#ifndef THAW_SRC_OPS_KERNELS_SUMS_H
#define THAW_SRC_OPS_KERNELS_SUMS_H

#include "src/ops/kernels/broadcast.h"

/* Adds values[rows][columns] of a block to the elements of tensor k that they belong to; `sum` is the first element. */
void thaw_sums_add(float *sum, const float *values, const struct thaw_block *block, int k);

/* The sum of x[count], in THAW_VECTOR_WIDTH interleaved parts. */
float thaw_sum_values(const float *x, int64_t count);

#endif
