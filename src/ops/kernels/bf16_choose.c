/* Chooses the operations for bfloat16: the processor's own, if their bits are those of the portable ones. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "src/ops/kernels/bf16_ops.h"

enum { PAIRS = 8, ROW = THAW_BF16_COLUMNS };

/* Multiplies a full tile of fixed values of many magnitudes. */
static void multiply_sample(const struct thaw_bf16_ops *ops, float *c)
{
	float a[2 * PAIRS * THAW_BF16_ROWS], b[2][PAIRS * ROW];
	uint32_t left[PAIRS * THAW_BF16_ROWS], right[PAIRS * ROW];
	for (int i = 0; i < 2 * PAIRS * THAW_BF16_ROWS; i++)
		a[i] = (float)(i * 37 % 101 - 50) / (float)(1 << i % 19);
	for (int i = 0; i < PAIRS * ROW; i++) {
		b[0][i] = (float)(i * 53 % 97 - 48) / 7.0f;
		b[1][i] = (float)(i * 29 % 89 - 44) * (float)(1 << i % 13);
	}
	ops->round(left, a, 2 * PAIRS * THAW_BF16_ROWS);
	ops->pair(right, b[0], b[1], PAIRS * ROW);
	struct thaw_bf16_tile tile = {.rows = THAW_BF16_ROWS,
				      .columns = ROW,
				      .a = left,
				      .segments = 2,
				      .segment = (const int64_t[]){PAIRS / 2, 0},
				      .pairs = PAIRS / 2,
				      .a_depth = 1,
				      .b = right,
				      .b_depth = ROW,
				      .c = c};
	for (int r = 0; r < THAW_BF16_ROWS; r++) {
		tile.a_row[r] = (int64_t)r * PAIRS;
		tile.c_row[r] = (int64_t)r * ROW;
	}
	ops->multiply(&tile);
}

bool thaw_bf16_right(const struct thaw_bf16_ops *ops)
{
	float expected[THAW_BF16_ROWS * ROW], actual[THAW_BF16_ROWS * ROW];
	multiply_sample(&thaw_bf16_portable, expected);
	multiply_sample(ops, actual);
	uint16_t expected_rounded[THAW_BF16_ROWS * ROW], rounded[THAW_BF16_ROWS * ROW];
	thaw_bf16_portable.store(expected_rounded, expected, THAW_BF16_ROWS * ROW);
	ops->store(rounded, expected, THAW_BF16_ROWS * ROW);
	for (int i = 0; i < THAW_BF16_ROWS * ROW; i++)
		if (actual[i] != expected[i] || rounded[i] != expected_rounded[i])
			return false;
	return true;
}

const struct thaw_bf16_ops *thaw_bf16_best(void)
{
	static const struct thaw_bf16_ops *_Atomic best;
	const struct thaw_bf16_ops *ops = atomic_load(&best);
	if (!ops) {
		ops = thaw_bf16_native();
		if (!ops || !thaw_bf16_right(ops))
			ops = &thaw_bf16_portable;
		atomic_store(&best, ops);
	}
	return ops;
}
