/* thaw_gemm_direct, which thaw_gemm uses with some BLAS kernels only, against plain loops in double precision. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "src/ops/kernels/gemm_direct.h"
#include "thaw/memory.h"

enum { GAP = 3 }; /* floats between the rows of every matrix */

static float value(int64_t i)
{
	return (float)(i * 7919 % 1009) * 0.002f - 1;
}

static float *matrix(int64_t rows, int64_t columns)
{
	int64_t count = rows * (columns + GAP);
	float *m = thaw_alloc((size_t)count + 1, sizeof(*m));
	assert_non_null(m);
	for (int64_t i = 0; i < count; i++)
		m[i] = value(i);
	return m;
}

static float at(struct thaw_matrix m, int64_t row, int64_t column)
{
	return m.transposed ? m.data[column * m.stride + row] : m.data[row * m.stride + column];
}

static void check_product(int64_t m, int64_t n, int64_t k, bool transposed, bool add)
{
	int64_t a_rows = transposed ? k : m, a_columns = transposed ? m : k;
	float *a_data = matrix(a_rows, a_columns), *b_data = matrix(k, n), *c = matrix(m, n), *before = matrix(m, n);
	struct thaw_matrix a = {a_data, a_columns + GAP, transposed}, b = {b_data, n + GAP, false};
	thaw_gemm_direct(m, n, k, a, b, add, c, n + GAP);
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n + GAP; j++) {
			int64_t place = i * (n + GAP) + j;
			double sum = j < n && !add ? 0 : before[place], scale = fabs(sum);
			for (int64_t d = 0; j < n && d < k; d++) {
				sum += (double)at(a, i, d) * (double)at(b, d, j);
				scale += fabs((double)at(a, i, d) * (double)at(b, d, j));
			}
			if (fabs((double)c[place] - sum) > 1e-6 * scale)
				fail_msg("%d x %d x %d%s%s: (%d,%d) is %g, not %g", (int)m, (int)n, (int)k,
					 transposed ? ", transposed" : "", add ? ", added" : "", (int)i, (int)j,
					 (double)c[place], sum);
		}
	thaw_free(a_data);
	thaw_free(b_data);
	thaw_free(c);
	thaw_free(before);
}

/* Rows and columns of all sizes of tiles and blocks, and sums over more than one block of the depth. */
static void products_match_plain_loops(void **state)
{
	static const int64_t ms[] = {1, 2, 4, 5, 6, 7, 12, 13, 25, 97, 200},
			     ns[] = {8, 16, 24, 40, 56, 64, 72, 104, 136};
	static const int64_t ks[] = {0, 1, 3, 64, 65, 130};
	(void)state;
	for (size_t m = 0; m < sizeof(ms) / sizeof(*ms); m++)
		for (size_t n = 0; n < sizeof(ns) / sizeof(*ns); n++)
			for (size_t k = 0; k < sizeof(ks) / sizeof(*ks); k++)
				for (int kind = 0; kind < 4; kind++)
					check_product(ms[m], ns[n], ks[k], kind & 1, kind & 2);
}

/* The result of an image must not depend on the other images of the batch. */
static void bits_of_a_row_do_not_depend_on_position(void **state)
{
	enum { ROWS = 101, COLUMNS = 72, DEPTH = 77 };
	float *a_data = matrix(ROWS, DEPTH), *b_data = matrix(DEPTH, COLUMNS), *all = matrix(ROWS, COLUMNS);
	float *alone = matrix(1, COLUMNS);
	struct thaw_matrix a = {a_data, DEPTH + GAP, false}, b = {b_data, COLUMNS + GAP, false};
	(void)state;
	thaw_gemm_direct(ROWS, COLUMNS, DEPTH, a, b, false, all, COLUMNS);
	for (int r = 0; r < ROWS; r++) {
		struct thaw_matrix row = {a_data + r * a.stride, a.stride, false};
		thaw_gemm_direct(1, COLUMNS, DEPTH, row, b, false, alone, COLUMNS);
		assert_memory_equal(alone, all + (ptrdiff_t)r * COLUMNS, COLUMNS * sizeof(*alone));
	}
	thaw_free(a_data);
	thaw_free(b_data);
	thaw_free(all);
	thaw_free(alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(products_match_plain_loops),
		cmocka_unit_test(bits_of_a_row_do_not_depend_on_position),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
