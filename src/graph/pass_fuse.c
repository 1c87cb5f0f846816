/* Fusing: the operator before an activation or a residual add performs it, while the data are in the cache. */
#include <string.h>

#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

static bool is(const struct thaw_node *n, const char *op)
{
	return n->op && strcmp(n->op->name, op) == 0;
}

static bool only_use(const struct thaw_graph *g, int value)
{
	int last;
	return thaw_graph_uses(g, value, &last) == 1;
}

/* Moves an activation into the operator before it. */
static bool fuse_activation(struct thaw_graph *g, int i)
{
	struct thaw_node *n = &g->nodes[i];
	if (!is(n, "activation"))
		return false;
	struct thaw_node *before = &g->nodes[n->inputs[0]];
	if (!before->op || !before->op->activates || before->attrs.activation != THAW_ACT_NONE ||
	    !only_use(g, n->inputs[0]))
		return false;
	before->attrs.activation = n->attrs.activation;
	return true;
}

/* Moves add(x, shortcut) into x if x supports it, has no activation and follows the shortcut. On success the first
 * input of the add is x. */
static bool fuse_add(struct thaw_graph *g, int i)
{
	struct thaw_node *n = &g->nodes[i];
	if (!is(n, "add"))
		return false;
	int later = n->inputs[0] > n->inputs[1] ? 0 : 1;
	int value = n->inputs[later], shortcut = n->inputs[!later];
	struct thaw_node *before = &g->nodes[value];
	if (value == shortcut || !before->op || !before->op->adds || before->input_count != 1 ||
	    before->attrs.activation != THAW_ACT_NONE || !only_use(g, value))
		return false;
	int *inputs = thaw_alloc(2, sizeof(*inputs));
	if (!inputs)
		return false; /* not an error: the add remains a node */
	inputs[0] = before->inputs[0];
	inputs[1] = shortcut;
	thaw_free(before->inputs);
	before->inputs = inputs;
	before->input_count = 2;
	before->attrs.activation = n->attrs.activation;
	n->inputs[0] = value;
	return true;
}

thaw_status thaw_pass_fuse(struct thaw_graph *g)
{
	bool *dead = thaw_alloc((size_t)g->node_count, sizeof(*dead));
	if (!dead)
		return THAW_RESOURCE;
	/* Activations first, so that adds take their activation with them. */
	for (int i = 1; i < g->node_count; i++)
		dead[i] = fuse_activation(g, i);
	thaw_graph_remove(g, dead);
	for (int i = 1; i < g->node_count && g->failed == THAW_OK; i++)
		dead[i] = fuse_add(g, i);
	thaw_graph_remove(g, dead);
	thaw_free(dead);
	return g->failed;
}
