/* The exponentials of softmax against libm's exp: thaw_vector_exp over its whole range, and that of bfloat16. */
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "src/ops/kernels/softmax.h"
#include "src/ops/kernels/vector_exp.h"

/* Distance from exp(x) in units of the last place. */
static double error(float x)
{
	double exact = exp((double)x), unit = ldexp(1.0, ilogb(exact) - (FLT_MANT_DIG - 1));
	return fabs((double)thaw_vector_exp(x) - exact) / unit;
}

static void test_accuracy(void **state)
{
	(void)state;
	for (float x = -87.3f; x < 88.7f; x += 1.7e-4f)
		if (error(x) > 2)
			fail_msg("exp(%.9g) = %.9g has an error of %.3g units in the last place", (double)x,
				 (double)thaw_vector_exp(x), error(x));
}

static void test_limits(void **state)
{
	(void)state;
	assert_true(thaw_vector_exp(0.0f) == 1.0f && thaw_vector_exp(-0.0f) == 1.0f);
	assert_true(thaw_vector_exp(-INFINITY) == 0.0f && thaw_vector_exp(-88.0f) == 0.0f);
	assert_true(thaw_vector_exp(-87.33654f) >= FLT_MIN);
	assert_true(isfinite(thaw_vector_exp(88.72283f)) && error(88.72283f) <= 2);
	assert_true(isinf(thaw_vector_exp(88.72284f)) && isinf(thaw_vector_exp(INFINITY)));
	assert_true(isnan(thaw_vector_exp(NAN)) && isnan(thaw_vector_exp(-NAN)));
}

/* Softmax of rows with the largest score 0, before and after the division by the sums. */
static void test_bfloat16(void **state)
{
	(void)state;
	enum { ROWS = 50, COLUMNS = 32 };
	float x[ROWS * COLUMNS], y[ROWS * COLUMNS], largest[ROWS], inverse[ROWS];
	for (int i = 0; i < ROWS * COLUMNS; i++)
		x[i] = y[i] = i % COLUMNS == 0 ? 0 : -87.0f * (float)(i * 37 % 1601) / 1601;
	y[1] = x[1] = -INFINITY;
	thaw_softmax_rows_quick(y, ROWS, COLUMNS, largest, inverse);
	for (int r = 0; r < ROWS; r++) {
		double sum = 0;
		assert_true(largest[r] == 0);
		for (int i = r * COLUMNS; i < (r + 1) * COLUMNS; i++) {
			assert_true(fabs(y[i] - exp((double)x[i])) <= exp((double)x[i]) / 4096 + 1.01 * FLT_MIN);
			sum += y[i];
		}
		assert_true(fabs(inverse[r] * sum - 1) < 1e-6);
	}
	thaw_softmax_rows_recompute_quick(x, ROWS, COLUMNS, largest, inverse);
	thaw_softmax_scale_rows(y, ROWS, COLUMNS, COLUMNS, inverse);
	assert_memory_equal(x, y, sizeof(x));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accuracy),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_bfloat16),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
