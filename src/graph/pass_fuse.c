/* Fusing: the operator before an activation or a residual add performs it, while the data are in the cache. */
#include <string.h>

#include "src/base/try.h"
#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

static bool is(const struct thaw_node *n, const char *op)
{
	return n->op && strcmp(n->op->name, op) == 0;
}

/* Moves an activation into the operator before it. */
static bool fuse_activation(struct thaw_graph *g, int i, const int *uses)
{
	struct thaw_node *n = &g->nodes[i];
	if (!is(n, "activation"))
		return false;
	struct thaw_node *before = &g->nodes[n->inputs[0]];
	if (!before->op || !before->op->activates || before->attrs.activation != THAW_ACT_NONE ||
	    uses[n->inputs[0]] != 1)
		return false;
	before->attrs.activation = n->attrs.activation;
	return true;
}

/* Moves add(x, shortcut) into x if x supports it, has no activation and follows the shortcut. On success the first
 * input of the add is x. */
static bool fuse_add(struct thaw_graph *g, int i, int *uses)
{
	struct thaw_node *n = &g->nodes[i];
	if (!is(n, "add"))
		return false;
	int later = n->inputs[0] > n->inputs[1] ? 0 : 1;
	int value = n->inputs[later], shortcut = n->inputs[!later];
	struct thaw_node *before = &g->nodes[value];
	if (value == shortcut || !before->op || !before->op->adds || before->input_count != 1 ||
	    before->attrs.activation != THAW_ACT_NONE || uses[value] != 1)
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
	uses[shortcut]++;
	uses[n->inputs[0]]--;
	uses[value]++;
	n->inputs[0] = value;
	return true;
}

/* Fuses the nodes of one kind and removes them. */
static thaw_status fuse_nodes(struct thaw_graph *g, bool adds)
{
	bool *dead = thaw_alloc((size_t)g->node_count, sizeof(*dead));
	int *uses = thaw_graph_count_uses(g);
	thaw_status status = dead && uses ? THAW_OK : THAW_RESOURCE;
	for (int i = 1; i < g->node_count && status == THAW_OK; i++)
		dead[i] = adds ? fuse_add(g, i, uses) : fuse_activation(g, i, uses);
	if (status == THAW_OK) {
		thaw_graph_remove(g, dead);
		status = g->failed;
	}
	thaw_free(uses);
	thaw_free(dead);
	return status;
}

thaw_status thaw_pass_fuse(struct thaw_graph *g)
{
	/* Activations first, so that adds take their activation with them. */
	THAW_TRY(fuse_nodes(g, false));
	return fuse_nodes(g, true);
}
