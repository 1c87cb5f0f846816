/* Polynomials in loops that the compiler vectorises. */
#ifndef THAW_SRC_OPS_KERNELS_POLYNOMIAL_H
#define THAW_SRC_OPS_KERNELS_POLYNOMIAL_H

#include "src/base/multiversion.h"

/* The polynomial of x with these coefficients, that of the highest power first. */
#define THAW_POLYNOMIAL(x, ...) \
	thaw_horner(x, (const float[]){__VA_ARGS__}, (int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)))

/* Horner's rule. The compiler unrolls the loop: the number of coefficients is a constant. */
THAW_INLINE float thaw_horner(float x, const float *coefficient, int count)
{
	float value = coefficient[0];
	for (int i = 1; i < count; i++)
		value = value * x + coefficient[i];
	return value;
}

#endif
