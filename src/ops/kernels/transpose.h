/* Transposition of matrices, in blocks that stay in registers. */
#ifndef THAW_SRC_OPS_KERNELS_TRANSPOSE_H
#define THAW_SRC_OPS_KERNELS_TRANSPOSE_H

#include <stdbool.h>
#include <stdint.h>

/* to[c * to_stride + r] = from[r * from_stride + c], added to it if `add`, for all r < rows, c < columns. */
void thaw_transpose(float *to, int64_t to_stride, bool add, const float *from, int64_t from_stride, int64_t rows,
		    int64_t columns);

/* to (columns,rows) = from (rows,columns) transposed, elements of 32 bits. `rows` is a multiple of 16, and the rows of
 * `from` have memory for a multiple of 16 columns. */
void thaw_transpose_pairs(uint32_t *to, int64_t to_stride, const uint32_t *from, int64_t from_stride, int64_t rows,
			  int64_t columns);

#endif
