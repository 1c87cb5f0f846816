/* Abs, Neg, Ceil, Floor, Round, Sqrt, Reciprocal, Exp, Log, Erf, Sin, Cos, Not. */
#include <math.h>

#include "src/base/try.h"
#include "src/onnx/constant/evaluator.h"

static thaw_status evaluate_unary(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_evaluator *e = c->evaluator;
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_constant *to;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	bool floats = thaw_onnx_is_float(x->type);
	if (floats ? !e->float1 : !e->int1)
		return thaw_onnx_unsupported(c);
	THAW_TRY(thaw_onnx_output(&to, c, 0, x->type, &x->shape));
	int64_t count = thaw_shape_count(&x->shape);
	for (int64_t i = 0; i < count; i++) {
		if (floats)
			thaw_onnx_put_float(to, i, e->float1(thaw_onnx_get_float(x, i)));
		else
			thaw_onnx_put_int(to, i, e->int1(thaw_onnx_get_int(x, i)));
	}
	return THAW_OK;
}

static double negate(double x)
{
	return -x;
}

static double reciprocal(double x)
{
	return 1 / x;
}

/* Wraps around, like all integer arithmetic of ONNX. */
static int64_t negate_int(int64_t x)
{
	return (int64_t)(0 - (uint64_t)x);
}

static int64_t abs_int(int64_t x)
{
	return x < 0 ? negate_int(x) : x;
}

static int64_t not_int(int64_t x)
{
	return !x;
}

static thaw_status evaluate_not(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	if (x->type != THAW_BOOL)
		return thaw_onnx_fail_node(c->o->node, "its input is of type %s", thaw_dtype_name(x->type));
	return evaluate_unary(c);
}

const struct thaw_onnx_evaluator thaw_onnx_evaluate_Abs = {.evaluate = evaluate_unary, .float1 = fabs, .int1 = abs_int};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Neg = {
	.evaluate = evaluate_unary, .float1 = negate, .int1 = negate_int};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Ceil = {.evaluate = evaluate_unary, .float1 = ceil};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Floor = {.evaluate = evaluate_unary, .float1 = floor};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Round = {.evaluate = evaluate_unary,
							     .float1 = rint}; /* ties to even */
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Sqrt = {.evaluate = evaluate_unary, .float1 = sqrt};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Reciprocal = {.evaluate = evaluate_unary, .float1 = reciprocal};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Exp = {.evaluate = evaluate_unary, .float1 = exp};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Log = {.evaluate = evaluate_unary, .float1 = log};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Erf = {.evaluate = evaluate_unary, .float1 = erf};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Sin = {.evaluate = evaluate_unary, .float1 = sin};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Cos = {.evaluate = evaluate_unary, .float1 = cos};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Not = {.evaluate = evaluate_not, .int1 = not_int};
