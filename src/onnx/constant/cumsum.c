/* CumSum. */
#include "src/base/try.h"
#include "src/onnx/constant/evaluator.h"

/* The cumulative sum of one line: `count` elements from `at` on with a stride, negative for reverse. Accumulates in the
 * type of the result. */
static void sum_line(struct thaw_onnx_constant *to, const struct thaw_onnx_constant *x, int64_t at, int64_t stride,
		     int64_t count, bool exclusive)
{
	double sum = 0;
	uint64_t whole = 0; /* wraps around */
	for (int64_t i = 0; i < count; i++, at += stride) {
		double before = sum;
		uint64_t whole_before = whole;
		sum += thaw_onnx_get_float(x, at);
		whole += (uint64_t)thaw_onnx_get_int(x, at);
		if (thaw_onnx_is_float(x->type))
			thaw_onnx_put_float(to, at, exclusive ? before : sum);
		else
			thaw_onnx_put_int(to, at, (int64_t)(exclusive ? whole_before : whole));
	}
}

static thaw_status evaluate_cumsum(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	struct thaw_onnx_constant *to;
	struct thaw_onnx_ints axis;
	int64_t exclusive, reverse, stride[THAW_MAX_DIMS];
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_ints_input(&axis, c, 1));
	THAW_TRY(thaw_onnx_attribute_int(&exclusive, c->o->node, "exclusive", 0));
	THAW_TRY(thaw_onnx_attribute_int(&reverse, c->o->node, "reverse", 0));
	if (axis.count != 1)
		return thaw_onnx_fail_node(c->o->node, "its axis is not a scalar");
	THAW_TRY(thaw_onnx_normalise_axis(&axis.value[0], c, x->shape.ndim));
	THAW_TRY(thaw_onnx_output(&to, c, 0, x->type, &x->shape));
	thaw_onnx_strides(stride, &x->shape);
	int64_t length = x->shape.dim[axis.value[0]], step = stride[axis.value[0]];
	int64_t lines = length > 0 ? thaw_shape_count(&x->shape) / length : 0;
	for (int64_t line = 0; line < lines; line++) {
		int64_t first = line / step * step * length + line % step;
		sum_line(to, x, reverse ? first + (length - 1) * step : first, reverse ? -step : step, length,
			 exclusive != 0);
	}
	return THAW_OK;
}

const struct thaw_onnx_evaluator thaw_onnx_evaluate_CumSum = {.evaluate = evaluate_cumsum};
