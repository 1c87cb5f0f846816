/* The functions of `pointwise` and their gradients, over all elements of a tensor. */
#ifndef THAW_SRC_OPS_KERNELS_FUNCTIONS_H
#define THAW_SRC_OPS_KERNELS_FUNCTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/ops.h"

/* y[count] = f(from[count]); y may be `from`. In bfloat16 GELU is a polynomial with an error below 2^-12. */
void thaw_function_forward(const struct thaw_attrs *attrs, float *y, const float *from, int64_t count);

/* dx[count] = dy * slope of f at from[count], added to dx if `add`; dx may be dy. At a kink the slope is PyTorch's. */
void thaw_function_backward(const struct thaw_attrs *attrs, float *dx, bool add, const float *dy, const float *from,
			    int64_t count);

#endif
