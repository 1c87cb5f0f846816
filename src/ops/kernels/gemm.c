/* Matrix products: by gemm_direct.h where that is faster, otherwise by CBLAS. */
#include "src/ops/kernels/gemm.h"

#include <cblas.h>

#include "src/ops/kernels/gemm_direct.h"

static CBLAS_TRANSPOSE blas_order(struct thaw_matrix m)
{
	return m.transposed ? CblasTrans : CblasNoTrans;
}

void thaw_gemm(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, struct thaw_matrix b, float beta, float *c,
	       int64_t c_stride)
{
	if (m == 0 || n == 0)
		return;
	if ((beta == 0.0f || beta == 1.0f) && thaw_gemm_direct_pays(m, n, k, a, b)) {
		thaw_gemm_direct(m, n, k, a, b, beta != 0.0f, c, c_stride);
		return;
	}
	cblas_sgemm(CblasRowMajor, blas_order(a), blas_order(b), (int)m, (int)n, (int)k, 1.0f, a.data, (int)a.stride,
		    b.data, (int)b.stride, beta, c, (int)c_stride);
}
