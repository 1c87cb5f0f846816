/* The functions of `binary` and their gradients, on one block of two tensors. */
#ifndef THAW_SRC_OPS_KERNELS_BINARY_H
#define THAW_SRC_OPS_KERNELS_BINARY_H

#include "src/ops/kernels/broadcast.h"

/* to[rows][columns] = f(a, b) of the block's elements a of x0 and b of x1. `to` may be x0's memory where x0 is not
 * repeated. */
void thaw_binary_forward(enum thaw_binary f, const struct thaw_block *block, float *to, const float *x0,
			 const float *x1);

/* to[rows][columns] = dy[rows][columns] * the derivative of f(a, b) with respect to b if `by_b`, else a. `to` may be
 * dy. */
void thaw_binary_backward(enum thaw_binary f, bool by_b, const struct thaw_block *block, float *to, const float *dy,
			  const float *x0, const float *x1);

/* Whether the slope is 1 everywhere, so that thaw_binary_backward would copy dy. */
bool thaw_binary_passes(enum thaw_binary f, bool by_b);

#endif
