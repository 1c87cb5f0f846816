/* Recognises operators that exporters spread over several nodes and merges each into one node. */
#include <string.h>

#include "src/graph/recognise/recognise.h"
#include "thaw/memory.h"

/* The order matters: later patterns match the results of earlier ones. */
static const thaw_pattern patterns[] = {
	thaw_recognise_layer_norm, thaw_recognise_scale, thaw_recognise_gelu, thaw_recognise_gated_activation,
	thaw_recognise_bias,       thaw_recognise_pad,   thaw_recognise_view, thaw_recognise_attention,
	thaw_recognise_heads,
};

/* dead[i]: the output does not depend on node i. */
static void find_dead(const struct thaw_graph *g, bool *dead)
{
	for (int i = 0; i < g->node_count; i++)
		dead[i] = i != 0 && i != g->output;
	for (int i = g->node_count - 1; i > 0; i--)
		for (int k = 0; !dead[i] && k < g->nodes[i].input_count; k++)
			dead[g->nodes[i].inputs[k]] = false;
}

/* Removes dead nodes; *node is the index of a node, updated. */
static void sweep(struct thaw_recogniser *r, int *node)
{
	struct thaw_graph *g = r->g;
	int kept = 0, moved = *node;
	bool *dead = thaw_alloc((size_t)g->node_count, sizeof(*dead));
	if (!dead) {
		g->failed = THAW_RESOURCE;
		return;
	}
	find_dead(g, dead);
	for (int i = 0; i < g->node_count; i++) {
		if (i == *node)
			moved = kept;
		if (!dead[i])
			r->shapes[kept++] = r->shapes[i];
	}
	thaw_graph_remove(g, dead);
	*r->counted = false;
	*node = moved;
	thaw_free(dead);
}

static bool recognise_all(struct thaw_recogniser *r)
{
	bool any = false;
	for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++)
		for (int i = 1; i < r->g->node_count && r->g->failed == THAW_OK; i++)
			if (patterns[p](r, i)) {
				any = true;
				sweep(r, &i);
			}
	return any && r->g->failed == THAW_OK;
}

thaw_status thaw_graph_recognise(struct thaw_graph *g, const struct thaw_shape *image)
{
	size_t count = (size_t)g->node_count;
	bool counted = false;
	struct thaw_recogniser r = {g, thaw_alloc(count, sizeof(*r.shapes)), thaw_alloc(count, sizeof(*r.uses)),
				    &counted};
	thaw_status status = r.shapes && r.uses ? thaw_graph_infer(g, image, r.shapes) : THAW_RESOURCE;
	int first = 0;
	if (status == THAW_OK)
		sweep(&r, &first);
	while (status == THAW_OK && recognise_all(&r)) {
	}
	thaw_free(r.shapes);
	thaw_free(r.uses);
	return status == THAW_OK ? g->failed : status;
}
