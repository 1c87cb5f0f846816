/* Comparison functions for qsort: ascending. */
#ifndef THAW_SRC_BASE_COMPARE_H
#define THAW_SRC_BASE_COMPARE_H

#include <stdint.h>

static inline int compare_double(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

static inline int compare_int64(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
	return (a > b) - (a < b);
}

#endif
