/* Elementwise operators with two inputs. */
#include "src/onnx/constant/elementwise.h"
#include "src/base/try.h"

thaw_status thaw_onnx_pair(const struct thaw_onnx_constant **x, const struct thaw_onnx_constant **y,
			   const struct thaw_onnx_call *c)
{
	THAW_TRY(thaw_onnx_input(x, c, 0));
	THAW_TRY(thaw_onnx_input(y, c, 1));
	if ((*x)->type != (*y)->type)
		return thaw_onnx_fail_node(c->o->node, "its inputs are of types %s and %s", thaw_dtype_name((*x)->type),
					   thaw_dtype_name((*y)->type));
	return THAW_OK;
}

thaw_status thaw_onnx_combine(struct thaw_onnx_call *c, const struct thaw_onnx_constant *x,
			      const struct thaw_onnx_constant *y, enum thaw_dtype type,
			      double (*float2)(double, double), int64_t (*int2)(int64_t, int64_t))
{
	bool floats = thaw_onnx_is_float(x->type) || thaw_onnx_is_float(y->type);
	if (floats ? !float2 : !int2)
		return thaw_onnx_unsupported(c);
	struct thaw_shape shape = x->shape;
	struct thaw_onnx_constant *to;
	THAW_TRY(thaw_onnx_broadcast(&shape, c, &y->shape));
	THAW_TRY(thaw_onnx_output(&to, c, 0, type, &shape));
	struct thaw_onnx_walk wx = thaw_onnx_walk_broadcast(&shape, &x->shape);
	struct thaw_onnx_walk wy = thaw_onnx_walk_broadcast(&shape, &y->shape);
	int64_t count = thaw_shape_count(&shape);
	for (int64_t i = 0; i < count; i++) {
		if (floats)
			thaw_onnx_put_float(to, i,
					    float2(thaw_onnx_get_float(x, wx.at), thaw_onnx_get_float(y, wy.at)));
		else
			thaw_onnx_put_int(to, i, int2(thaw_onnx_get_int(x, wx.at), thaw_onnx_get_int(y, wy.at)));
		thaw_onnx_walk_next(&wx);
		thaw_onnx_walk_next(&wy);
	}
	return THAW_OK;
}
