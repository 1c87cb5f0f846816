/* Sums over the copies of what is repeated in a block. */
#ifndef THAW_SRC_OPS_KERNELS_SUMS_H
#define THAW_SRC_OPS_KERNELS_SUMS_H

#include "src/ops/kernels/broadcast.h"

/* Adds values[rows][columns] of a block to the elements of tensor k that they are copies of; `sum` is the first. */
void thaw_sums_add(float *sum, const float *values, const struct thaw_block *block, int k);

/* The sum of x[count], in as many parts as a vector has lanes. */
float thaw_allreduce(const float *x, int64_t count);

#endif
