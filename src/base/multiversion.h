/* THAW_MULTIVERSION before a function compiles it for several generations of x86-64. The loader selects one: the binary
 * runs on all of them and uses the vectors of the machine.
 *
 * Functions that it calls are compiled for the oldest generation unless they are inlined, so helpers of a loop must be
 * THAW_INLINE. Empty where the loader cannot select: other processors, compilers other than gcc, and sanitizer builds,
 * whose runtime is not initialized when the loader selects.
 */
#ifndef THAW_SRC_BASE_MULTIVERSION_H
#define THAW_SRC_BASE_MULTIVERSION_H

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(THAW_NO_MULTIVERSION)
#define THAW_MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define THAW_MULTIVERSION
#endif

/* Before a loop: no iteration depends on an earlier one, even if pointers might overlap. */
#if defined(__clang__)
#define THAW_INDEPENDENT _Pragma("clang loop vectorize(enable)")
#else
#define THAW_INDEPENDENT _Pragma("GCC ivdep")
#endif

#define THAW_INLINE static inline __attribute__((always_inline))

#endif
