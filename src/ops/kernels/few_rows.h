/* Products of few rows with a large matrix, as in a classifier of a small batch: the matrix is read or written once, as
 * fast as memory goes, where sgemm would copy it into another order first, or fill it with zeros and add to these.
 *
 * x (n,in), weight (out,in), y and dy (n,out), rows of any length.
 */
#ifndef THAW_SRC_OPS_KERNELS_FEW_ROWS_H
#define THAW_SRC_OPS_KERNELS_FEW_ROWS_H

#include <stdint.h>

enum { THAW_FEW_ROWS = 16 }; /* up to so many rows this is no slower: VGG-16's classifier, see docs/performance.md */

/* y = x weight' */
void thaw_few_rows_forward(int64_t n, int64_t in, int64_t out, const float *x, const float *weight, float *y);
/* dweight = dy' x */
void thaw_few_rows_weight(int64_t n, int64_t in, int64_t out, const float *x, const float *dy, float *dweight);

#endif
