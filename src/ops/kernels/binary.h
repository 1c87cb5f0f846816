/* The functions of `binary` on one block of two tensors, and back. */
#ifndef THAW_SRC_OPS_KERNELS_BINARY_H
#define THAW_SRC_OPS_KERNELS_BINARY_H

#include "src/ops/kernels/broadcast.h"

/* y[rows][columns] = the function of the block's elements of a and b; y may be a's memory where a is not repeated. */
void thaw_binary_forward(enum thaw_binary f, const struct thaw_block *block, float *y, const float *a, const float *b);

/* to[rows][columns] = dy[rows][columns] * the function's slope at (a, b), seen from a or from b; `to` may be dy. */
void thaw_binary_backward(enum thaw_binary f, bool from_b, const struct thaw_block *block, float *to, const float *dy,
			  const float *a, const float *b);

/* The slope is 1 everywhere: `backward` would copy. */
bool thaw_binary_passes(enum thaw_binary f, bool from_b);

#endif
