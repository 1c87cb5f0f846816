/* The tensors of an ONNX model: their type, shape and values, checked against the bytes that are there. */
#ifndef THAW_ONNX_TENSOR_H
#define THAW_ONNX_TENSOR_H

#include <stdbool.h>

#include "src/onnx/wire/file.h"
#include "thaw/tensor.h"

struct thaw_onnx_tensor {
	const char *name; /* the message's; "" when it has none */
	enum thaw_dtype type;
	struct thaw_shape shape;
	const void *data; /* the elements, last axis fastest; any alignment; never NULL */
	void *owned;      /* what thaw_onnx_tensor_free releases: the values where they had to be converted, or NULL */
};

/* Fills *t from the message. Its data lie in the message, in a file mapped by f->external, or in t->owned, so *t must
 * not outlive f. THAW_DATA, naming file and tensor, where the type is not known here, the shape is impossible, or the
 * data are not exactly as many as the shape says. */
thaw_status thaw_onnx_tensor_read(struct thaw_onnx_tensor *t, const Onnx__TensorProto *p,
				  const struct thaw_onnx_file *f);

void thaw_onnx_tensor_free(struct thaw_onnx_tensor *t);

/* *type = the element type of TensorProto.DataType `onnx`; false when it is not known here. */
bool thaw_onnx_type(int32_t onnx, enum thaw_dtype *type);
/* Its name as ONNX has it, such as "FLOAT16"; "UNDEFINED" for what onnx.proto does not know. */
const char *thaw_onnx_type_name(int32_t onnx);
/* The other way: TensorProto.DataType of an element type. */
int32_t thaw_onnx_type_of(enum thaw_dtype type);

#endif
