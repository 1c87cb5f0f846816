/* The precision of a graph's products. */
#include <string.h>

#include "thaw/graph.h"

static const char *const names[THAW_PRECISIONS] = {
	[THAW_PRECISION_FP32] = "fp32",
	[THAW_PRECISION_BF16] = "bf16",
};

const char *thaw_precision_name(enum thaw_precision precision)
{
	return names[precision];
}

enum thaw_precision thaw_precision_find(const char *name)
{
	int i = 0;
	while (i < THAW_PRECISIONS && strcmp(names[i], name) != 0)
		i++;
	return (enum thaw_precision)i;
}

void thaw_graph_set_precision(struct thaw_graph *g, enum thaw_precision precision)
{
	for (int i = 1; i < g->node_count; i++)
		if (g->nodes[i].op->rounds)
			g->nodes[i].attrs.precision = precision;
}
