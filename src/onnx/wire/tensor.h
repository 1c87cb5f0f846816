/* Tensors of an ONNX model: type, shape and values, checked against the bytes that are present. */
#ifndef THAW_ONNX_WIRE_TENSOR_H
#define THAW_ONNX_WIRE_TENSOR_H

#include <stdbool.h>

#include "src/onnx/wire/file.h"
#include "thaw/dtype.h"
#include "thaw/tensor.h"

struct thaw_onnx_tensor {
	const char *name; /* owned by the message; "" if it has none */
	enum thaw_dtype type;
	struct thaw_shape shape;
	const void *data; /* the elements, last axis fastest; any alignment; never NULL */
	void *owned;      /* released by thaw_onnx_tensor_free: converted values, or NULL */
};

/* Fills *t from the message. Its data is in the message, in a file mapped by f->external, or in t->owned, so *t must
 * not outlive f. THAW_DATA, naming file and tensor, if the type is not supported, the shape is invalid, or the amount
 * of data does not match the shape. */
thaw_status thaw_onnx_tensor_read(struct thaw_onnx_tensor *t, const Onnx__TensorProto *p,
				  const struct thaw_onnx_file *f);

void thaw_onnx_tensor_free(struct thaw_onnx_tensor *t);

/* *type = the element type for TensorProto.DataType `onnx`; false if it is not supported. */
bool thaw_onnx_type(int32_t onnx, enum thaw_dtype *type);
/* Its ONNX name, such as "FLOAT16"; "UNDEFINED" if onnx.proto does not define it. */
const char *thaw_onnx_type_name(int32_t onnx);
/* The TensorProto.DataType of an element type. */
int32_t thaw_onnx_type_of(enum thaw_dtype type);

#endif
