/* OpenBLAS reads OPENBLAS_CORETYPE when it is loaded, before main, so the program must execute itself again to change
 * it. execv keeps the process ID, the core affinity and the connection to mpirun or srun. */
#include "src/cli/blas_kernel.h"

#include <cblas.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define CORETYPE "OPENBLAS_CORETYPE"
#define MARK     "OPENBLAS_CORETYPE_SET_BY_THAW"

#if defined(__x86_64__)
/* Kernels that every OpenBLAS with DYNAMIC_ARCH has on x86-64. NULL: no better ones than the fallback. */
static const char *best_kernels(void)
{
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
		return "SkylakeX";
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "Haswell" : NULL;
}
#else
static const char *best_kernels(void)
{
	return NULL;
}
#endif

bool blas_kernel_is_fallback(void)
{
	const char *core = openblas_get_corename();
	return best_kernels() && (strcasecmp(core, "Prescott") == 0 || strcasecmp(core, "Generic") == 0);
}

void blas_kernel_correct(char **argv)
{
	char program[PATH_MAX + 1] = {0}; /* execv of /proc/self/exe itself would show as "exe" in ps */

	if (getenv(CORETYPE) || !blas_kernel_is_fallback())
		return;
	if (readlink("/proc/self/exe", program, PATH_MAX) > 0 && setenv(CORETYPE, best_kernels(), 1) == 0 &&
	    setenv(MARK, "1", 1) == 0)
		execv(program, argv);
	unsetenv(CORETYPE);
	unsetenv(MARK);
}

bool blas_kernel_was_corrected(void)
{
	return getenv(MARK) != NULL;
}
