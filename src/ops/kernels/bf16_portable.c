/* The operations in plain C, with the bits of VDPBF16PS. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "src/base/multiversion.h"
#include "src/ops/kernels/activate.h"
#include "src/ops/kernels/bf16_ops.h"
#include "src/ops/kernels/bf16_values.h"

enum { QUIET = 0x40 }; /* bit that makes a NaN quiet */

THAW_INLINE float flush(float v)
{
	return fabsf(v) < FLT_MIN ? copysignf(0.0f, v) : v;
}

THAW_INLINE uint32_t round_one(float v)
{
	uint32_t bits;
	v = flush(v);
	memcpy(&bits, &v, sizeof(bits));
	if (isnan(v))
		return bits >> 16 | QUIET;
	return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

THAW_INLINE float high_half(uint32_t pair)
{
	uint32_t bits = pair & 0xffff0000u;
	float v;
	memcpy(&v, &bits, sizeof(v));
	return v;
}

static void portable_pair(uint32_t *to, const float *even, const float *odd, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		to[i] = round_one(even[i]) | (odd ? round_one(odd[i]) : 0) << 16;
}

static void portable_round(uint32_t *to, const float *from, int64_t count)
{
	for (int64_t i = 0; i < count; i += 2)
		to[i / 2] = round_one(from[i]) | (i + 1 < count ? round_one(from[i + 1]) : 0) << 16;
}

static void portable_store(uint16_t *to, const float *from, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		to[i] = (uint16_t)round_one(from[i]);
}

/* The sum of row r and one column. */
static float sum_products(const struct thaw_bf16_tile *t, int r, int column)
{
	const uint32_t *b = t->b + column;
	float sum = 0;
	for (int64_t s = 0; s < t->segments; s++) {
		const uint32_t *a = t->a + t->a_row[r] + t->segment[s];
		for (int64_t p = 0; p < t->pairs; p++, a += t->a_depth, b += t->b_depth) {
			sum = flush(fmaf(flush(high_half(*a)), flush(high_half(*b)), sum));
			sum = flush(fmaf(flush(high_half(*a << 16)), flush(high_half(*b << 16)), sum));
		}
	}
	return sum;
}

static void portable_multiply(const struct thaw_bf16_tile *t)
{
	for (int r = 0; r < t->rows; r++)
		for (int column = 0; column < t->columns; column++) {
			int64_t at = t->c_row[r] + column;
			float y = sum_products(t, r, column);
			if (t->bias)
				y += t->bias[column];
			if (t->residual)
				y += t->residual[at];
			else if (t->residual_bf16)
				y += thaw_bf16_value(t->residual_bf16[at]);
			y = thaw_activate(y, t->activation);
			if (t->c_bf16)
				t->c_bf16[at] = (uint16_t)round_one(y);
			else
				t->c[at] = y;
		}
}

const struct thaw_bf16_ops thaw_bf16_portable = {
	.name = "portable",
	.pair = portable_pair,
	.round = portable_round,
	.store = portable_store,
	.multiply = portable_multiply,
};
