/* C (m,n) = A (m,k) * B (k,n) + beta * C over CBLAS, row major. `a_transposed`: A lies as (k,m); B likewise.
 * lda, ldb, ldc are floats from row to row as they lie. Does nothing for m or n of 0. */
#ifndef THAW_SRC_OPS_KERNELS_GEMM_H
#define THAW_SRC_OPS_KERNELS_GEMM_H

#include <stdbool.h>
#include <stdint.h>

struct thaw_matrix {
	const float *data;
	int64_t stride; /* floats from row to row */
	bool transposed;
};

/* m, n, k and the strides fit an int: `infer` of the operators has seen to it. */
void thaw_gemm(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, struct thaw_matrix b, float beta, float *c,
	       int64_t c_stride);

#endif
