/* Matrix products over CBLAS. */
#ifndef THAW_SRC_OPS_KERNELS_GEMM_H
#define THAW_SRC_OPS_KERNELS_GEMM_H

#include <stdbool.h>
#include <stdint.h>

/* A factor of a product, row major. */
struct thaw_matrix {
	const float *data;
	int64_t stride;  /* floats from row to row, as they lie */
	bool transposed; /* what lies there is its transpose */
};

/* c (m,n) = a (m,k) * b (k,n) + beta * c. Does nothing for m or n of 0. m, n, k and the strides fit an int: `infer` of
 * the operators has seen to it. */
void thaw_gemm(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, struct thaw_matrix b, float beta, float *c,
	       int64_t c_stride);

#endif
