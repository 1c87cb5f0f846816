/* Softmax of rows, `stride` floats apart in every matrix of a args. */
#ifndef THAW_SRC_OPS_KERNELS_SOFTMAX_H
#define THAW_SRC_OPS_KERNELS_SOFTMAX_H

#include <stdbool.h>
#include <stdint.h>

/* y = exp(x - largest) * inverse, row by row. y may be x. largest and inverse [rows] are written; both NULL: not
 * wanted. */
void thaw_softmax_rows(float *y, const float *x, int64_t rows, int64_t columns, int64_t stride, float *largest,
		       float *inverse);

/* The same y once more, to the bit. */
void thaw_softmax_rows_again(float *y, const float *x, int64_t rows, int64_t columns, int64_t stride,
			     const float *largest, const float *inverse);

/* dx = y * (dy - sum of y dy): added or written. dx may be dy. */
void thaw_softmax_rows_backward(float *dx, bool add, const float *y, const float *dy, int64_t rows, int64_t columns,
				int64_t stride);

#endif
