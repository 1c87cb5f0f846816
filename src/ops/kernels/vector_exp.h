/* exp for softmax, which the compiler vectorises in THAW_MULTIVERSION functions. */
#ifndef THAW_SRC_OPS_KERNELS_VECTOR_EXP_H
#define THAW_SRC_OPS_KERNELS_VECTOR_EXP_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "src/base/multiversion.h"
#include "src/ops/kernels/polynomial.h"

/* exp(x) within 2 units in the last place; NaN stays NaN. Unlike thaw_exp, results below the smallest normal float are
 * 0: arithmetic on denormal floats is a hundred times slower, and masked scores produce many.
 *
 * exp(x) = 2^n exp(r) with n the integer nearest to x / ln 2, |r| <= ln 2 / 2; the polynomial is Cephes' expf. */
THAW_INLINE float thaw_vector_exp(float x)
{
	const float lowest = -87.33654f, highest = 88.72283f; /* logarithms of 2^-126 and FLT_MAX */
	const float to_integer = 12582912.0f;                 /* 1.5 * 2^23: adding it rounds to an integer */
	float shifted = x * 1.44269504f + to_integer, n = shifted - to_integer;
	float r = x - n * 0.693359375f + n * 2.12194440e-4f; /* ln 2 in two parts */
	uint32_t bits, exponent;
	float p = THAW_POLYNOMIAL(r, 1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f,
				  1.6666665459e-1f, 5.0000001201e-1f);
	p = p * r * r + r + 1.0f;
	memcpy(&bits, &p, sizeof(bits));
	memcpy(&exponent, &shifted, sizeof(exponent)); /* the low bits are n */
	bits += exponent << 23;
	memcpy(&p, &bits, sizeof(p));
	p = x < lowest ? 0.0f : p;
	return x <= highest ? p : x * INFINITY; /* infinity, or NaN */
}

#endif
