#include "src/advise/eigen.h"

#include <inttypes.h>

#include "src/advise/lapack.h"
#include "thaw/tensor.h"

#define LARGEST 32000 /* 2 n^2 + 6 n + 1 doubles of work space are counted in 32 bits */

/* info is above 0 where the iteration does not converge, below where an argument is wrong. */
static thaw_status judge(int64_t n, blasint info)
{
	if (info == 0)
		return THAW_OK;
	return thaw_fail(THAW_SOFTWARE, "LAPACK's dsyevd fails on a matrix of %" PRId64 " rows (info %d)", n,
			 (int)info);
}

thaw_status thaw_eigen_symmetric(int64_t n, double *a, double *value)
{
	if (n < 1 || n > LARGEST)
		return thaw_fail(THAW_CONFIG, "eigenvalues of a matrix of %" PRId64 " rows: use 1 to %d", n, LARGEST);
	/* The lower triangle by rows is the upper one by columns, and columns of the result are rows. */
	const char *vectors = "V", *upper = "U";
	const blasint order = (blasint)n, ask = -1;
	double work_size;
	blasint iwork_size, info;
	dsyevd_(vectors, upper, &order, a, &order, value, &work_size, &ask, &iwork_size, &ask, &info, 1, 1);
	THAW_TRY(judge(n, info));
	const blasint lwork = (blasint)work_size, liwork = iwork_size;
	double *work = thaw_alloc((size_t)lwork, sizeof(*work));
	blasint *iwork = thaw_alloc((size_t)liwork, sizeof(*iwork));
	thaw_status status = THAW_RESOURCE;
	if (work && iwork) {
		dsyevd_(vectors, upper, &order, a, &order, value, work, &lwork, iwork, &liwork, &info, 1, 1);
		status = judge(n, info);
	}
	thaw_free(work);
	thaw_free(iwork);
	return status;
}
