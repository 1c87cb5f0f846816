/* Minimum and maximum, one function per type so that no argument is evaluated twice or converted silently. */
#ifndef THAW_SRC_BASE_MINMAX_H
#define THAW_SRC_BASE_MINMAX_H

#include <stddef.h>
#include <stdint.h>

#define THAW_DEFINE_MINMAX(type, suffix)                \
	static inline type min_##suffix(type a, type b) \
	{                                               \
		return a < b ? a : b;                   \
	}                                               \
	static inline type max_##suffix(type a, type b) \
	{                                               \
		return a > b ? a : b;                   \
	}

THAW_DEFINE_MINMAX(int, int)
THAW_DEFINE_MINMAX(int64_t, int64)
THAW_DEFINE_MINMAX(size_t, size)
THAW_DEFINE_MINMAX(float, float)
THAW_DEFINE_MINMAX(double, double)

#undef THAW_DEFINE_MINMAX

#endif
