/* Correction of OpenBLAS's kernel choice on processors that it does not know. */
#ifndef THAW_SRC_CLI_BLAS_KERNEL_H
#define THAW_SRC_CLI_BLAS_KERNEL_H

#include <stdbool.h>

/* Whether OpenBLAS selected SSE3 kernels on a processor with AVX2, at a fifth of the speed, because it is older than
 * the processor and does not recognise it. */
bool blas_kernel_is_fallback(void);

/* If blas_kernel_is_fallback() and OPENBLAS_CORETYPE is unset: sets it to the best kernels for the processor's
 * instruction sets and executes the program again. Otherwise, or if that fails, returns. Call it first in main, before
 * MPI_Init and any I/O. */
void blas_kernel_correct(char **argv);

/* Whether blas_kernel_correct() executed this program again. */
bool blas_kernel_was_corrected(void);

#endif
