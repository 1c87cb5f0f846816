/* Min and Max of any number of inputs; NaN propagates. */
#include "src/base/try.h"
#include "src/onnx/constant/elementwise.h"
#include "src/onnx/constant/scalar.h"

/* Output 0 = min or max of output 0 and input i. */
static thaw_status fold(struct thaw_onnx_call *c, int i)
{
	const struct thaw_onnx_constant *y;
	THAW_TRY(thaw_onnx_input(&y, c, i));
	struct thaw_onnx_constant x = c->o->outputs[0];
	if (x.type != y->type)
		return thaw_onnx_fail_node(c->o->node, "its inputs are of types %s and %s", thaw_dtype_name(x.type),
					   thaw_dtype_name(y->type));
	c->o->outputs[0] = (struct thaw_onnx_constant){0};
	thaw_status status = thaw_onnx_combine(c, &x, y, x.type, c->evaluator->float2, c->evaluator->int2);
	thaw_onnx_constant_free(&x);
	return status;
}

static thaw_status evaluate_min_max(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *first;
	THAW_TRY(thaw_onnx_input(&first, c, 0));
	THAW_TRY(thaw_onnx_output_reshaped(c, first, &first->shape));
	for (int i = 1; i < c->o->input_count; i++)
		THAW_TRY(fold(c, i));
	return THAW_OK;
}

const struct thaw_onnx_evaluator thaw_onnx_evaluate_Min = {
	.evaluate = evaluate_min_max, .float2 = min_of, .int2 = min_int64};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_Max = {
	.evaluate = evaluate_min_max, .float2 = max_of, .int2 = max_int64};
