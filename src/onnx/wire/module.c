/* The module of a node, from its metadata.
 *
 * PyTorch's exporter (torch.onnx.export with dynamo=True) names nodes by numbers and writes the modules around a node
 * into metadata_props, which older versions of onnx.proto do not have: protobuf-c keeps it as an unknown field. */
#include <stdio.h>
#include <string.h>

#include "src/onnx/wire/node.h"

#define METADATA_PROPS 9 /* field of NodeProto: repeated StringStringEntryProto */
#define SCOPES         "pkg.torch.onnx.name_scopes"
#define RULE           "pkg.onnxscript.rewriter.rule_name"

/* Skips the length before an unknown field's bytes; returns NULL if it is damaged. */
static const uint8_t *skip_length(const ProtobufCMessageUnknownField *f, size_t *size)
{
	size_t at = 0;
	while (at < f->len && f->data[at] & 0x80)
		at++;
	if (at >= f->len)
		return NULL;
	*size = f->len - at - 1;
	return f->data + at + 1;
}

/* Appends the name of a module to *path, whose last part is `part`: "0" of the list "blocks" becomes "blocks.0". */
static bool append_part(char *path, char *part, const char *name, size_t length)
{
	char next[THAW_ONNX_MODULE - 2];
	bool element = part[0] && length > 0 && name[0] >= '0' && name[0] <= '9';
	int wanted =
		snprintf(next, sizeof(next), "%s%s%.*s", element ? part : "", element ? "." : "", (int)length, name);
	size_t used = strlen(path);
	if (wanted < 0 || (size_t)wanted >= sizeof(next) || used + (size_t)wanted + 2 > THAW_ONNX_MODULE)
		return false;
	snprintf(path + used, THAW_ONNX_MODULE - used, "%s/", next);
	memcpy(part, next, (size_t)wanted + 1);
	return true;
}

/* Whether the text can be part of a name. */
static bool is_printable(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f || text[i] == '/')
			return false;
	return true;
}

/* Reads a list of modules, outermost first, then the operation: "['', 'layer1', 'layer1.0', 'conv2d']". */
static bool read_scopes(const char *text, char *module, char *path)
{
	char part[THAW_ONNX_MODULE] = "";
	const char *scope = strchr(text, '\'');
	snprintf(path, THAW_ONNX_MODULE, "/");
	module[0] = '\0';
	while (scope) {
		const char *end = strchr(scope + 1, '\''), *next = end ? strchr(end + 1, '\'') : NULL;
		if (!end || !next) /* the last one is the operation */
			return end != NULL && module[0];
		size_t length = (size_t)(end - scope - 1), outer = strlen(module);
		const char *name = scope + 1;
		if (length >= THAW_ONNX_MODULE || !is_printable(name, length))
			return false;
		bool inside = outer > 0 && length > outer && strncmp(name, module, outer) == 0 && name[outer] == '.';
		size_t skip = inside ? outer + 1 : 0;
		if (length > 0 && !append_part(path, part, name + skip, length - skip))
			return false;
		if (length > 0)
			snprintf(module, THAW_ONNX_MODULE, "%.*s", (int)length, name);
		scope = next;
	}
	return false;
}

/* The metadata entry, which the caller frees; NULL if unknown field i is something else. */
static Onnx__StringStringEntryProto *read_entry(const Onnx__NodeProto *node, unsigned i)
{
	const ProtobufCMessageUnknownField *f = &node->base.unknown_fields[i];
	size_t size = 0;
	if (f->tag != METADATA_PROPS || f->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
		return NULL;
	const uint8_t *bytes = skip_length(f, &size);
	return bytes ? onnx__string_string_entry_proto__unpack(NULL, size, bytes) : NULL;
}

bool thaw_onnx_node_module(const Onnx__NodeProto *node, char *module, char *path)
{
	bool found = false;
	for (unsigned i = 0; i < node->base.n_unknown_fields && !found; i++) {
		Onnx__StringStringEntryProto *e = read_entry(node, i);
		if (e && e->key && e->value && strcmp(e->key, SCOPES) == 0)
			found = read_scopes(e->value, module, path);
		if (e)
			onnx__string_string_entry_proto__free_unpacked(e, NULL);
	}
	if (!found)
		module[0] = path[0] = '\0';
	return found;
}

bool thaw_onnx_node_folded_norm(const Onnx__NodeProto *node)
{
	bool found = node->n_input > 1 && strncmp(node->input[1], "onnx::Conv", strlen("onnx::Conv")) == 0;
	for (unsigned i = 0; i < node->base.n_unknown_fields && !found; i++) {
		Onnx__StringStringEntryProto *e = read_entry(node, i);
		found = e && e->key && e->value && strcmp(e->key, RULE) == 0 && strstr(e->value, "FuseBatchNorm");
		if (e)
			onnx__string_string_entry_proto__free_unpacked(e, NULL);
	}
	return found;
}
