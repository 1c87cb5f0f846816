/* Eigenvalues and eigenvectors. */
#ifndef THAW_SRC_ADVISE_EIGEN_H
#define THAW_SRC_ADVISE_EIGEN_H

#include <stdint.h>

#include "thaw/error.h"

/* a (n,n), row major, holds a symmetric matrix of finite numbers, of which the lower triangle is read, and then the
 * eigenvectors as rows, of length 1; value[n] the eigenvalues, rising. Takes memory for 2 n^2 doubles more and a time
 * of order n^3: seconds for n of 2000. THAW_CONFIG where n is too large for LAPACK's integers (above 32000).
 * On failure both arrays are spoilt. */
thaw_status thaw_eigen_symmetric(int64_t n, double *a, double *value);

#endif
