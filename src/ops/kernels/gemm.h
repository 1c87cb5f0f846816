/* Matrix products. */
#ifndef THAW_SRC_OPS_KERNELS_GEMM_H
#define THAW_SRC_OPS_KERNELS_GEMM_H

#include <stdbool.h>
#include <stdint.h>

/* A factor of a product, row major. */
struct thaw_matrix {
	const float *data;
	int64_t stride;  /* floats from row to row in memory */
	bool transposed; /* the transpose is in memory */
};

/* c (m,n) = a (m,k) * b (k,n) + beta * c. Does nothing if m or n is 0. m, n, k and the strides must fit an int, which
 * `infer` of the operators checks. */
void thaw_gemm(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, struct thaw_matrix b, float beta, float *c,
	       int64_t c_stride);

#endif
