/* Matrix products: the one place that knows how CBLAS wants them. */
#include "src/ops/kernels/gemm.h"

#include <cblas.h>

static CBLAS_TRANSPOSE order(struct thaw_matrix m)
{
	return m.transposed ? CblasTrans : CblasNoTrans;
}

void thaw_gemm(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, struct thaw_matrix b, float beta, float *c,
	       int64_t c_stride)
{
	if (m == 0 || n == 0)
		return;
	cblas_sgemm(CblasRowMajor, order(a), order(b), (int)m, (int)n, (int)k, 1.0f, a.data, (int)a.stride, b.data,
		    (int)b.stride, beta, c, (int)c_stride);
}
