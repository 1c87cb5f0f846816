/* LAPACK routines of OpenBLAS; Debian's package has no header for them.
 *
 * Matrices are column major. gfortran passes the lengths of character arguments after all other arguments. */
#ifndef THAW_SRC_ADVISE_LAPACK_H
#define THAW_SRC_ADVISE_LAPACK_H

#include <cblas.h>
#include <stddef.h>

/* Eigenvalues w[n], ascending, and eigenvectors (columns of a) of a symmetric matrix, by divide and conquer. With lwork
 * or liwork -1, only returns the workspace sizes, in work[0] and iwork[0]. */
void dsyevd_(const char *jobz, const char *uplo, const blasint *n, double *a, const blasint *lda, double *w,
	     double *work, const blasint *lwork, blasint *iwork, const blasint *liwork, blasint *info,
	     size_t jobz_length, size_t uplo_length);

#endif
