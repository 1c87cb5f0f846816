/* The functions of `binary` and their gradients, on one block of two tensors. */
#ifndef THAW_SRC_OPS_KERNELS_BINARY_H
#define THAW_SRC_OPS_KERNELS_BINARY_H

#include "src/ops/kernels/broadcast.h"

/* y[rows][columns] = f of the block's elements of a and b. y may be a's memory where a is not repeated. */
void thaw_binary_forward(enum thaw_binary f, const struct thaw_block *block, float *y, const float *a, const float *b);

/* to[rows][columns] = dy[rows][columns] * slope of f at (a, b), by b or else by a. `to` may be dy. */
void thaw_binary_backward(enum thaw_binary f, bool by_b, const struct thaw_block *block, float *to, const float *dy,
			  const float *a, const float *b);

/* Whether the slope is 1 everywhere, so that thaw_binary_backward would copy dy. */
bool thaw_binary_passes(enum thaw_binary f, bool by_b);

#endif
