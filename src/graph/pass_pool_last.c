/* Moves the mean of the features behind the classifier. Both are linear, so the mean of the scores at all positions is
 * the score of the mean. */
#include "src/graph/ending.h"
#include "thaw/memory.h"

/* Whether the node maps the mean of vectors to the mean of what it maps them to. Dropout does nothing in inference. */
static bool is_affine(const struct thaw_graph *g, const struct thaw_node *n)
{
	bool scales = thaw_node_is(n, "pointwise") && n->attrs.function == THAW_FN_AFFINE;
	enum thaw_binary f = thaw_node_is(n, "add") ? THAW_BINARY_ADD : n->attrs.binary;
	if (thaw_node_row(g, n) >= 0)
		return n->attrs.activation == THAW_ACT_NONE &&
		       (f == THAW_BINARY_ADD || f == THAW_BINARY_SUB || f == THAW_BINARY_MUL);
	bool maps = thaw_node_is(n, "linear") || thaw_node_is(n, "conv") || thaw_node_is(n, "batch_norm");
	return scales || thaw_node_is(n, "dropout") || thaw_node_is_view(n) ||
	       (maps && n->attrs.activation == THAW_ACT_NONE);
}

static thaw_status check(const struct thaw_ending *e, const struct thaw_graph *g)
{
	const struct thaw_node *n = &g->nodes[e->kind == THAW_ENDING_OTHER ? e->stopped : e->node[0]];
	if (e->kind == THAW_ENDING_OTHER)
		return thaw_fail(
			THAW_CONFIG,
			"node %s (%s): only networks that average a grid of features have a grid of class scores",
			n->name, n->op ? n->op->name : "image");
	if (e->kind != THAW_ENDING_POOLED)
		return thaw_fail(THAW_CONFIG,
				 "node %s (%s): a fully connected layer reads all positions at once: give --fully-conv "
				 "and a --size larger than the network's own",
				 n->name, n->op->name);
	for (int i = 1; i < e->count; i++)
		if (!is_affine(g, &g->nodes[e->node[i]]))
			return thaw_fail(
				THAW_CONFIG,
				"node %s (%s): it is between the mean of the features and the classifier, and not "
				"linear",
				g->nodes[e->node[i]].name, g->nodes[e->node[i]].op->name);
	return THAW_OK;
}

thaw_status thaw_graph_pool_last(struct thaw_graph *g, const struct thaw_shape *image)
{
	struct thaw_grid grid;
	struct thaw_ending e;
	if (thaw_graph_find_grid(g, &grid))
		return THAW_OK;
	bool *dead = thaw_alloc((size_t)g->node_count, sizeof(*dead));
	thaw_status status = thaw_ending_find(&e, g, image);
	if (status == THAW_OK)
		status = dead ? check(&e, g) : THAW_RESOURCE;
	if (status == THAW_OK) {
		dead[e.node[0]] = true;
		status = thaw_ending_as_grid(&e, g, dead);
	}
	thaw_ending_release(&e);
	thaw_free(dead);
	return status;
}
