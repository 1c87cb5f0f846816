/* Operands: inputs and outputs of ONNX nodes, and the graph nodes and parameters made from them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/grow.h"
#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

static int by_name(const void *key, const void *value)
{
	return strcmp(key, ((const struct thaw_onnx_value *)value)->name);
}

struct thaw_onnx_value *thaw_onnx_value_find(const struct thaw_onnx_importer *m, const char *name)
{
	if (!name || !name[0])
		return NULL;
	return bsearch(name, m->values, (size_t)m->value_count, sizeof(*m->values), by_name);
}

bool thaw_onnx_has_input(const Onnx__NodeProto *n, int k)
{
	return (size_t)k < n->n_input && n->input[k][0];
}

bool thaw_onnx_is_read(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k)
{
	const struct thaw_onnx_value *v = (size_t)k < n->n_output ? thaw_onnx_value_find(m, n->output[k]) : NULL;
	return v && v->read;
}

thaw_status thaw_onnx_value_input(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k,
				  struct thaw_onnx_value **v)
{
	if (!thaw_onnx_has_input(n, k))
		return thaw_onnx_fail_node(n, "input %d is missing", k);
	*v = thaw_onnx_value_find(m, n->input[k]);
	if (*v && !(*v)->defined && (*v)->producer < 0 && !(*v)->initializer)
		return thaw_onnx_fail_node(n, "input %s is a further input of the network; only an image is supported",
					   n->input[k]);
	if (!*v || !(*v)->defined)
		return thaw_onnx_fail_node(n, "input %s is not an input, a weight or the output of a node",
					   n->input[k]);
	return THAW_OK;
}

thaw_status thaw_onnx_constant_input(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k,
				     const struct thaw_onnx_constant **c)
{
	struct thaw_onnx_value *v;
	*c = NULL;
	if (!thaw_onnx_has_input(n, k))
		return THAW_OK;
	THAW_TRY(thaw_onnx_value_input(m, n, k, &v));
	if (!v->constant)
		return thaw_onnx_fail_node(n, "input %s depends on the image; only a constant is supported",
					   n->input[k]);
	*c = v->constant;
	return THAW_OK;
}

thaw_status thaw_onnx_read_ints(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, const char *attribute,
				int input, const int64_t **values, int *count)
{
	const struct thaw_onnx_constant *c;
	size_t size = 0;
	*count = -1;
	THAW_TRY(thaw_onnx_attribute_ints(values, &size, n, attribute));
	if (thaw_onnx_attribute_present(n, attribute))
		*count = (int)size;
	THAW_TRY(thaw_onnx_constant_input(m, n, input, &c));
	if (!c)
		return THAW_OK;
	if (c->type != THAW_I64 || c->shape.ndim > 1)
		return thaw_onnx_fail_node(n, "input %s is not a vector of INT64", n->input[input]);
	*values = c->data;
	*count = (int)thaw_shape_count(&c->shape);
	return THAW_OK;
}

thaw_status thaw_onnx_as_tensor(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v)
{
	const struct thaw_onnx_constant *c = v->constant;
	if (!c)
		return THAW_OK;
	struct thaw_shape shape = c->shape.ndim > 0 ? c->shape : thaw_shape_of(1);
	if (c->type != THAW_F32)
		return thaw_onnx_fail_node(n, "input %s is %s; only FLOAT is supported", v->name,
					   thaw_onnx_type_name(thaw_onnx_type_of(c->type)));
	v->constant = NULL;
	v->node = thaw_onnx_add(m, n, "constant", NULL, NULL, 0);
	THAW_TRY(thaw_onnx_param(m, v->node, v->name, THAW_ROLE_SHIFT, &shape, c->data));
	thaw_onnx_axes_set(&v->axes, &shape, 0);
	v->axes.ndim = c->shape.ndim;
	return m->graph->failed;
}

thaw_status thaw_onnx_tensor_input(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k,
				   struct thaw_onnx_value *v)
{
	struct thaw_onnx_value *from = NULL;
	THAW_TRY(thaw_onnx_value_input(m, n, k, &from));
	*v = *from;
	return thaw_onnx_as_tensor(m, n, v);
}

thaw_status thaw_onnx_value_output(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k,
				   const struct thaw_onnx_value *v)
{
	THAW_TRY(m->graph->failed);
	if ((size_t)k >= n->n_output || !n->output[k][0])
		return THAW_OK; /* unused */
	struct thaw_onnx_value *to = thaw_onnx_value_find(m, n->output[k]);
	if (to->defined)
		return thaw_onnx_fail_node(n, "output %s is already defined", n->output[k]);
	const struct thaw_onnx_value old = *to;
	*to = *v;
	to->name = old.name;
	to->read = old.read;
	to->producer = old.producer;
	to->params = old.params;
	to->defined = true;
	return THAW_OK;
}

