/* Weights computed from a formula, identically in Python (tests/golden/formula.py), so that golden files need not store
 * them. */
#ifndef THAW_TESTS_FORMULA_WEIGHTS_H
#define THAW_TESTS_FORMULA_WEIGHTS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "thaw/tensor.h"

#define FORMULA_PROJECTIONS 4

static inline uint64_t formula_key(const char *name, const char *ending)
{
	uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */
	for (const char *c = name; *c; c++)
		h = (h ^ (unsigned char)*c) * 0x100000001B3u;
	for (const char *c = ending; *c; c++)
		h = (h ^ (unsigned char)*c) * 0x100000001B3u;
	return h;
}

/* Word i of the random stream with this key (splitmix64). */
static inline uint64_t formula_word(uint64_t key, int64_t i)
{
	uint64_t z = key + (uint64_t)(i + 1) * 0x9E3779B97F4A7C15u;
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static inline float formula_uniform(uint64_t key, int64_t i, double low, double high)
{
	return (float)(low + (high - low) * ((double)(formula_word(key, i) >> 40) / 0x1p24));
}

static inline int formula_ends(const char *name, const char *ending)
{
	size_t n = strlen(name), e = strlen(ending);
	return n >= e && strcmp(name + n - e, ending) == 0;
}

/* The range of a tensor's values, which depends on its kind. */
static inline void formula_range(const char *name, const struct thaw_shape *shape, double *low, double *high)
{
	if (shape->ndim > 1) {
		*high = sqrt(6.0 / (double)(thaw_shape_count(shape) / shape->dim[0]));
		*low = -*high;
	} else if (formula_ends(name, "running_var")) {
		*low = 0.5, *high = 1.5;
	} else if (formula_ends(name, "running_mean") || formula_ends(name, "bias")) {
		*low = -0.1, *high = 0.1;
	} else {
		*low = 0.5, *high = 1.0;
	}
}

/* Fills values[count of shape], in the layout of the file. */
static inline void formula_weight(const char *name, const struct thaw_shape *shape, float scale, float *values)
{
	const uint64_t key = formula_key(name, "");
	double low, high;
	formula_range(name, shape, &low, &high);
	for (int64_t i = 0, n = thaw_shape_count(shape); i < n; i++)
		values[i] = formula_uniform(key, i, low, high) * scale;
}

/* The input of a network: values in -2 .. 2, drawn in the order (N,3,H,W) and written to x (N,H,W,3). */
static inline void formula_input(const char *name, int64_t images, int64_t height, int64_t width, float *x)
{
	const uint64_t key = formula_key(name, "");
	int64_t i = 0;
	for (int64_t n = 0; n < images; n++)
		for (int64_t c = 0; c < 3; c++)
			for (int64_t p = 0; p < height * width; p++)
				x[(n * height * width + p) * 3 + c] = formula_uniform(key, i++, -2.0, 2.0);
}

/* Inner products of the values with random vectors of +1 and -1 that depend on the name. */
static inline void formula_project(const char *name, const float *values, int64_t count,
				   double projection[FORMULA_PROJECTIONS])
{
	const uint64_t key = formula_key(name, "/sign");
	for (int p = 0; p < FORMULA_PROJECTIONS; p++)
		projection[p] = 0;
	for (int64_t i = 0; i < count; i++) {
		const uint64_t bits = formula_word(key, i);
		for (int p = 0; p < FORMULA_PROJECTIONS; p++)
			projection[p] += bits >> p & 1 ? values[i] : -values[i];
	}
}

#endif
