/* LAPACK as OpenBLAS has it: Debian's package holds the routines, but no header for them.
 *
 * Matrices are column major. gfortran passes the length of each character argument behind all others. */
#ifndef THAW_SRC_ADVISE_LAPACK_H
#define THAW_SRC_ADVISE_LAPACK_H

#include <cblas.h>
#include <stddef.h>

/* Eigenvalues w[n], rising, and eigenvectors (columns of a) of a symmetric matrix, by divide and conquer.
 * lwork or liwork of -1 asks for the sizes, which work[0] and iwork[0] then say. */
void dsyevd_(const char *jobz, const char *uplo, const blasint *n, double *a, const blasint *lda, double *w,
	     double *work, const blasint *lwork, blasint *iwork, const blasint *liwork, blasint *info,
	     size_t jobz_length, size_t uplo_length);

#endif
