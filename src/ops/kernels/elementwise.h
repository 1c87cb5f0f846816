/* Loops over all elements of a tensor, shared by the operators. A result may be the memory of the first input, but must
 * not overlap it otherwise. */
#ifndef THAW_SRC_OPS_KERNELS_ELEMENTWISE_H
#define THAW_SRC_OPS_KERNELS_ELEMENTWISE_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/ops.h"

/* y[count] = activation(x[count]). */
void thaw_kernel_activate(float *y, const float *x, int64_t count, enum thaw_activation kind);

/* y[count] = activation(a[count] + b[count]). */
void thaw_kernel_add(float *y, const float *a, const float *b, int64_t count, enum thaw_activation kind);

/* y[rows][columns] = activation(y + bias[columns]); bias may be NULL. */
void thaw_kernel_bias(float *y, const float *bias, int64_t rows, int64_t columns, enum thaw_activation kind);

/* dx[count] = the gradient before an activation with result y[count] and gradient dy[count]; added to dx if `add`. y is
 * not read, and may be NULL, without an activation. dx may be dy. */
void thaw_kernel_pass_gradient(float *dx, bool add, const float *dy, const float *y, int64_t count,
			       enum thaw_activation kind);

/* sum[columns] += the column sums of x[rows][columns]. */
void thaw_kernel_add_rows(float *sum, const float *x, int64_t rows, int64_t columns);

/* to[rows][columns] = factor * from, added to it if `add`; strides are in floats from row to row. */
void thaw_kernel_scale_rows(float *to, int64_t to_stride, bool add, const float *from, int64_t from_stride,
			    int64_t rows, int64_t columns, float factor);

#endif
