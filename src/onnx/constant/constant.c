/* Constants of an ONNX graph. */
#include "src/onnx/constant/constant.h"

#include <string.h>

#include "src/base/try.h"
#include "thaw/memory.h"

thaw_status thaw_onnx_constant_make(struct thaw_onnx_constant *c, enum thaw_dtype type, const struct thaw_shape *shape,
				    int64_t max_elements, const char *what)
{
	THAW_TRY(thaw_shape_check(shape, what));
	int64_t count = thaw_shape_count(shape);
	if (count > max_elements)
		return thaw_fail(THAW_DATA, "constant too large: %s: %lld elements, at most %lld are supported", what,
				 (long long)count, (long long)max_elements);
	void *data = thaw_alloc((size_t)count, thaw_dtype_size(type));
	if (!data)
		return THAW_RESOURCE;
	*c = (struct thaw_onnx_constant){.type = type, .shape = *shape, .data = data};
	return THAW_OK;
}

thaw_status thaw_onnx_constant_from(struct thaw_onnx_constant *c, const struct thaw_onnx_tensor *t)
{
	int64_t count = thaw_shape_count(&t->shape);
	THAW_TRY(thaw_onnx_constant_make(c, t->type, &t->shape, count, t->name));
	memcpy(c->data, t->data, (size_t)count * thaw_dtype_size(t->type));
	return THAW_OK;
}

void thaw_onnx_constant_free(struct thaw_onnx_constant *c)
{
	thaw_free(c->data);
	*c = (struct thaw_onnx_constant){0};
}
