/* Products of few rows with a large matrix, as in a classifier of a small batch: the matrix is read once, as fast as
 * memory gives it, where sgemm would copy it into another order first.
 *
 * x (n,in), weight (out,in), y and dy (n,out), rows of any length.
 */
#ifndef THAW_SRC_OPS_KERNELS_FEW_ROWS_H
#define THAW_SRC_OPS_KERNELS_FEW_ROWS_H

#include <stdbool.h>
#include <stdint.h>

enum { THAW_FEW_ROWS = 16 }; /* up to so many rows these are faster */

/* y = x weight' */
void thaw_few_rows_forward(int64_t n, int64_t in, int64_t out, const float *x, const float *weight, float *y);
/* dx = dy weight, or added to dx. */
void thaw_few_rows_data(int64_t n, int64_t in, int64_t out, const float *dy, const float *weight, float *dx, bool add);
/* dweight += dy' x */
void thaw_few_rows_weight(int64_t n, int64_t in, int64_t out, const float *x, const float *dy, float *dweight);

#endif
