/* Add, Sub, Mul, Div, Mod, Pow. */
#include <math.h>

#include "src/base/try.h"
#include "src/onnx/constant/elementwise.h"
#include "src/onnx/constant/scalar.h"

static double subtract(double x, double y)
{
	return x - y;
}

static int64_t subtract_int(int64_t x, int64_t y)
{
	return (int64_t)((uint64_t)x - (uint64_t)y);
}

static double divide(double x, double y)
{
	return x / y;
}

/* Truncates towards zero. INT64_MIN / -1 wraps around; the processor would trap. */
static int64_t divide_int(int64_t x, int64_t y)
{
	return y == -1 ? subtract_int(0, x) : x / y;
}

/* The remainder with the sign of x, as in C. */
static int64_t remainder_int(int64_t x, int64_t y)
{
	return y == -1 ? 0 : x % y;
}

/* The remainder with the sign of y, as in Python. */
static int64_t modulo_int(int64_t x, int64_t y)
{
	int64_t r = remainder_int(x, y);
	return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

static int64_t power_int(int64_t x, int64_t y)
{
	if (y < 0) /* 1 / x^-y, truncated; undefined for x = 0 */
		return x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0;
	int64_t power = 1;
	for (; y > 0; y >>= 1) {
		if (y & 1)
			power = multiply_int(power, x);
		x = multiply_int(x, x);
	}
	return power;
}

static thaw_status evaluate_arithmetic(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x, *y;
	THAW_TRY(thaw_onnx_pair(&x, &y, c));
	return thaw_onnx_combine(c, x, y, x->type, c->evaluator->float2, c->evaluator->int2);
}

/* THAW_DATA for an integer divisor with a zero. */
static thaw_status check_divisor(const struct thaw_onnx_call *c, const struct thaw_onnx_constant *y)
{
	int64_t count = thaw_shape_count(&y->shape);
	for (int64_t i = 0; i < count && !thaw_onnx_is_float(y->type); i++)
		if (thaw_onnx_get_int(y, i) == 0)
			return thaw_onnx_fail_node(c->o->node, "integer division by zero");
	return THAW_OK;
}

static thaw_status evaluate_div(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *divisor;
	THAW_TRY(thaw_onnx_input(&divisor, c, 1));
	THAW_TRY(check_divisor(c, divisor));
	return evaluate_arithmetic(c);
}

static thaw_status evaluate_mod(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x, *y;
	int64_t like_c;
	THAW_TRY(thaw_onnx_pair(&x, &y, c));
	THAW_TRY(check_divisor(c, y));
	THAW_TRY(thaw_onnx_attribute_int(&like_c, c->o->node, "fmod", 0));
	return thaw_onnx_combine(c, x, y, x->type, like_c ? fmod : NULL, like_c ? remainder_int : modulo_int);
}

/* The exponent may have another type; the result has the type of the base. */
static thaw_status evaluate_pow(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x, *y;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_input(&y, c, 1));
	return thaw_onnx_combine(c, x, y, x->type, pow, power_int);
}

const struct thaw_onnx_evaluator thaw_onnx_evaluate_Add = {
	.evaluate = evaluate_arithmetic, .float2 = add, .int2 = add_int};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Sub = {
	.evaluate = evaluate_arithmetic, .float2 = subtract, .int2 = subtract_int};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Mul = {
	.evaluate = evaluate_arithmetic, .float2 = multiply, .int2 = multiply_int};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Div = {
	.evaluate = evaluate_div, .float2 = divide, .int2 = divide_int};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Mod = {.evaluate = evaluate_mod};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Pow = {.evaluate = evaluate_pow};
