/* Products of few rows with a large matrix, as in a classifier on a small batch. The matrix is read or written once, at
 * the speed of memory; sgemm would first copy it to another order, or write zeros and add to them.
 *
 * x (n,in), weight (out,in), y and dy (n,out), any sizes.
 */
#ifndef THAW_SRC_OPS_KERNELS_FEW_ROWS_H
#define THAW_SRC_OPS_KERNELS_FEW_ROWS_H

#include <stdint.h>

/* Up to so many rows this is not slower than sgemm, measured on VGG-16's classifier: see docs/performance.md. */
enum { THAW_FEW_ROWS = 16 };

/* y = x weight' */
void thaw_few_rows_forward(int64_t n, int64_t in, int64_t out, const float *x, const float *weight, float *y);
/* dweight = dy' x */
void thaw_few_rows_weight(int64_t n, int64_t in, int64_t out, const float *x, const float *dy, float *dweight);

#endif
