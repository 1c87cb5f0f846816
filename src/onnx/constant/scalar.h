/* Scalar arithmetic shared by operators and reductions. Internal to src/onnx/constant.
 *
 * Integers wrap around, by unsigned arithmetic. min_of and max_of propagate NaN. */
#ifndef THAW_ONNX_CONSTANT_SCALAR_H
#define THAW_ONNX_CONSTANT_SCALAR_H

#include <math.h>
#include <stdint.h>

#include "src/base/minmax.h"

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

#endif
