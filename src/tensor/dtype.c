/* Element types and their conversion to and from fp32.
 *
 * Half precision is converted with integer operations: they need no hardware support, and give the same bits on a
 * processor that flushes subnormals to zero. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "src/base/float_bits.h"
#include "thaw/dtype.h"

static const struct {
	const char *name;
	size_t size; /* bytes */
} dtypes[] = {
	[THAW_F32] = {"F32", 4}, [THAW_F16] = {"F16", 2},   [THAW_BF16] = {"BF16", 2}, [THAW_F64] = {"F64", 8},
	[THAW_I8] = {"I8", 1},   [THAW_U8] = {"U8", 1},     [THAW_I16] = {"I16", 2},   [THAW_I32] = {"I32", 4},
	[THAW_I64] = {"I64", 8}, [THAW_BOOL] = {"BOOL", 1},
};
static_assert(sizeof(dtypes) / sizeof(*dtypes) == THAW_DTYPES, "one row per type");

size_t thaw_dtype_size(enum thaw_dtype t)
{
	return dtypes[t].size;
}

const char *thaw_dtype_name(enum thaw_dtype t)
{
	return dtypes[t].name;
}

bool thaw_dtype_parse(const char *name, enum thaw_dtype *t)
{
	for (int i = 0; i < THAW_DTYPES; i++) {
		if (strcmp(dtypes[i].name, name) == 0) {
			*t = (enum thaw_dtype)i;
			return true;
		}
	}
	return false;
}

/* binary16: sign, 5 bits of exponent (bias 15), 10 of fraction. binary32: 8 (bias 127) and 23. */
static float f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16;
	uint32_t exponent = (h >> 10) & 31, fraction = h & 0x3ff;
	if (exponent == 31) /* infinity, NaN */
		return float_of_bits(sign | 0x7f800000 | fraction << 13);
	if (exponent > 0)
		return float_of_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
	/* Subnormal: fraction * 2^-24, exact in fp32. */
	float value = (float)fraction * 0x1p-24f;
	return sign ? -value : value;
}

/* value / 2^shift, rounded to nearest, ties to even; 1 <= shift <= 31. */
static uint32_t shift_round(uint32_t value, unsigned shift)
{
	uint32_t half = (UINT32_C(1) << (shift - 1)) - 1;
	return (value + half + ((value >> shift) & 1)) >> shift;
}

static uint16_t f32_to_f16(float f)
{
	uint32_t bits = bits_of_float(f), sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
	if (magnitude > 0x7f800000) /* NaN stays NaN, quiet */
		return (uint16_t)(sign | 0x7e00 | ((magnitude >> 13) & 0x1ff));
	if (magnitude >= 0x477ff000) /* from 65520 on rounds to infinity */
		return (uint16_t)(sign | 0x7c00);
	if (magnitude >= 0x38800000) /* 2^-14, the smallest normal; a carry into the exponent is right */
		return (uint16_t)(sign | shift_round(magnitude - ((127 - 15) << 23), 13));
	if (magnitude < 0x33000000) /* below 2^-25 rounds to zero */
		return (uint16_t)sign;
	uint32_t fraction = (magnitude & 0x7fffff) | 0x800000;
	return (uint16_t)(sign | shift_round(fraction, 126 - (magnitude >> 23)));
}

static uint16_t f32_to_bf16(float f)
{
	uint32_t bits = bits_of_float(f);
	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | 0x40);
	/* The sum cannot overflow: the largest magnitude here is infinity, whose fraction is 0. */
	return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* to[i] = (expression of `v`, the element at from[i]); memcpy because `from` may have any alignment. */
#define CONVERT_EACH(type, expression)                                                      \
	do {                                                                                \
		for (int64_t i = 0; i < n; i++) {                                           \
			type v;                                                             \
			memcpy(&v, (const char *)from + i * (int64_t)sizeof(v), sizeof(v)); \
			to[i] = (expression);                                               \
		}                                                                           \
	} while (0)

void thaw_to_f32(enum thaw_dtype t, const void *from, float *to, int64_t n)
{
	switch (t) {
	case THAW_F32:
		if (n > 0)
			memcpy(to, from, (size_t)n * sizeof(float));
		break;
	case THAW_F16:
		CONVERT_EACH(uint16_t, f16_to_f32(v));
		break;
	case THAW_BF16:
		CONVERT_EACH(uint16_t, float_of_bits((uint32_t)v << 16));
		break;
	case THAW_F64:
		CONVERT_EACH(double, (float)v);
		break;
	case THAW_I8:
		CONVERT_EACH(int8_t, (float)v);
		break;
	case THAW_U8:
		CONVERT_EACH(uint8_t, (float)v);
		break;
	case THAW_I16:
		CONVERT_EACH(int16_t, (float)v);
		break;
	case THAW_I32:
		CONVERT_EACH(int32_t, (float)v);
		break;
	case THAW_I64:
		CONVERT_EACH(int64_t, (float)v);
		break;
	case THAW_BOOL:
		CONVERT_EACH(uint8_t, v ? 1.0f : 0.0f);
		break;
	case THAW_DTYPES:
		break;
	}
}

void thaw_from_f32(enum thaw_dtype t, const float *from, void *to, int64_t n)
{
	assert(t == THAW_F32 || t == THAW_F16 || t == THAW_BF16);
	if (t == THAW_F32 && n > 0)
		memcpy(to, from, (size_t)n * sizeof(float));
	if (t != THAW_F16 && t != THAW_BF16)
		return;
	for (int64_t i = 0; i < n; i++) {
		uint16_t v = t == THAW_F16 ? f32_to_f16(from[i]) : f32_to_bf16(from[i]);
		memcpy((char *)to + i * (int64_t)sizeof(v), &v, sizeof(v));
	}
}
