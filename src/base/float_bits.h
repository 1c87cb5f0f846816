/* The bits of a float. */
#ifndef THAW_SRC_BASE_FLOAT_BITS_H
#define THAW_SRC_BASE_FLOAT_BITS_H

#include <stdint.h>
#include <string.h>

#include "src/base/multiversion.h"

THAW_INLINE uint32_t bits_of_float(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

THAW_INLINE float float_of_bits(uint32_t bits)
{
	float x;
	memcpy(&x, &bits, sizeof(x));
	return x;
}

#endif
