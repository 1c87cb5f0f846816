/* THAW_MULTIVERSION before a function compiles it for several generations of x86-64 and picks one when
 * the program is loaded: the binary runs anywhere and still uses the vectors of the machine it is on.
 *
 * Functions that it calls are not part of the choice unless they are inlined, so helpers of a loop must be
 * THAW_INLINE. Empty where the loader cannot pick: other processors, compilers other than gcc, and sanitizer
 * builds, whose runtime is not yet up when the loader asks.
 */
#ifndef THAW_SRC_BASE_MULTIVERSION_H
#define THAW_SRC_BASE_MULTIVERSION_H

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(THAW_NO_MULTIVERSION)
#define THAW_MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define THAW_MULTIVERSION
#endif

/* Before a loop: no iteration depends on an earlier one, whatever pointers may overlap. */
#if defined(__clang__)
#define THAW_INDEPENDENT _Pragma("clang loop vectorize(enable)")
#else
#define THAW_INDEPENDENT _Pragma("GCC ivdep")
#endif

#define THAW_INLINE static inline __attribute__((always_inline))

#endif
