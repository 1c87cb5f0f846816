/* Messages of a model that is being written: nodes, their attributes and names. */
#include <string.h>

#include "src/base/grow.h"
#include "src/onnx/export/exporter.h"

void thaw_onnx_exporter_release(struct thaw_onnx_exporter *e)
{
	for (int i = 0; i < e->memory.count; i++)
		thaw_free(e->memory.blocks[i]);
	thaw_free(e->memory.blocks);
	thaw_free(e->names);
	thaw_free(e->onnx.node);
	thaw_free(e->onnx.initializer);
}

/* Takes the block, which is from thaw_alloc or NULL. */
static void *keep(struct thaw_onnx_exporter *e, void *block)
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
	return e->failed ? NULL : keep(e, thaw_alloc(count, size));
}

static bool in_use(const struct thaw_onnx_exporter *e, const char *name)
{
	for (int i = 0; i < e->name_count; i++)
		if (strcmp(e->names[i], name) == 0)
			return true;
	return false;
}

const char *thaw_onnx_new_name(struct thaw_onnx_exporter *e, const char *base)
{
	if (e->failed)
		return "";
	char *name = thaw_strdup(base);
	for (int use = 2; name && in_use(e, name); use++) {
		thaw_free(name);
		name = thaw_format("%s#%d", base, use);
	}
	const char **names = thaw_grow(e->names, e->name_count, sizeof(*names));
	if (names)
		e->names = names;
	if (!keep(e, name) || !names) {
		e->failed = THAW_RESOURCE;
		return "";
	}
	return e->names[e->name_count++] = name;
}

void thaw_onnx_fail_export(struct thaw_onnx_exporter *e, const char *why)
{
	const struct thaw_node *n = &e->graph->nodes[e->node];
	if (!e->failed)
		e->failed = thaw_fail(THAW_CONFIG, "%s %s cannot be exported: %s", n->op->name, n->name, why);
}

Onnx__NodeProto *thaw_onnx_emit(struct thaw_onnx_exporter *e, const char *operator, const char * const * inputs,
				int count)
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
	n->op_type = (char *)operator; /* protobuf-c's strings are not const; nothing here changes them */
	n->name = n->op_type;
	n->n_input = (size_t)count;
	n->input = names;
	for (int i = 0; i < count; i++)
		names[i] = (char *)inputs[i];
	n->n_output = 1;
	n->output = names + count;
	n->output[0] = n->name = (char *)thaw_onnx_new_name(e, e->graph->nodes[e->node].name);
	nodes[e->onnx.n_node++] = n;
	return e->failed ? NULL : n;
}

const char *thaw_onnx_output_of(const Onnx__NodeProto *n)
{
	return n ? n->output[0] : "";
}

/* One more attribute of a node. */
static Onnx__AttributeProto *attribute(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name,
				       Onnx__AttributeProto__AttributeType type)
{
	enum { MOST = 8 }; /* of one node here */
	if (!n || e->failed)
		return NULL;
	if (!n->attribute)
		n->attribute = thaw_onnx_exporter_alloc(e, MOST, sizeof(Onnx__AttributeProto *));
	Onnx__AttributeProto *a = thaw_onnx_exporter_alloc(e, 1, sizeof(*a));
	if (!a || n->n_attribute == MOST)
		return NULL;
	onnx__attribute_proto__init(a);
	a->name = (char *)name;
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
	a->s = (ProtobufCBinaryData){strlen(value), (uint8_t *)value};
}

const char *thaw_onnx_emit_one(struct thaw_onnx_exporter *e, const char *operator, const char * x)
{
	return thaw_onnx_output_of(thaw_onnx_emit(e, operator, & x, 1));
}

const char *thaw_onnx_emit_two(struct thaw_onnx_exporter *e, const char *operator, const char * a, const char *b)
{
	return thaw_onnx_output_of(thaw_onnx_emit(e, operator,(const char *[]){a, b}, 2));
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
