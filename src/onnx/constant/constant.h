/* Constants of an ONNX graph: arrays whose elements are known at import. */
#ifndef THAW_ONNX_CONSTANT_H
#define THAW_ONNX_CONSTANT_H

#include "src/onnx/wire/tensor.h"
#include "thaw/dtype.h"

struct thaw_onnx_constant {
	enum thaw_dtype type;
	struct thaw_shape shape;
	void *data; /* from thaw_alloc, last axis fastest; never NULL */
};

/* A zeroed constant. THAW_DATA, naming `what`, if the shape is invalid or has more than max_elements elements. */
thaw_status thaw_onnx_constant_make(struct thaw_onnx_constant *c, enum thaw_dtype type, const struct thaw_shape *shape,
				    int64_t max_elements, const char *what);

/* A copy of a tensor. */
thaw_status thaw_onnx_constant_from(struct thaw_onnx_constant *c, const struct thaw_onnx_tensor *t);

/* Frees the data and zeroes *c. */
void thaw_onnx_constant_free(struct thaw_onnx_constant *c);

#endif
