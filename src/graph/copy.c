/* Copying and rewriting graphs. */
#include <string.h>

#include "src/base/grow.h"
#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

/* A copy of an array with room up to the next power of two, as thaw_grow expects. */
static void *copy_array(const void *from, int count, size_t size)
{
	int room = 1;
	while (room < count)
		room *= 2;
	void *to = thaw_alloc((size_t)room, size);
	if (to && count)
		memcpy(to, from, (size_t)count * size);
	return to;
}

static bool copy_nodes(struct thaw_graph *to, const struct thaw_graph *from)
{
	to->nodes = copy_array(from->nodes, from->node_count, sizeof(*to->nodes));
	if (!to->nodes)
		return false;
	for (int i = 0; i < from->node_count; i++) { /* not owned by the copy yet: destroy must not free them */
		to->nodes[i].name = NULL;
		to->nodes[i].inputs = NULL;
	}
	to->node_count = from->node_count;
	for (int i = 0; i < from->node_count; i++) {
		const struct thaw_node *n = &from->nodes[i];
		to->nodes[i].name = thaw_strdup(n->name);
		to->nodes[i].inputs = thaw_alloc((size_t)n->input_count, sizeof(*n->inputs));
		if (!to->nodes[i].name || !to->nodes[i].inputs)
			return false;
		if (n->input_count)
			memcpy(to->nodes[i].inputs, n->inputs, (size_t)n->input_count * sizeof(*n->inputs));
	}
	return true;
}

static bool copy_params(struct thaw_graph *to, const struct thaw_graph *from)
{
	to->params = copy_array(from->params, from->param_count, sizeof(*to->params));
	if (!to->params)
		return false;
	for (int i = 0; i < from->param_count; i++)
		to->params[i].own = NULL, to->params[i].name = NULL;
	to->param_count = from->param_count;
	for (int i = 0; i < from->param_count; i++)
		if (!(to->params[i].name = thaw_strdup(from->params[i].name)))
			return false;
	return true;
}

static bool copy_blocks(struct thaw_graph *to, const struct thaw_graph *from)
{
	to->blocks = copy_array(from->blocks, 0, sizeof(*to->blocks));
	for (int i = 0; to->blocks && i < from->block_count; i++) {
		char **blocks = thaw_grow(to->blocks, i, sizeof(*blocks));
		char *name = thaw_strdup(from->blocks[i]);
		if (blocks)
			to->blocks = blocks;
		if (!blocks || !name) {
			thaw_free(name);
			return false;
		}
		to->blocks[to->block_count++] = name;
	}
	return to->blocks != NULL;
}

struct thaw_graph *thaw_graph_copy(const struct thaw_graph *g)
{
	struct thaw_graph *copy = thaw_alloc(1, sizeof(*copy));
	if (!copy)
		return NULL;
	copy->output = g->output;
	copy->head = g->head;
	copy->precision = g->precision;
	copy->recomputed = g->recomputed;
	if (!copy_nodes(copy, g) || !copy_params(copy, g) || !copy_blocks(copy, g)) {
		thaw_graph_destroy(copy);
		return NULL;
	}
	return copy;
}

int *thaw_graph_count_uses(const struct thaw_graph *g)
{
	int *uses = thaw_alloc((size_t)g->node_count, sizeof(*uses));
	if (!uses)
		return NULL;
	for (int i = 0; i < g->node_count; i++)
		for (int k = 0; k < g->nodes[i].input_count; k++)
			uses[g->nodes[i].inputs[k]]++;
	uses[g->output]++;
	return uses;
}

void thaw_graph_remove(struct thaw_graph *g, bool *dead)
{
	int kept = 0;
	/* New index of value i; inputs have smaller indices, so theirs are known when a node is reached. */
	int *moved = thaw_alloc((size_t)g->node_count, sizeof(*moved));
	if (!moved) {
		g->failed = THAW_RESOURCE;
		return;
	}
	for (int i = 0; i < g->node_count; i++) {
		struct thaw_node *n = &g->nodes[i];
		for (int k = 0; k < n->input_count; k++)
			n->inputs[k] = moved[n->inputs[k]];
		if (dead[i]) {
			moved[i] = n->input_count ? n->inputs[0] : 0;
			for (int k = 0; k < n->param_count; k++)
				g->params[n->params[k]].node = -1;
			thaw_free(n->name);
			thaw_free(n->inputs);
			dead[i] = false;
			continue;
		}
		for (int k = 0; k < n->param_count; k++)
			g->params[n->params[k]].node = kept;
		moved[i] = kept;
		g->nodes[kept++] = *n;
	}
	g->output = moved[g->output];
	g->head = moved[g->head];
	g->node_count = kept;
	/* The array keeps its memory: at least what thaw_grow assumes for the smaller count. */
	thaw_free(moved);
}
