/* The attributes of a node, by name and type.
 *
 * Each function gives the default when the node has no such attribute, and THAW_DATA, naming node and attribute, when
 * it has one of another type. What is handed out lies in the node. */
#ifndef THAW_ONNX_ATTRIBUTE_H
#define THAW_ONNX_ATTRIBUTE_H

#include <stdbool.h>

#include "onnx.pb-c.h"
#include "thaw/error.h"

#define THAW_ONNX_TEXT 64 /* bytes of a string attribute, with its NUL; they are words such as SAME_UPPER */

bool thaw_onnx_attribute_present(const Onnx__NodeProto *node, const char *name);

thaw_status thaw_onnx_attribute_int(int64_t *value, const Onnx__NodeProto *node, const char *name, int64_t otherwise);
thaw_status thaw_onnx_attribute_float(float *value, const Onnx__NodeProto *node, const char *name, float otherwise);
/* A copy in text[THAW_ONNX_TEXT]; longer ones, and control characters, are THAW_DATA. */
thaw_status thaw_onnx_attribute_string(char *text, const Onnx__NodeProto *node, const char *name,
				       const char *otherwise);

/* *count numbers; NULL and 0 by default. */
thaw_status thaw_onnx_attribute_ints(const int64_t **values, size_t *count, const Onnx__NodeProto *node,
				     const char *name);
thaw_status thaw_onnx_attribute_floats(const float **values, size_t *count, const Onnx__NodeProto *node,
				       const char *name);
/* NULL by default. */
thaw_status thaw_onnx_attribute_tensor(const Onnx__TensorProto **value, const Onnx__NodeProto *node, const char *name);

/* Records "WHAT: OPERATOR NAME: why" and returns THAW_DATA; the form of all messages about a node. Works for nodes
 * without a name. */
thaw_status thaw_onnx_fail_node(const Onnx__NodeProto *node, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
