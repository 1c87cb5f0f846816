/* Cast and CastLike. */
#include "src/base/try.h"
#include "src/onnx/constant/evaluator.h"

static thaw_status cast(struct thaw_onnx_call *c, const struct thaw_onnx_constant *x, enum thaw_dtype type)
{
	struct thaw_onnx_constant *to;
	THAW_TRY(thaw_onnx_output(&to, c, 0, type, &x->shape));
	int64_t count = thaw_shape_count(&x->shape);
	for (int64_t i = 0; i < count; i++) {
		if (thaw_onnx_is_float(x->type))
			thaw_onnx_put_float(to, i, thaw_onnx_get_float(x, i));
		else
			thaw_onnx_put_int(to, i, thaw_onnx_get_int(x, i));
	}
	return THAW_OK;
}

static thaw_status evaluate_cast(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x;
	enum thaw_dtype type;
	int64_t wanted;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_attribute_int(&wanted, c->o->node, "to", 0));
	if (wanted < 0 || wanted > INT32_MAX || !thaw_onnx_type((int32_t)wanted, &type))
		return thaw_onnx_unsupported(c);
	return cast(c, x, type);
}

static thaw_status evaluate_cast_like(struct thaw_onnx_call *c)
{
	const struct thaw_onnx_constant *x, *like;
	THAW_TRY(thaw_onnx_input(&x, c, 0));
	THAW_TRY(thaw_onnx_input(&like, c, 1));
	return cast(c, x, like->type);
}

const struct thaw_onnx_evaluator thaw_onnx_evaluate_Cast = {.evaluate = evaluate_cast};
const struct thaw_onnx_evaluator thaw_onnx_evaluate_CastLike = {.evaluate = evaluate_cast_like};
