/* Element access: floating types as double, integers and bool as int64_t. */
#include <math.h>
#include <string.h>

#include "src/onnx/constant/evaluator.h"

bool thaw_onnx_is_float(enum thaw_dtype type)
{
	return type == THAW_F32 || type == THAW_F64 || type == THAW_F16 || type == THAW_BF16;
}

static int64_t int_of(double x)
{
	if (isnan(x))
		return 0;
	if (x >= 0x1p63)
		return INT64_MAX;
	return x <= -0x1p63 ? INT64_MIN : (int64_t)x;
}

double thaw_onnx_get_float(const struct thaw_onnx_constant *c, int64_t i)
{
	if (c->type == THAW_F64)
		return ((const double *)c->data)[i];
	if (!thaw_onnx_is_float(c->type))
		return (double)thaw_onnx_get_int(c, i);
	float value;
	thaw_to_f32(c->type, (const char *)c->data + i * (int64_t)thaw_dtype_size(c->type), &value, 1);
	return (double)value;
}

int64_t thaw_onnx_get_int(const struct thaw_onnx_constant *c, int64_t i)
{
	switch (c->type) {
	case THAW_I64:
		return ((const int64_t *)c->data)[i];
	case THAW_I32:
		return ((const int32_t *)c->data)[i];
	case THAW_I16:
		return ((const int16_t *)c->data)[i];
	case THAW_I8:
		return ((const int8_t *)c->data)[i];
	case THAW_U8:
		return ((const uint8_t *)c->data)[i];
	case THAW_BOOL:
		return ((const uint8_t *)c->data)[i] != 0;
	default:
		return int_of(thaw_onnx_get_float(c, i));
	}
}

void thaw_onnx_put_float(struct thaw_onnx_constant *c, int64_t i, double value)
{
	if (c->type == THAW_F64) {
		((double *)c->data)[i] = value;
	} else if (thaw_onnx_is_float(c->type)) {
		float rounded = (float)value;
		thaw_from_f32(c->type, &rounded, (char *)c->data + i * (int64_t)thaw_dtype_size(c->type), 1);
	} else if (c->type == THAW_BOOL) {
		((uint8_t *)c->data)[i] = value != 0;
	} else {
		thaw_onnx_put_int(c, i, int_of(value));
	}
}

void thaw_onnx_put_int(struct thaw_onnx_constant *c, int64_t i, int64_t value)
{
	switch (c->type) {
	case THAW_I64:
		((int64_t *)c->data)[i] = value;
		break;
	case THAW_I32:
		((int32_t *)c->data)[i] = (int32_t)value;
		break;
	case THAW_I16:
		((int16_t *)c->data)[i] = (int16_t)value;
		break;
	case THAW_I8:
		((int8_t *)c->data)[i] = (int8_t)value;
		break;
	case THAW_U8:
		((uint8_t *)c->data)[i] = (uint8_t)value;
		break;
	case THAW_BOOL:
		((uint8_t *)c->data)[i] = value != 0;
		break;
	default:
		thaw_onnx_put_float(c, i, (double)value);
		break;
	}
}
