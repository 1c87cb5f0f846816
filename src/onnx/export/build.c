/* Builds the messages of a model: nodes, attributes and names. */
#include <string.h>

#include "src/base/grow.h"
#include "src/onnx/export/exporter.h"
#include "thaw/memory.h"

static char no_text[] = ""; /* after a failure */

void thaw_onnx_exporter_release(struct thaw_onnx_exporter *e)
{
	for (int i = 0; i < e->memory.count; i++)
		thaw_free(e->memory.blocks[i]);
	thaw_free(e->memory.blocks);
	thaw_free(e->names);
	thaw_free(e->onnx.node);
	thaw_free(e->onnx.initializer);
}

/* Takes ownership of a block from thaw_alloc; NULL counts as out of memory. */
static void *own_block(struct thaw_onnx_exporter *e, void *block)
{
	void **blocks = block ? thaw_grow(e->memory.blocks, e->memory.count, sizeof(*blocks)) : NULL;
	if (!blocks) {
		thaw_free(block);
		e->failed = e->failed ? e->failed : THAW_RESOURCE;
		return NULL;
	}
	e->memory.blocks = blocks;
	return blocks[e->memory.count++] = block;
}

void *thaw_onnx_exporter_alloc(struct thaw_onnx_exporter *e, size_t count, size_t size)
{
	return e->failed ? NULL : own_block(e, thaw_alloc(count, size));
}

static bool in_use(const struct thaw_onnx_exporter *e, const char *name)
{
	for (int i = 0; i < e->name_count; i++)
		if (strcmp(e->names[i], name) == 0)
			return true;
	return false;
}

char *thaw_onnx_exporter_text(struct thaw_onnx_exporter *e, const char *text)
{
	char *copy = e->failed ? NULL : own_block(e, thaw_strdup(text));
	return copy ? copy : no_text;
}

char *thaw_onnx_new_name(struct thaw_onnx_exporter *e, const char *base)
{
	if (e->failed)
		return no_text;
	char *name = thaw_strdup(base);
	for (int use = 2; name && in_use(e, name); use++) {
		thaw_free(name);
		name = thaw_format("%s#%d", base, use);
	}
	const char **names = thaw_grow(e->names, e->name_count, sizeof(*names));
	if (names)
		e->names = names;
	if (!own_block(e, name) || !names) {
		e->failed = THAW_RESOURCE;
		return no_text;
	}
	e->names[e->name_count++] = name;
	return name;
}

void thaw_onnx_fail_export(struct thaw_onnx_exporter *e, const char *why)
{
	const struct thaw_node *n = &e->graph->nodes[e->node];
	if (!e->failed)
		e->failed = thaw_fail(THAW_CONFIG, "cannot export node to ONNX: %s %s: %s", n->op->name, n->name, why);
}

Onnx__NodeProto *thaw_onnx_emit(struct thaw_onnx_exporter *e, const char *op_type, const char *const *inputs, int count)
{
	Onnx__NodeProto *n = thaw_onnx_exporter_alloc(e, 1, sizeof(*n));
	char **names = thaw_onnx_exporter_alloc(e, (size_t)count + 1, sizeof(*names));
	Onnx__NodeProto **nodes =
		names ? thaw_grow(e->onnx.node, (int)e->onnx.n_node, sizeof(Onnx__NodeProto *)) : NULL;
	if (names && !nodes)
		e->failed = THAW_RESOURCE;
	if (!nodes)
		return NULL;
	e->onnx.node = nodes;
	while (count > 0 && !inputs[count - 1][0])
		count--;
	onnx__node_proto__init(n);
	n->op_type = thaw_onnx_exporter_text(e, op_type);
	n->n_input = (size_t)count;
	n->input = names;
	for (int i = 0; i < count; i++)
		names[i] = thaw_onnx_exporter_text(e, inputs[i]);
	n->n_output = 1;
	n->output = names + count;
	n->output[0] = n->name = thaw_onnx_new_name(e, e->graph->nodes[e->node].name);
	nodes[e->onnx.n_node++] = n;
	return e->failed ? NULL : n;
}

const char *thaw_onnx_output_of(const Onnx__NodeProto *n)
{
	return n ? n->output[0] : "";
}

/* Adds an attribute to a node. */
static Onnx__AttributeProto *attribute(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name,
				       Onnx__AttributeProto__AttributeType type)
{
	enum { MAX_ATTRIBUTES = 8 }; /* attributes of a node */
	if (!n || e->failed)
		return NULL;
	if (!n->attribute)
		n->attribute = thaw_onnx_exporter_alloc(e, MAX_ATTRIBUTES, sizeof(Onnx__AttributeProto *));
	Onnx__AttributeProto *a = thaw_onnx_exporter_alloc(e, 1, sizeof(*a));
	if (!a || n->n_attribute == MAX_ATTRIBUTES)
		return NULL;
	onnx__attribute_proto__init(a);
	a->name = thaw_onnx_exporter_text(e, name);
	a->has_type = true;
	a->type = type;
	return n->attribute[n->n_attribute++] = a;
}

void thaw_onnx_set_int(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name, int64_t value)
{
	Onnx__AttributeProto *a = attribute(e, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
	if (!a)
		return;
	a->has_i = true;
	a->i = value;
}

void thaw_onnx_set_float(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name, float value)
{
	Onnx__AttributeProto *a = attribute(e, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
	if (!a)
		return;
	a->has_f = true;
	a->f = value;
}

void thaw_onnx_set_ints(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name, const int64_t *values,
			int count)
{
	Onnx__AttributeProto *a = attribute(e, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
	if (!a || !(a->ints = thaw_onnx_exporter_alloc(e, (size_t)count, sizeof(*a->ints))))
		return;
	memcpy(a->ints, values, (size_t)count * sizeof(*values));
	a->n_ints = (size_t)count;
}

void thaw_onnx_set_string(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name, const char *value)
{
	Onnx__AttributeProto *a = attribute(e, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
	if (!a)
		return;
	a->has_s = true;
	size_t length = strlen(value);
	uint8_t *copy = thaw_onnx_exporter_alloc(e, length + 1, 1);
	if (copy)
		memcpy(copy, value, length + 1);
	a->s = (ProtobufCBinaryData){copy ? length : 0, copy};
}

const char *thaw_onnx_emit_one(struct thaw_onnx_exporter *e, const char *op_type, const char *x)
{
	return thaw_onnx_output_of(thaw_onnx_emit(e, op_type, &x, 1));
}

const char *thaw_onnx_emit_two(struct thaw_onnx_exporter *e, const char *op_type, const char *a, const char *b)
{
	return thaw_onnx_output_of(thaw_onnx_emit(e, op_type, (const char *[]){a, b}, 2));
}

const char *thaw_onnx_emit_transpose(struct thaw_onnx_exporter *e, const char *x, const int *order, int ndim)
{
	int64_t perm[THAW_MAX_FACTORS];
	bool moved = false;
	for (int i = 0; i < ndim; i++) {
		perm[i] = order[i];
		moved |= order[i] != i;
	}
	if (!moved)
		return x;
	Onnx__NodeProto *n = thaw_onnx_emit(e, "Transpose", &x, 1);
	thaw_onnx_set_ints(e, n, "perm", perm, ndim);
	return thaw_onnx_output_of(n);
}
