/* Exponential, logarithm and related functions as straight-line code that the compiler vectorises, for loops in
 * THAW_MULTIVERSION functions. They call no vector library: the bits are the same on all machines with the same vector
 * length.
 *
 * Infinities, NaN and denormal numbers are handled as by libm. Errors are measured in tests/unit/test_functions.c. Both
 * sides of a choice are computed before it: the compiler does not vectorise arithmetic in a branch, since it might
 * trap.
 */
#ifndef THAW_SRC_OPS_KERNELS_VECTOR_MATH_H
#define THAW_SRC_OPS_KERNELS_VECTOR_MATH_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/base/float_bits.h"
#include "src/base/multiversion.h"
#include "src/ops/kernels/polynomial.h"

/* first ? value : otherwise, by masks: where several choices depend on the same value, the compiler would use branches,
 * which it cannot vectorise. */
THAW_INLINE float thaw_choose(bool first, float value, float otherwise)
{
	uint32_t mask = -(uint32_t)first;
	return float_of_bits((bits_of_float(value) & mask) | (bits_of_float(otherwise) & ~mask));
}

THAW_INLINE float thaw_sign(float x)
{
	return (float)((x > 0.0f) - (x < 0.0f));
}

/* Minimum and maximum; NaN if a is NaN. */
THAW_INLINE float thaw_nan_min(float a, float b)
{
	return ((a < b) | (a != a)) ? a : b;
}

THAW_INLINE float thaw_nan_max(float a, float b)
{
	return ((a > b) | (a != a)) ? a : b;
}

/* x = n * ln 2 + r, |r| <= ln(2) / 2: exp(x) = (1 + tail) * low * high. 2^n is the product of two powers, since n may
 * exceed the exponents of a float where the result is denormal or infinite. */
struct thaw_exp_parts {
	float tail;      /* exp(r) - 1 */
	float low, high; /* powers of two */
};

THAW_INLINE struct thaw_exp_parts thaw_exp_split(float x)
{
	const float round = 12582912.0f; /* 1.5 * 2^23: adding it leaves the nearest integer in the lowest bits */
	float bounded = thaw_choose(x > 89.0f, 89.0f, x);
	bounded = thaw_choose(bounded < -104.0f, -104.0f, bounded);
	float shifted = bounded * 1.44269504f + round, n = shifted - round;
	float r = bounded - n * 0.693359375f + n * 2.12194440e-4f; /* Cody and Waite: ln 2 in two parts */
	/* exp(r) = 1 + r + r^2 * p(r); the coefficients are those of expf in the Cephes library */
	float p = THAW_POLYNOMIAL(r, 1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f,
				  1.6666665459e-1f, 5.0000001201e-1f);
	int32_t power = (int32_t)(bits_of_float(shifted) - bits_of_float(round)), half = power >> 1;

	return (struct thaw_exp_parts){p * r * r + r, float_of_bits((uint32_t)(half + 127) << 23),
				       float_of_bits((uint32_t)(power - half + 127) << 23)};
}

THAW_INLINE float thaw_exp(float x)
{
	struct thaw_exp_parts e = thaw_exp_split(x);
	return (1.0f + e.tail) * e.low * e.high;
}

/* exp(x) - 1, also accurate for small x. */
THAW_INLINE float thaw_expm1(float x)
{
	struct thaw_exp_parts e = thaw_exp_split(x);
	float value = e.tail * e.low * e.high + (e.low * e.high - 1.0f);
	return thaw_choose(x > 88.0f, (1.0f + e.tail) * e.low * e.high, value);
}

/* log(x) - shift * ln 2 for a positive normal number x = m * 2^n, sqrt(1/2) <= m < sqrt 2. The polynomial is that of
 * logf in the Cephes library. */
THAW_INLINE float thaw_log_normal(float x, float shift)
{
	uint32_t bits = bits_of_float(x);
	int32_t n = (int32_t)(bits - 0x3f3504f3) >> 23; /* 0x3f3504f3: sqrt(1/2) */
	float m = float_of_bits(bits - ((uint32_t)n << 23)) - 1.0f;
	float e = (float)n - shift, square = m * m;
	float p = THAW_POLYNOMIAL(m, 7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f,
				  1.4249322787e-1f, -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f,
				  3.3333331174e-1f);
	return p * m * square - e * 2.12194440e-4f - 0.5f * square + m + e * 0.693359375f;
}

THAW_INLINE float thaw_log(float x)
{
	bool denormal = x < FLT_MIN; /* 2^23 makes it normal */
	float normal = x * thaw_choose(denormal, 8388608.0f, 1.0f);
	float value = thaw_log_normal(normal, thaw_choose(denormal, 23.0f, 0.0f));
	value = thaw_choose(x == INFINITY, INFINITY, value);
	value = thaw_choose(x == 0.0f, -INFINITY, value);
	return thaw_choose(x >= 0.0f, value, NAN);
}

/* log(1 + x) for x from 0 to 1, with a correction for the rounding of 1 + x. */
THAW_INLINE float thaw_log1p_fraction(float x)
{
	float whole = 1.0f + x;
	return thaw_log_normal(whole, 0.0f) + (x - (whole - 1.0f)) / whole;
}

THAW_INLINE float thaw_sigmoid(float x)
{
	return 1.0f / (1.0f + thaw_exp(-x));
}

THAW_INLINE float thaw_tanh(float x)
{
	float size = fabsf(x), e = thaw_expm1(2.0f * thaw_choose(size > 10.0f, 10.0f, size)); /* tanh(10) rounds to 1 */
	return copysignf(e / (e + 2.0f), x);
}

/* Density of the normal distribution at x times sqrt(2 pi), and its probability beyond |x|. */
struct thaw_normal {
	float density, beyond;
};

/* beyond = density * f(|x|); f(a) * (a + 3.5) is a polynomial of (a - 3.5) / (a + 3.5) within 1e-8, fitted by weighted
 * least squares for a from 0 to 15, beyond which the density is 0. */
THAW_INLINE struct thaw_normal thaw_normal(float x)
{
	float inverse = 1.0f / (fabsf(x) + 3.5f), t = 1.0f - 7.0f * inverse;
	float density = thaw_exp(-0.5f * x * x);
	float p = THAW_POLYNOMIAL(t, 1.0869379631e-4f, 4.1832437532e-4f, -4.9503897333e-4f, -3.1728296884e-3f,
				  6.4937262336e-3f, 1.7405821696e-2f, -1.1605317455e-1f, 3.1542509125e-1f,
				  -5.6556173927e-1f, 7.4441607359e-1f);
	return (struct thaw_normal){density, density * inverse * p};
}

/* For |x| >= 1 by the normal distribution; below by a polynomial within 1e-9, fitted by least squares. */
THAW_INLINE float thaw_erf(float x)
{
	float square = x * x;
	float far = copysignf(1.0f - 2.0f * thaw_normal(1.41421356f * x).beyond, x);
	float p = THAW_POLYNOMIAL(square, 7.8891230672e-5f, -8.0208423162e-4f, 5.1895354535e-3f, -2.6854444650e-2f,
				  1.1283600178e-1f, -3.7612627136e-1f, 1.1283791659f);
	float near = x * p;

	return thaw_choose(square < 1.0f, near, far);
}

#endif
