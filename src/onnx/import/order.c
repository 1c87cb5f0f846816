/* Order of a model's nodes. The format asks for nodes after the nodes that make their inputs, but not all tools keep
 * this order. A sorted model keeps its order. */
#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

/* Depth-first search with its own stack: the depth is not bounded. */
struct sort {
	struct thaw_onnx_importer *m;
	Onnx__NodeProto **from;
	char *state; /* of each node in the file */
	int *stack, depth;
	size_t *next; /* the next input of each node */
};

enum { NEW, OPEN, DONE };

/* Sets the producers, as indices in the file, and marks the values that are read. */
static void link_values(struct thaw_onnx_importer *m)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	struct thaw_onnx_value *v;
	for (int i = 0; i < m->value_count; i++)
		m->values[i].producer = -1;
	for (int i = 0; i < m->node_count; i++) {
		for (size_t k = 0; k < g->node[i]->n_output; k++)
			if ((v = thaw_onnx_value_find(m, g->node[i]->output[k])) && v->producer < 0)
				v->producer = i;
		for (size_t k = 0; k < g->node[i]->n_input; k++)
			if ((v = thaw_onnx_value_find(m, g->node[i]->input[k])))
				v->read = true;
	}
}

/* Emits the nodes that the node on the stack's bottom needs, then the node. */
static thaw_status visit(struct sort *s, int *position)
{
	while (s->depth > 0) {
		int at = s->stack[s->depth - 1];
		const Onnx__NodeProto *n = s->from[at];
		if (s->next[at] == n->n_input) {
			s->state[at] = DONE;
			position[at] = s->m->node_count;
			s->m->nodes[s->m->node_count++] = s->from[at];
			s->depth--;
			continue;
		}
		const struct thaw_onnx_value *v = thaw_onnx_value_find(s->m, n->input[s->next[at]++]);
		if (!v || v->producer < 0 || s->state[v->producer] == DONE)
			continue;
		if (s->state[v->producer] == OPEN)
			return thaw_fail_in(
				thaw_onnx_fail_node(n, "the nodes form a cycle through its input %s", v->name),
				"damaged ONNX model: %s", s->m->file->path);
		s->state[v->producer] = OPEN;
		s->stack[s->depth++] = v->producer;
	}
	return THAW_OK;
}

static thaw_status sort_nodes(struct sort *s, int count, int *position)
{
	struct thaw_onnx_importer *m = s->m;
	m->node_count = 0;
	for (int i = 0; i < count; i++) {
		if (s->state[i] != NEW)
			continue;
		s->state[i] = OPEN;
		s->stack[s->depth++] = i;
		THAW_TRY(visit(s, position));
	}
	for (int i = 0; i < m->value_count; i++)
		if (m->values[i].producer >= 0)
			m->values[i].producer = position[m->values[i].producer];
	return THAW_OK;
}

thaw_status thaw_onnx_sort_nodes(struct thaw_onnx_importer *m)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	const size_t count = g->n_node;
	m->node_count = (int)count;
	m->nodes = thaw_alloc(count, sizeof(*m->nodes));
	int *position = thaw_alloc(count, sizeof(*position));
	struct sort s = {
		.m = m,
		.from = g->node,
		.state = thaw_alloc(count, sizeof(*s.state)),
		.stack = thaw_alloc(count, sizeof(*s.stack)),
		.next = thaw_alloc(count, sizeof(*s.next)),
	};
	thaw_status status = THAW_RESOURCE;
	if (m->nodes && position && s.state && s.stack && s.next) {
		link_values(m);
		status = sort_nodes(&s, (int)count, position);
	}
	thaw_free(position);
	thaw_free(s.state);
	thaw_free(s.stack);
	thaw_free(s.next);
	return status;
}
