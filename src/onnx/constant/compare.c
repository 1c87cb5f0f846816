/* Equal, Less, LessOrEqual, Greater, GreaterOrEqual, And, Or, Xor: two inputs of the same type, a bool result. */
#include "src/base/try.h"
#include "src/onnx/constant/elementwise.h"

static double equal(double x, double y)
{
	return x == y;
}

static int64_t equal_ints(int64_t x, int64_t y)
{
	return x == y;
}

static double less(double x, double y)
{
	return x < y;
}

static int64_t less_ints(int64_t x, int64_t y)
{
	return x < y;
}

static double less_equal(double x, double y)
{
	return x <= y;
}

static int64_t less_equal_ints(int64_t x, int64_t y)
{
	return x <= y;
}

static double greater(double x, double y)
{
	return x > y;
}

static int64_t greater_ints(int64_t x, int64_t y)
{
	return x > y;
}

static double greater_equal(double x, double y)
{
	return x >= y;
}

static int64_t greater_equal_ints(int64_t x, int64_t y)
{
	return x >= y;
}

static int64_t and_ints(int64_t x, int64_t y)
{
	return x && y;
}

static int64_t or_ints(int64_t x, int64_t y)
{
	return x || y;
}

static int64_t xor_ints(int64_t x, int64_t y)
{
	return !x != !y;
}

static thaw_status evaluate_compare(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x, *y;
	THAW_TRY(thaw_onnx_pair(&x, &y, c));
	return thaw_onnx_combine(c, x, y, THAW_BOOL, c->evaluator->float2, c->evaluator->int2);
}

static thaw_status evaluate_logic(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x, *y;
	THAW_TRY(thaw_onnx_pair(&x, &y, c));
	if (x->type != THAW_BOOL)
		return thaw_onnx_fail_node(c->o->node, "its inputs are of type %s", thaw_dtype_name(x->type));
	return thaw_onnx_combine(c, x, y, THAW_BOOL, NULL, c->evaluator->int2);
}

#define COMPARISON(name, of_floats, of_ints)                           \
	const struct thaw_onnx_evaluator thaw_onnx_evaluate_##name = { \
		.evaluate = evaluate_compare, .float2 = (of_floats), .int2 = (of_ints)}

COMPARISON(Equal, equal, equal_ints);
COMPARISON(Less, less, less_ints);
COMPARISON(LessOrEqual, less_equal, less_equal_ints);
COMPARISON(Greater, greater, greater_ints);
COMPARISON(GreaterOrEqual, greater_equal, greater_equal_ints);

const struct thaw_onnx_evaluator thaw_onnx_evaluate_And = {.evaluate = evaluate_logic, .int2 = and_ints};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Or = {.evaluate = evaluate_logic, .int2 = or_ints};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Xor = {.evaluate = evaluate_logic, .int2 = xor_ints};
