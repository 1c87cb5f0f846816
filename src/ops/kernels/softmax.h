/* Softmax of rows; rows are `stride` floats apart in every matrix. */
#ifndef THAW_SRC_OPS_KERNELS_SOFTMAX_H
#define THAW_SRC_OPS_KERNELS_SOFTMAX_H

#include <stdbool.h>
#include <stdint.h>

/* y = exp(x - largest) * inverse for each row, where largest is its maximum and inverse = 1 / sum. y may be x. Writes
 * largest and inverse [rows], unless both are NULL. */
void thaw_softmax_rows(float *y, const float *x, int64_t rows, int64_t columns, int64_t stride, float *largest,
		       float *inverse);

/* Recomputes y from x, largest and inverse, with the same bits. */
void thaw_softmax_rows_recompute(float *y, const float *x, int64_t rows, int64_t columns, int64_t stride,
				 const float *largest, const float *inverse);

/* dx = y * (dy - sum of y dy), added to dx if `add`. dx may be dy. */
void thaw_softmax_rows_backward(float *dx, bool add, const float *y, const float *dy, int64_t rows, int64_t columns,
				int64_t stride);

/* For factors of products in bfloat16, by an exp with an error below 2^-12 that is not 0 for any x. Rows are
 * contiguous; columns is a multiple of 16. */

/* x[r] = exp(x - largest) for each row, where largest is its maximum; inverse[r] = 1 / sum. largest may be NULL. */
void thaw_softmax_rows_quick(float *x, int64_t rows, int64_t columns, float *largest, float *inverse);
/* x[r] = exp(x - largest) * inverse. */
void thaw_softmax_rows_recompute_quick(float *x, int64_t rows, int64_t columns, const float *largest,
				       const float *inverse);
/* x[r] *= factor[r]; rows are `stride` floats apart. */
void thaw_softmax_scale_rows(float *x, int64_t rows, int64_t columns, int64_t stride, const float *factor);

#endif
