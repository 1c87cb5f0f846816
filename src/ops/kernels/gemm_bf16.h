/* Matrix products of factors rounded to bfloat16, with products and sums in fp32. The bits depend on the values and
 * shapes only, not on the processor. */
#ifndef THAW_SRC_OPS_KERNELS_GEMM_BF16_H
#define THAW_SRC_OPS_KERNELS_GEMM_BF16_H

#include <stddef.h>

#include "src/ops/kernels/gemm.h"

/* A left factor in either storage: one of the pointers is NULL. */
struct thaw_value_matrix {
	const float *data;
	const uint16_t *bf16;
	int64_t stride;  /* values from row to row in memory */
	bool transposed; /* the transpose is in memory */
};

/* Bytes of a right factor (k,n) in packed form: bfloat16, in the order that the kernel reads. */
size_t thaw_bf16_packed_bytes(int64_t k, int64_t n);
/* packed: 64-byte aligned, of thaw_bf16_packed_bytes(k, n). */
void thaw_bf16_pack(int64_t k, int64_t n, struct thaw_matrix b, void *packed);

/* c (m,n) = a (m,k) b, or added to c; b in packed form. Does nothing if m or n is 0. */
void thaw_gemm_bf16(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, const void *b, bool add, float *c,
		    int64_t c_stride);
/* The same; values in bfloat16 are read where they are, if their rows begin at even values. */
void thaw_gemm_bf16_values(int64_t m, int64_t n, int64_t k, struct thaw_value_matrix a, const void *b, bool add,
			   float *c, int64_t c_stride);

#endif
