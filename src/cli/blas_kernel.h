/* OpenBLAS's choice of kernels, corrected where it does not know the processor. */
#ifndef THAW_SRC_CLI_BLAS_KERNEL_H
#define THAW_SRC_CLI_BLAS_KERNEL_H

#include <stdbool.h>

/* Whether OpenBLAS took kernels of the SSE3 times on a processor with AVX2: it is older than the processor, does not
 * know it, and multiplies at a fifth of its speed. */
bool blas_kernel_is_fallback(void);

/* Starts the program again, with OPENBLAS_CORETYPE set to the best kernels for the processor's instructions, if
 * blas_kernel_is_fallback() and the user has not set it. Comes back where there is nothing to do, or nothing that can
 * be done. To be called first: before MPI is started, and before anything is read or written. */
void blas_kernel_correct(char **argv);

/* Whether this program was started again by blas_kernel_correct(). */
bool blas_kernel_was_corrected(void);

#endif
