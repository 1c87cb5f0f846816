/* OpenBLAS reads OPENBLAS_CORETYPE when it is loaded, before main: the only way to tell it is to start once more. The
 * process keeps its number, its cores and its place under mpirun or srun. */
#include "src/cli/blas_kernel.h"

#include <cblas.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define CORETYPE "OPENBLAS_CORETYPE"
#define MARK     "OPENBLAS_CORETYPE_SET_BY_THAW"

#if defined(__x86_64__)
/* Of the names that an OpenBLAS built for all x86-64 processors knows. */
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
	char program[PATH_MAX + 1] = {0}; /* its name, not /proc/self/exe: that is what ps would call it */

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
