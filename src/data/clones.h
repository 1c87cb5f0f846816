/* Marks a loop to be compiled several times, for the vector units that a processor may have; the program takes the
 * best at run time. Elsewhere, and where a sanitizer must run before the choice is made, it is compiled once. */
#ifndef THAW_SRC_DATA_CLONES_H
#define THAW_SRC_DATA_CLONES_H

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
	!defined(__SANITIZE_ADDRESS__)
#define THAW_CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define THAW_CLONES
#endif

#endif
