/* Accuracy of the functions of `pointwise` over floats of all sizes, against libm in double precision. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/ops/kernels/functions.h"
#include "thaw/ops.h"

/* Every STEP-th bit pattern; a prime, so that all low bits occur. */
enum { STEP = 4099, VALUES = (int)(((uint64_t)1 << 32) / STEP) };

static float *values_create(void)
{
	float *x = calloc(VALUES, sizeof(*x));
	assert_non_null(x);
	for (uint32_t i = 0; i < VALUES; i++) {
		uint32_t bits = i * STEP;
		memcpy(&x[i], &bits, sizeof(bits));
	}
	return x;
}

static void evaluate(enum thaw_function f, const float *x, float *y, int64_t count)
{
	struct thaw_attrs attrs = {.function = f, .alpha = 1};
	struct thaw_view view = {.data = (float *)(uintptr_t)x, .shape = thaw_shape_of(count)};
	struct thaw_op_args args = {.attrs = &attrs, .inputs = 1, .x = &view, .y = {y, thaw_shape_of(count)}};
	thaw_op_find("pointwise")->forward(&args);
}

/* Distance in units of the last place of the exact value. */
static double ulps(float actual, double exact)
{
	float rounded = (float)exact;
	if (isnan(exact) || isnan(actual) || isinf(rounded) || isinf(actual))
		return (isnan(exact) && isnan(actual)) || actual == rounded ? 0 : INFINITY;
	return fabs(actual - exact) / (nextafterf(fabsf(rounded), INFINITY) - fabsf(rounded));
}

static double elu(double x)
{
	return x > 0 ? x : expm1(x);
}

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static double silu(double x)
{
	return x * sigmoid(x);
}

static double gelu(double x)
{
	return x * erfc(-x * sqrt(0.5)) / 2;
}

static double softplus(double x)
{
	return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double mish(double x)
{
	return x * tanh(softplus(x));
}

/* Functions and their largest errors for arguments from `low` to `high`. Where the relative error follows from that of
 * an argument of exp, it grows with the argument. */
static const struct accuracy {
	enum thaw_function f;
	double (*exact)(double);
	double low, high, ulps;
} table[] = {
	{THAW_FN_EXP, exp, -INFINITY, INFINITY, 1.5}, {THAW_FN_LOG, log, -INFINITY, INFINITY, 1.5},
	{THAW_FN_ELU, elu, -INFINITY, INFINITY, 3},   {THAW_FN_TANH, tanh, -INFINITY, INFINITY, 3},
	{THAW_FN_ERF, erf, -INFINITY, INFINITY, 3},   {THAW_FN_SIGMOID, sigmoid, -87, INFINITY, 3},
	{THAW_FN_SILU, silu, -87, FLT_MAX, 3},        {THAW_FN_SOFTPLUS, softplus, -87, INFINITY, 3},
	{THAW_FN_MISH, mish, -80, FLT_MAX, 5},        {THAW_FN_GELU, gelu, -3, FLT_MAX, 8},
};

static void accuracy_test(void **state)
{
	float *x = values_create(), *y = calloc(VALUES, sizeof(*y));
	(void)state;
	assert_non_null(y);
	for (size_t t = 0; t < sizeof(table) / sizeof(table[0]); t++) {
		double worst = 0, where = 0;
		evaluate(table[t].f, x, y, VALUES);
		for (int64_t i = 0; i < VALUES; i++) {
			double exact = table[t].exact(x[i]);
			double error = ulps(y[i], exact);
			if ((isnan(x[i]) || (x[i] >= table[t].low && x[i] <= table[t].high)) && error > worst) {
				worst = error;
				where = x[i];
			}
		}
		print_message("function %d: %.2f ulp at %.9g\n", (int)table[t].f, worst, where);
		assert_true(worst <= table[t].ulps);
	}
	free(x);
	free(y);
}

/* The bits of a value do not depend on its position in a tensor: in a vector or in the remainder. */
static void position_test(void **state)
{
	enum { COUNT = 256 };
	float x[COUNT], all[COUNT], one[COUNT];
	(void)state;
	for (int i = 0; i < COUNT; i++)
		x[i] = (float)(i - COUNT / 2) * 0.037f;
	for (int f = 0; f < THAW_FUNCTIONS; f++) {
		evaluate((enum thaw_function)f, x, all, COUNT);
		for (int i = 0; i < COUNT; i++)
			evaluate((enum thaw_function)f, &x[i], &one[i], 1);
		for (int i = 0; i < COUNT; i++)
			assert_true(isnan(all[i]) ? isnan(one[i]) : memcmp(&all[i], &one[i], sizeof(float)) == 0);
	}
}

/* The polynomials that GELU and its slope are in bfloat16, against the formulas. */
static void gelu_in_bfloat16(void **state)
{
	(void)state;
	enum { POINTS = 4001 };
	static float x[POINTS], y[POINTS], dx[POINTS], dy[POINTS];
	const struct thaw_attrs attrs = {.function = THAW_FN_GELU, .precision = THAW_PRECISION_BF16};
	const float far[] = {-INFINITY, -1e30f, 1e30f, INFINITY, NAN};
	float value[5];
	for (int i = 0; i < POINTS; i++) {
		x[i] = (float)(i - POINTS / 2) / 200;
		dy[i] = 1;
	}
	thaw_function_forward(&attrs, y, x, POINTS);
	thaw_function_backward(&attrs, dx, false, dy, x, POINTS);
	for (int i = 0; i < POINTS; i++) {
		double slope = erfc(-x[i] * sqrt(0.5)) / 2 + x[i] * exp(-0.5 * x[i] * x[i]) / sqrt(2 * acos(-1));
		assert_true(fabs(y[i] - gelu(x[i])) < 1.0 / 4096);
		assert_true(fabs(dx[i] - slope) < 1.0 / 4096);
	}
	thaw_function_backward(&attrs, dx, true, dy, x, POINTS);
	assert_true(fabsf(dx[POINTS / 2] - 1) < 1e-6f); /* twice the slope at 0 */
	thaw_function_forward(&attrs, value, far, 5);
	assert_true(value[0] == 0 && value[1] == 0 && value[2] > 0.99e30f && value[3] == INFINITY && isnan(value[4]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accuracy_test),
		cmocka_unit_test(position_test),
		cmocka_unit_test(gelu_in_bfloat16),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
