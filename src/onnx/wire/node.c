/* Attributes of nodes, and error messages about them. */
#include "src/onnx/wire/node.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"

#define MAX_REASON 512 /* bytes */

/* The supported attribute types. */
enum {
	FLOAT = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT,
	INT = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT,
	STRING = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING,
	TENSOR = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR,
	FLOATS = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS,
	INTS = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS,
};

bool thaw_onnx_standard_domain(const char *domain)
{
	return !domain || !domain[0] || strcmp(domain, "ai.onnx") == 0;
}

thaw_status thaw_onnx_fail_node(const Onnx__NodeProto *node, const char *format, ...)
{
	char reason[MAX_REASON];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	/* A node without a name is identified by its output. */
	const char *name = node->name && node->name[0] ? node->name : node->n_output > 0 ? node->output[0] : "";
	return thaw_fail(THAW_DATA, "%s %s: %s", node->op_type ? node->op_type : "", name, reason);
}

static const Onnx__AttributeProto *find(const Onnx__NodeProto *node, const char *name)
{
	for (size_t i = 0; i < node->n_attribute; i++)
		if (node->attribute[i]->name && strcmp(node->attribute[i]->name, name) == 0)
			return node->attribute[i];
	return NULL;
}

static const char *type_name(int type)
{
	const ProtobufCEnumValue *value =
		protobuf_c_enum_descriptor_get_value(&onnx__attribute_proto__attribute_type__descriptor, type);
	return value ? value->name : "UNDEFINED";
}

/* *a = the attribute, NULL if absent; THAW_DATA if it has another type. */
static thaw_status find_typed(const Onnx__AttributeProto **a, const Onnx__NodeProto *node, const char *name, int type)
{
	const Onnx__AttributeProto *found = find(node, name);
	if (found && found->ref_attr_name && found->ref_attr_name[0])
		return thaw_onnx_fail_node(
			node, "attribute %s refers to an attribute of a function, but the node is not in one", name);
	if (found && (int)found->type != type)
		return thaw_onnx_fail_node(node, "attribute %s is of type %s, not %s", name,
					   type_name((int)found->type), type_name(type));
	*a = found;
	return THAW_OK;
}

bool thaw_onnx_attribute_present(const Onnx__NodeProto *node, const char *name)
{
	return find(node, name) != NULL;
}

thaw_status thaw_onnx_attribute_int(int64_t *value, const Onnx__NodeProto *node, const char *name, int64_t otherwise)
{
	const Onnx__AttributeProto *a;
	THAW_TRY(find_typed(&a, node, name, INT));
	*value = a ? a->i : otherwise;
	return THAW_OK;
}

thaw_status thaw_onnx_attribute_float(float *value, const Onnx__NodeProto *node, const char *name, float otherwise)
{
	const Onnx__AttributeProto *a;
	THAW_TRY(find_typed(&a, node, name, FLOAT));
	*value = a ? a->f : otherwise;
	return THAW_OK;
}

thaw_status thaw_onnx_attribute_string(char *text, const Onnx__NodeProto *node, const char *name, const char *otherwise)
{
	const Onnx__AttributeProto *a;
	THAW_TRY(find_typed(&a, node, name, STRING));
	if (!a) {
		snprintf(text, THAW_ONNX_TEXT, "%s", otherwise);
		return THAW_OK;
	}
	if (a->s.len >= THAW_ONNX_TEXT)
		return thaw_onnx_fail_node(node, "attribute %s is a string of %zu bytes, too long", name, a->s.len);
	for (size_t i = 0; i < a->s.len; i++)
		if (a->s.data[i] < ' ' || a->s.data[i] >= 0x7f)
			return thaw_onnx_fail_node(node, "attribute %s is not printable text", name);
	if (a->s.len > 0)
		memcpy(text, a->s.data, a->s.len);
	text[a->s.len] = '\0';
	return THAW_OK;
}

thaw_status thaw_onnx_attribute_ints(const int64_t **values, size_t *count, const Onnx__NodeProto *node,
				     const char *name)
{
	const Onnx__AttributeProto *a;
	THAW_TRY(find_typed(&a, node, name, INTS));
	*values = a ? a->ints : NULL;
	*count = a ? a->n_ints : 0;
	return THAW_OK;
}

thaw_status thaw_onnx_attribute_floats(const float **values, size_t *count, const Onnx__NodeProto *node,
				       const char *name)
{
	const Onnx__AttributeProto *a;
	THAW_TRY(find_typed(&a, node, name, FLOATS));
	*values = a ? a->floats : NULL;
	*count = a ? a->n_floats : 0;
	return THAW_OK;
}

thaw_status thaw_onnx_attribute_tensor(const Onnx__TensorProto **value, const Onnx__NodeProto *node, const char *name)
{
	const Onnx__AttributeProto *a;
	THAW_TRY(find_typed(&a, node, name, TENSOR));
	if (a && !a->t)
		return thaw_onnx_fail_node(node, "attribute %s has no value", name);
	*value = a ? a->t : NULL;
	return THAW_OK;
}

thaw_status thaw_onnx_check_axis(const Onnx__NodeProto *node, int64_t axis, int ndim, int *normal)
{
	if (axis < -ndim || axis >= ndim)
		return thaw_onnx_fail_node(node, "axis %lld is out of range for %d axes", (long long)axis, ndim);
	*normal = (int)(axis < 0 ? axis + ndim : axis);
	return THAW_OK;
}

int thaw_onnx_clamp_position(int64_t position, int ndim)
{
	position = position < 0 ? position + ndim : position;
	return (int)min_int64(max_int64(position, 0), ndim);
}
