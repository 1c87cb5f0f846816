/* Arithmetic that operators and reductions share. Internal to src/onnx/constant.
 *
 * Integers wrap around, which C leaves to unsigned ones. Of min and max, a NaN makes the result NaN. */
#ifndef THAW_ONNX_SCALAR_H
#define THAW_ONNX_SCALAR_H

#include <math.h>
#include <stdint.h>

static inline double add(double x, double y)
{
	return x + y;
}

static inline int64_t add_int(int64_t x, int64_t y)
{
	return (int64_t)((uint64_t)x + (uint64_t)y);
}

static inline double multiply(double x, double y)
{
	return x * y;
}

static inline int64_t multiply_int(int64_t x, int64_t y)
{
	return (int64_t)((uint64_t)x * (uint64_t)y);
}

static inline double min_of(double x, double y)
{
	return isnan(x) || x < y ? x : y;
}

static inline double max_of(double x, double y)
{
	return isnan(x) || x > y ? x : y;
}

static inline int64_t min_int(int64_t x, int64_t y)
{
	return x < y ? x : y;
}

static inline int64_t max_int(int64_t x, int64_t y)
{
	return x > y ? x : y;
}

#endif
