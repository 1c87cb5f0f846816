/* The operations with AVX512_BF16: Intel from Cooper Lake and Sapphire Rapids on, AMD from Zen 4 on. */
#include <stddef.h>

#include "src/ops/kernels/activate.h"
#include "src/ops/kernels/bf16_ops.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define INLINE TARGET static inline __attribute__((always_inline))

enum { WIDTH = 16, VECTORS = THAW_BF16_COLUMNS / WIDTH };

/* A mask of the first `count` of WIDTH lanes. */
INLINE __mmask16 first_lanes(int64_t count)
{
	return count >= WIDTH ? (__mmask16)0xffff : (__mmask16)((1u << count) - 1);
}

TARGET static void avx512_pair(uint32_t *to, const float *even, const float *odd, int64_t count)
{
	const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
					       6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
	for (int64_t i = 0; i < count; i += WIDTH) {
		__mmask16 lanes = first_lanes(count - i);
		__m512 low = _mm512_maskz_loadu_ps(lanes, even + i);
		__m512 high = odd ? _mm512_maskz_loadu_ps(lanes, odd + i) : _mm512_setzero_ps();
		__m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
		_mm512_mask_storeu_epi32(to + i, lanes, _mm512_permutexvar_epi16(order, both));
	}
}

TARGET static void avx512_round(uint32_t *to, const float *from, int64_t count)
{
	for (int64_t i = 0; i < count; i += 2 * WIDTH) {
		int64_t rest = count - i;
		__m512 low = _mm512_maskz_loadu_ps(first_lanes(rest), from + i);
		__m512 high = rest > WIDTH ? _mm512_maskz_loadu_ps(first_lanes(rest - WIDTH), from + i + WIDTH)
					   : _mm512_setzero_ps();
		_mm512_mask_storeu_epi32(to + i / 2, first_lanes((rest + 1) / 2),
					 (__m512i)_mm512_cvtne2ps_pbh(high, low));
	}
}

TARGET static void avx512_store(uint16_t *to, const float *from, int64_t count)
{
	int64_t i = 0;
	for (; i + 2 * WIDTH <= count; i += 2 * WIDTH) {
		__m512 low = _mm512_loadu_ps(from + i), high = _mm512_loadu_ps(from + i + WIDTH);
		_mm512_storeu_si512(to + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
	}
	for (; i < count; i += WIDTH) {
		__mmask16 lanes = first_lanes(count - i);
		__m256bh half = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes, from + i));
		_mm256_mask_storeu_epi16(to + i, lanes, (__m256i)half);
	}
}

INLINE __m512 load_bf16(__mmask16 lanes, const uint16_t *from)
{
	return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, from)), 16);
}

/* Adds bias and residual to the sums of row r, applies the activation and stores them. */
INLINE void finish_row(const struct thaw_bf16_tile *t, int r, __m512 *sum, int vectors)
{
	__m512 low = _mm512_set1_ps(thaw_activation_low(t->activation));
	__m512 high = _mm512_set1_ps(thaw_activation_high(t->activation));
	for (int v = 0; v < vectors; v++) {
		int64_t at = t->c_row[r] + v * WIDTH;
		__mmask16 lanes = first_lanes(t->columns - v * WIDTH);
		__m512 y = sum[v];
		if (t->bias)
			y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(lanes, t->bias + v * WIDTH));
		if (t->residual)
			y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(lanes, t->residual + at));
		else if (t->residual_bf16)
			y = _mm512_add_ps(y, load_bf16(lanes, t->residual_bf16 + at));
		y = _mm512_min_ps(high, _mm512_max_ps(low, y)); /* NaN, the second operand, stays */
		if (t->c_bf16)
			_mm256_mask_storeu_epi16(t->c_bf16 + at, lanes, (__m256i)_mm512_cvtneps_pbh(y));
		else
			_mm512_mask_storeu_ps(t->c + at, lanes, y);
	}
}

/* Constant `rows` and `vectors` keep the sums in registers. */
INLINE void multiply(const struct thaw_bf16_tile *t, int rows, int vectors)
{
	__m512 sum[THAW_BF16_ROWS][VECTORS];
	const uint32_t *a[THAW_BF16_ROWS], *b = t->b;
	for (int r = 0; r < rows; r++) {
		a[r] = t->a + t->a_row[r];
		for (int v = 0; v < vectors; v++)
			sum[r][v] = _mm512_setzero_ps();
	}
	for (int64_t s = 0; s < t->segments; s++) {
		int64_t at = t->segment[s];
		for (int64_t p = 0; p < t->pairs; p++, at += t->a_depth, b += t->b_depth) {
			__m512bh row[VECTORS];
			for (int v = 0; v < vectors; v++)
				row[v] = (__m512bh)_mm512_loadu_si512(b + v * WIDTH);
			for (int r = 0; r < rows; r++) {
				__m512bh left = (__m512bh)_mm512_set1_epi32((int)a[r][at]);
				for (int v = 0; v < vectors; v++)
					sum[r][v] = _mm512_dpbf16_ps(sum[r][v], left, row[v]);
			}
		}
	}
	for (int r = 0; r < rows; r++)
		finish_row(t, r, sum[r], vectors);
}

INLINE void multiply_columns(const struct thaw_bf16_tile *t, int rows)
{
	switch ((t->columns + WIDTH - 1) / WIDTH) {
	case 1:
		multiply(t, rows, 1);
		break;
	case 2:
		multiply(t, rows, 2);
		break;
	case 3:
		multiply(t, rows, 3);
		break;
	default:
		multiply(t, rows, VECTORS);
	}
}

TARGET static void avx512_multiply(const struct thaw_bf16_tile *t)
{
	switch (t->rows) {
	case 1:
		multiply_columns(t, 1);
		break;
	case 2:
		multiply_columns(t, 2);
		break;
	case 3:
		multiply_columns(t, 3);
		break;
	case 4:
		multiply_columns(t, 4);
		break;
	case 5:
		multiply_columns(t, 5);
		break;
	default:
		multiply_columns(t, THAW_BF16_ROWS);
	}
}

const struct thaw_bf16_ops *thaw_bf16_native(void)
{
	static const struct thaw_bf16_ops ops = {
		.name = "AVX512_BF16",
		.pair = avx512_pair,
		.round = avx512_round,
		.store = avx512_store,
		.multiply = avx512_multiply,
	};
	return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
			       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
		       ? &ops
		       : NULL;
}
#else
const struct thaw_bf16_ops *thaw_bf16_native(void)
{
	return NULL;
}
#endif
