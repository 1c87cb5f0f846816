/* Nodes: attributes by name and type, the operator's domain, error messages.
 *
 * Each attribute function returns the default if the node has no such attribute, and THAW_DATA, naming node and
 * attribute, if its type differs. Pointers point into the node. */
#ifndef THAW_ONNX_WIRE_NODE_H
#define THAW_ONNX_WIRE_NODE_H

#include <stdbool.h>

#include "onnx.pb-c.h"
#include "thaw/error.h"

#define THAW_ONNX_TEXT 64 /* bytes of a string attribute with its NUL; all are words such as SAME_UPPER */

bool thaw_onnx_attribute_present(const Onnx__NodeProto *node, const char *name);

thaw_status thaw_onnx_attribute_int(int64_t *value, const Onnx__NodeProto *node, const char *name, int64_t otherwise);
thaw_status thaw_onnx_attribute_float(float *value, const Onnx__NodeProto *node, const char *name, float otherwise);
/* Copies to text[THAW_ONNX_TEXT]; THAW_DATA for longer strings and control characters. */
thaw_status thaw_onnx_attribute_string(char *text, const Onnx__NodeProto *node, const char *name,
				       const char *otherwise);

/* values[count]; NULL and 0 by default. */
thaw_status thaw_onnx_attribute_ints(const int64_t **values, size_t *count, const Onnx__NodeProto *node,
				     const char *name);
thaw_status thaw_onnx_attribute_floats(const float **values, size_t *count, const Onnx__NodeProto *node,
				       const char *name);
/* NULL by default. */
thaw_status thaw_onnx_attribute_tensor(const Onnx__TensorProto **value, const Onnx__NodeProto *node, const char *name);

/* *normal = the axis, counted from the end if negative; THAW_DATA unless -ndim <= axis < ndim. */
thaw_status thaw_onnx_check_axis(const Onnx__NodeProto *node, int64_t axis, int ndim, int *normal);

/* A position among `ndim` axes, counted from the end if negative, clamped to 0..ndim. */
int thaw_onnx_clamp_position(int64_t position, int ndim);

/* Whether this is the domain of ONNX's standard operators: NULL, "" or "ai.onnx". */
bool thaw_onnx_standard_domain(const char *domain);

#define THAW_ONNX_MODULE 256 /* bytes of a module's name */

/* The module that the node belongs to, as PyTorch's exporter writes it into the node's metadata: module = its name such
 * as "layer1.0.conv1", path = the names of the modules around it such as "/layer1/layer1.0/conv1/", both of
 * [THAW_ONNX_MODULE]. False, and empty strings, if there is none or it is too long. */
bool thaw_onnx_node_module(const Onnx__NodeProto *node, char *module, char *path);

/* Whether PyTorch's exporter has folded a batch norm into this convolution. */
bool thaw_onnx_node_folded_norm(const Onnx__NodeProto *node);

/* Records "OPERATOR NAME: reason" and returns THAW_DATA. All messages about nodes have this form; the importer puts
 * what went wrong and the file in front. A node without a name is named by its output. */
thaw_status thaw_onnx_fail_node(const Onnx__NodeProto *node, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
