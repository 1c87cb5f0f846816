/* Products of small matrices without copying them.
 *
 * BLAS first copies both factors to another order. That pays for large matrices. Where a factor has a few hundred
 * columns, as in most layers of a network, copying takes a third of the time.
 */
#ifndef THAW_SRC_OPS_KERNELS_GEMM_DIRECT_H
#define THAW_SRC_OPS_KERNELS_GEMM_DIRECT_H

#include "src/ops/kernels/gemm.h"

/* Whether thaw_gemm_direct is faster than BLAS: small matrices, a multiple of 8 columns, and wide vectors. Depends on
 * the BLAS kernels in use, not on the processor, so ranks that agree on the kernels get the same bits. */
bool thaw_gemm_direct_pays(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, struct thaw_matrix b);

/* c (m,n) = a (m,k) * b (k,n), added to c if `add`. b must not be transposed, and n must be a multiple of 8. The bits
 * of a row of c do not depend on its position or on m. */
void thaw_gemm_direct(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, struct thaw_matrix b, bool add, float *c,
		      int64_t c_stride);

#endif
