#include "src/advise/eigen.h"

#include <inttypes.h>

#include "src/advise/lapack.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define MAX_ROWS 32000 /* LAPACK counts the 2 n^2 + 6 n + 1 doubles of workspace in 32 bits */

/* info > 0: the iteration did not converge; info < 0: an argument is invalid. */
static thaw_status check_info(int64_t n, blasint info)
{
	if (info == 0)
		return THAW_OK;
	return thaw_fail(THAW_SOFTWARE, "dsyevd of LAPACK failed: a matrix of %" PRId64 " rows, info %d", n, (int)info);
}

thaw_status thaw_eigen_symmetric(int64_t n, double *a, double *value)
{
	if (n < 1 || n > MAX_ROWS)
		return thaw_fail(THAW_CONFIG, "bad size of a matrix for eigenvalues: %" PRId64 " rows: use 1 to %d", n,
				 MAX_ROWS);
	/* A row-major lower triangle is a column-major upper one; columns of the result are rows here. */
	const char *vectors = "V", *upper = "U";
	const blasint order = (blasint)n, query = -1;
	double work_size;
	blasint iwork_size, info;
	dsyevd_(vectors, upper, &order, a, &order, value, &work_size, &query, &iwork_size, &query, &info, 1, 1);
	THAW_TRY(check_info(n, info));
	const blasint lwork = (blasint)work_size, liwork = iwork_size;
	double *work = thaw_alloc((size_t)lwork, sizeof(*work));
	blasint *iwork = thaw_alloc((size_t)liwork, sizeof(*iwork));
	thaw_status status = THAW_RESOURCE;
	if (work && iwork) {
		dsyevd_(vectors, upper, &order, a, &order, value, work, &lwork, iwork, &liwork, &info, 1, 1);
		status = check_info(n, info);
	}
	thaw_free(work);
	thaw_free(iwork);
	return status;
}
