/* Identity, Cast and Dropout, which do not change values, and Shape. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

thaw_status thaw_onnx_import_identity(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	int64_t to;
	enum thaw_dtype type;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_attribute_int(&to, n, "to", thaw_onnx_type_of(THAW_F32)));
	if (!thaw_onnx_type((int32_t)to, &type) || (type != THAW_F32 && type != THAW_F16 && type != THAW_BF16))
		return thaw_onnx_fail_node(n, "a value that depends on the image can only be of a floating type");
	return thaw_onnx_value_output(m, n, 0, &v);
}

/* Between constants it is folded. Where one input depends on the image, both are of its floating type in the end. */
thaw_status thaw_onnx_import_cast_like(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value *x, *like, y = {.defined = true};
	struct thaw_onnx_constant to;
	THAW_TRY(thaw_onnx_value_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_value_input(m, n, 1, &like));
	if (like->constant && like->constant->type != THAW_F32)
		return thaw_onnx_fail_node(n, "a value that depends on the image can only be of a floating type");
	if (!x->constant)
		return thaw_onnx_value_output(m, n, 0, x);
	int64_t count = thaw_shape_count(&x->constant->shape);
	THAW_TRY(thaw_onnx_constant_make(&to, THAW_F32, &x->constant->shape, THAW_ONNX_MAX_ELEMENTS, "a cast"));
	thaw_to_f32(x->constant->type, x->constant->data, to.data, count);
	y.constant = thaw_alloc(1, sizeof(*y.constant));
	thaw_status status = y.constant ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK) {
		*y.constant = to;
		status = thaw_onnx_value_output(m, n, 0, &y);
	}
	if (status != THAW_OK) {
		thaw_onnx_constant_free(&to);
		thaw_free(y.constant);
	}
	return status;
}

thaw_status thaw_onnx_import_dropout(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value v;
	struct thaw_attrs attrs = {0};
	const struct thaw_onnx_constant *ratio, *training;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v));
	THAW_TRY(thaw_onnx_attribute_float(&attrs.rate, n, "ratio", 0.5f));
	THAW_TRY(thaw_onnx_constant_input(m, n, 1, &ratio));
	THAW_TRY(thaw_onnx_constant_input(m, n, 2, &training));
	if ((ratio && thaw_shape_count(&ratio->shape) != 1) || (training && thaw_shape_count(&training->shape) != 1))
		return thaw_onnx_fail_node(n, "ratio or training_mode is not a scalar");
	if (ratio && ratio->type == THAW_F32)
		attrs.rate = *(const float *)ratio->data;
	if (training && *(const char *)training->data && attrs.rate != 0.0f)
		return thaw_onnx_fail_node(n, "it is in training mode: export the network for evaluation");
	THAW_TRY(thaw_onnx_as_whole(m, n, &v));
	return thaw_onnx_output_like(m, n, thaw_onnx_add(m, n, "dropout", &attrs, &v.node, 1), &v);
}

thaw_status thaw_onnx_import_shape(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value *v, y = {.defined = true};
	int64_t dim[THAW_MAX_FACTORS], start, end;
	THAW_TRY(thaw_onnx_value_input(m, n, 0, &v));
	int ndim = v->axes.ndim;
	thaw_onnx_dims(v, dim);
	THAW_TRY(thaw_onnx_attribute_int(&start, n, "start", 0));
	THAW_TRY(thaw_onnx_attribute_int(&end, n, "end", ndim));
	start = thaw_onnx_clamp_position(start, ndim);
	end = max_int64(thaw_onnx_clamp_position(end, ndim), start);
	struct thaw_shape shape = thaw_shape_of(end - start);
	y.constant = thaw_alloc(1, sizeof(*y.constant));
	if (!y.constant)
		return THAW_RESOURCE;
	thaw_status status = thaw_onnx_constant_make(y.constant, THAW_I64, &shape, THAW_MAX_FACTORS, "a shape");
	if (status == THAW_OK) {
		memcpy(y.constant->data, dim + start, (size_t)(end - start) * sizeof(*dim));
		status = thaw_onnx_value_output(m, n, 0, &y);
		if (status == THAW_OK)
			return THAW_OK;
		thaw_onnx_constant_free(y.constant);
	}
	thaw_free(y.constant);
	return status;
}
