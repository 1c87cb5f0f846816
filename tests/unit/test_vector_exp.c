/* thaw_vector_exp against libm's exp, over its whole range. */
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accuracy),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