thaw_status thaw_onnx_output_like(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int node,
				  const struct thaw_onnx_value *v)
{
	struct thaw_onnx_value y = *v;
	y.node = node;
	return thaw_onnx_value_output(m, n, 0, &y);
}

int thaw_onnx_add(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, const char *op,
		  const struct thaw_attrs *attrs, const int *inputs, int count)
{
	const char *base = n->name && n->name[0] ? n->name : n->n_output > 0 ? n->output[0] : n->op_type;
	bool moves = strcmp(op, "rearrange") == 0 || strcmp(op, "reshape") == 0 || strcmp(op, "constant") == 0;
	char *name = moves        ? thaw_format("%s%s:%s", m->path, base, op)
		     : m->added++ ? thaw_format("%s%s:%d", m->path, base, m->added)
				  : thaw_format("%s%s", m->path, base);
	int node = name ? thaw_graph_add(m->graph, op, name, attrs, inputs, count) : 0;
	if (!name && !m->graph->failed)
		m->graph->failed = THAW_RESOURCE;
	thaw_free(name);
	return node;
}

/* Whether the module names the parameter better than the file: exporters that name modules number the weights that they
 * have transposed, and store equal ones once. */
static bool is_numbered(const struct thaw_onnx_importer *m, const char *name, enum thaw_role role)
{
	return role != THAW_ROLE_FIXED && m->module[0] && (!strchr(name, '.') || thaw_onnx_param_exists(m, name));
}

thaw_status thaw_onnx_param(struct thaw_onnx_importer *m, int node, const char *name, enum thaw_role role,
			    const struct thaw_shape *shape, const float *data)
{
	THAW_TRY(m->graph->failed);
	char *own = NULL;
	char text[THAW_ONNX_MODULE + sizeof(".weight")];
	if (is_numbered(m, name, role)) {
		bool weight = role == THAW_ROLE_WEIGHT || role == THAW_ROLE_SCALE;
		snprintf(text, sizeof(text), "%s.%s", m->module, weight ? "weight" : "bias");
		name = text;
	}
	/* A weight that is used twice becomes two parameters, which train separately. */
	struct thaw_onnx_value *v = thaw_onnx_value_find(m, name);
	for (int use = v && v->params > 0 ? v->params + 1 : 2; thaw_onnx_param_exists(m, own ? own : name); use++) {
		thaw_free(own);
		if (!(own = thaw_format("%s#%d", name, use)))
			return THAW_RESOURCE;
	}
	if (v)
		v->params++;
	enum thaw_layout layout = role == THAW_ROLE_WEIGHT && shape->ndim == 4 ? THAW_LAYOUT_CONV : THAW_LAYOUT_SAME;
	thaw_graph_param(m->graph, node, own ? own : name, role, layout, shape, NULL);
	thaw_free(own);
	THAW_TRY(m->graph->failed);
	struct thaw_param *p = &m->graph->params[m->graph->param_count - 1];
	thaw_param_import(p, data);
	return thaw_onnx_param_added(m);
}

thaw_status thaw_onnx_alloc_elements(const Onnx__NodeProto *n, const struct thaw_shape *shape, float **data)
{
	THAW_TRY(thaw_shape_check(shape, n->op_type));
	if (thaw_shape_count(shape) > THAW_ONNX_MAX_ELEMENTS)
		return thaw_onnx_fail_node(n, "it needs a constant of %lld elements; at most %lld are supported",
					   (long long)thaw_shape_count(shape), (long long)THAW_ONNX_MAX_ELEMENTS);
	*data = thaw_alloc((size_t)thaw_shape_count(shape), sizeof(**data));
	return *data ? THAW_OK : THAW_RESOURCE;
}

thaw_status thaw_onnx_fixed_tensor(struct thaw_onnx_importer *m, const Onnx__NodeProto *n,
				   const struct thaw_shape *shape, const float *data, struct thaw_onnx_value *v)
{
	*v = (struct thaw_onnx_value){.defined = true, .node = thaw_onnx_add(m, n, "constant", NULL, NULL, 0)};
	THAW_TRY(m->graph->failed);
	thaw_onnx_axes_set(&v->axes, shape, 0);
	return thaw_onnx_param(m, v->node, m->graph->nodes[v->node].name, THAW_ROLE_FIXED, shape, data);
}

thaw_status thaw_onnx_node_shape(struct thaw_onnx_importer *m, int node, struct thaw_shape *shape)
{
	THAW_TRY(m->graph->failed);
	for (; m->shaped <= node; m->shaped++) {
		struct thaw_shape *shapes = thaw_grow(m->shapes, m->shaped, sizeof(*shapes));
		if (!shapes)
			return THAW_RESOURCE;
		m->shapes = shapes;
		if (m->shaped == 0)
			m->shapes[0] = m->image;
		else
			THAW_TRY(thaw_graph_infer_node(m->graph, m->shaped, m->shapes));
	}
	*shape = m->shapes[node];
	return THAW_OK;
}
