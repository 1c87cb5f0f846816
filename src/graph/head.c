/* Finds the classifier of a graph whose builder did not know it, such as an imported one. */
#include <string.h>

#include "thaw/graph.h"

/* Operators that may follow the classifier. */
static bool may_follow_head(const struct thaw_node *n)
{
	static const char *const names[] = {"activation", "average_pool", "dropout", "flatten", "pointwise",
					    "rearrange",  "reduce",       "reshape", "softmax", NULL};
	for (int i = 0; names[i]; i++)
		if (strcmp(n->op->name, names[i]) == 0)
			return true;
	return false;
}

thaw_status thaw_graph_find_head(struct thaw_graph *g)
{
	int node = g->output;
	while (node > 0 && may_follow_head(&g->nodes[node]))
		node = g->nodes[node].inputs[0];
	const struct thaw_node *n = &g->nodes[node];
	bool linear = n->op && strcmp(n->op->name, "linear") == 0;
	bool conv = n->op && strcmp(n->op->name, "conv") == 0 && n->attrs.groups <= 1;
	if (!linear && !conv)
		return thaw_fail(THAW_CONFIG,
				 "the network does not end in a classifier: node %s (%s): a linear layer or a "
				 "convolution is needed",
				 n->name, n->op ? n->op->name : "image");
	g->head = node;
	return THAW_OK;
}
