/* Eigenvalues and eigenvectors of symmetric matrices. */
#ifndef THAW_SRC_ADVISE_EIGEN_H
#define THAW_SRC_ADVISE_EIGEN_H

#include <stdint.h>

#include "thaw/error.h"

/* a (n,n), row major: on entry a symmetric matrix of finite values, of which the lower triangle is read; on return the
 * eigenvectors as rows of length 1. value[n] receives the eigenvalues, ascending. Allocates 2 n^2 doubles; takes O(n^3)
 * time, seconds for n = 2000. THAW_CONFIG if n exceeds 32000, the limit of LAPACK's integers. On failure the contents
 * of both arrays are undefined. */
thaw_status thaw_eigen_symmetric(int64_t n, double *a, double *value);

#endif
