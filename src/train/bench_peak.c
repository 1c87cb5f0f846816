/* The speed of products on this processor, of which the speed of layers is a share. */
#include <math.h>

#include "src/base/clock.h"
#include "src/ops/kernels/bf16_ops.h"
#include "src/ops/kernels/gemm.h"
#include "src/ops/kernels/gemm_bf16.h"
#include "thaw/bench.h"

#define PEAK_SECONDS 0.5         /* of measuring, at least one run */
#define PEAK_PAIRS   65536       /* of one tile: the stores at its end take no time */
#define ONES         0x3f803f80u /* the pair of 1 and 1 */

static void multiply_fp32(float *memory)
{
	const int64_t n = THAW_BENCH_GEMM_SIDE;
	const struct thaw_matrix x = {memory, n, false}, y = {memory + n * n, n, false};
	thaw_gemm(n, n, n, x, y, 0.0f, memory + 2 * n * n, n);
}

/* By the packed matrix in the second third. */
static void multiply_bf16(float *memory)
{
	const int64_t n = THAW_BENCH_GEMM_SIDE;
	const struct thaw_matrix x = {memory, n, false};
	thaw_gemm_bf16(n, n, n, x, memory + n * n, false, memory + 2 * n * n, n);
}

/* A full tile of the same few pairs again and again: they stay in the first cache, and the sums in registers. */
static void multiply_tile(float *memory)
{
	uint32_t a = ONES, b[THAW_BF16_COLUMNS];
	for (int i = 0; i < THAW_BF16_COLUMNS; i++)
		b[i] = ONES;
	thaw_bf16_best()->multiply(&(struct thaw_bf16_tile){.rows = THAW_BF16_ROWS,
							    .columns = THAW_BF16_COLUMNS,
							    .a = &a,
							    .segments = 1,
							    .segment = (const int64_t[]){0},
							    .pairs = PEAK_PAIRS,
							    .b = b,
							    .c = memory});
}

/* GFLOP/s of the fastest of the products within PEAK_SECONDS; multiply_adds: of one product. */
static double best_speed(void (*multiply)(float *memory), float *memory, int64_t multiply_adds)
{
	double best = INFINITY, begin = thaw_clock();
	do {
		double start = thaw_clock();
		multiply(memory);
		best = fmin(best, thaw_clock() - start);
	} while (thaw_clock() - begin < PEAK_SECONDS);
	return 2e-9 * (double)multiply_adds / best;
}

static const int64_t cube = (int64_t)THAW_BENCH_GEMM_SIDE * THAW_BENCH_GEMM_SIDE * THAW_BENCH_GEMM_SIDE;

double thaw_bench_gemm(float *memory)
{
	return best_speed(multiply_fp32, memory, cube);
}

double thaw_bench_gemm_bf16(float *memory)
{
	const int64_t n = THAW_BENCH_GEMM_SIDE;
	thaw_bf16_pack(n, n, (struct thaw_matrix){memory, n, false}, memory + n * n);
	return best_speed(multiply_bf16, memory, cube);
}

double thaw_bench_peak_bf16(void)
{
	float sums[THAW_BF16_ROWS * THAW_BF16_COLUMNS];
	return best_speed(multiply_tile, sums, (int64_t)2 * PEAK_PAIRS * THAW_BF16_ROWS * THAW_BF16_COLUMNS);
}
