/* The functions of `pointwise` and their gradients, over all elements of a tensor. */
#ifndef THAW_SRC_OPS_KERNELS_FUNCTIONS_H
#define THAW_SRC_OPS_KERNELS_FUNCTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/ops.h"

/* y[count] = f(from[count]); y may be `from`. */
void thaw_function_forward(enum thaw_function f, float alpha, float beta, float *y, const float *from, int64_t count);

/* dx[count] = dy * slope of f at from[count], added to dx if `add`; dx may be dy. At a kink the slope is PyTorch's. */
void thaw_function_backward(enum thaw_function f, float alpha, float beta, float *dx, bool add, const float *dy,
			    const float *from, int64_t count);

#endif
