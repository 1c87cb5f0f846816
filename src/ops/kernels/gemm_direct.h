/* Products of small matrices as they lie.
 *
 * BLAS copies both factors into an order of its own before it multiplies. That pays for large matrices; where a factor
 * has a few hundred columns, as in most layers of a network, the copying costs a third of the time.
 */
#ifndef THAW_SRC_OPS_KERNELS_GEMM_DIRECT_H
#define THAW_SRC_OPS_KERNELS_GEMM_DIRECT_H

#include "src/ops/kernels/gemm.h"

/* Whether the product is better done here: small enough, columns in eights, and with the vectors it was written for.
 * The answer depends on the BLAS kernels in use, not on the processor: ranks that agree on those get the same bits. */
bool thaw_gemm_direct_pays(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, struct thaw_matrix b);

/* c (m,n) = a (m,k) * b (k,n), or added to c. b is not transposed, n a multiple of 8. A row of c has the same bits
 * wherever it stands and however many there are. */
void thaw_gemm_direct(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, struct thaw_matrix b, bool add, float *c,
		      int64_t c_stride);

#endif
