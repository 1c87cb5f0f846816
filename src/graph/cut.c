/* The cut: which parameters are trainable, and where the trunk ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "src/graph/graph_internal.h"

#define HEAD_AND_NORMS "head+norms"
#define NAMES_SIZE     700 /* bytes of a list of block names in a message; longer lists are cut */

static thaw_status unknown_block(const struct thaw_graph *g, const char *unfreeze)
{
	char names[NAMES_SIZE] = "";
	size_t used = 0;
	for (int i = 0; i < g->block_count && used < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? " " : "", g->blocks[i]);
	return thaw_fail(THAW_USAGE, "no such block: --unfreeze %s: the blocks are %s", unfreeze, names);
}

/* The first trainable block; block_count if there is none. */
static thaw_status first_block(const struct thaw_graph *g, const char *unfreeze, int *block)
{
	int head = g->nodes[g->head].block;
	if (strcmp(unfreeze, "head") == 0) {
		*block = head;
	} else if (strcmp(unfreeze, HEAD_AND_NORMS) == 0) {
		*block = head;
	} else if (strcmp(unfreeze, "all") == 0) {
		*block = 0;
	} else if (strcmp(unfreeze, "none") == 0) {
		*block = g->block_count;
	} else if (strncmp(unfreeze, "last:", 5) == 0) {
		char *end;
		long n = strtol(unfreeze + 5, &end, 10);
		if (end == unfreeze + 5 || *end || n < 0 || n > head)
			return thaw_fail(THAW_USAGE, "not a number of blocks: --unfreeze %s: give last:0 to last:%d",
					 unfreeze, head);
		*block = head - (int)n;
	} else if (strncmp(unfreeze, "from:", 5) == 0) {
		*block = thaw_graph_find_block(g, unfreeze + 5);
		if (*block < 0)
			return unknown_block(g, unfreeze);
	} else {
		return thaw_fail(
			THAW_USAGE,
			"not understood: --unfreeze %s: give head, head+norms, last:N, from:BLOCK, all or none",
			unfreeze);
	}
	return THAW_OK;
}

static bool is_statistic(const struct thaw_param *p)
{
	return p->role == THAW_ROLE_MEAN || p->role == THAW_ROLE_VARIANCE;
}

static bool is_of_norm(const struct thaw_param *p)
{
	return p->node >= 0 && (p->role == THAW_ROLE_SCALE || p->role == THAW_ROLE_SHIFT);
}

/* Scale and shift of the norms in the last block before the classifier that has any. */
static void unfreeze_last_norms(struct thaw_graph *g)
{
	int last = -1, head = g->nodes[g->head].block;
	for (int i = 0; i < g->param_count; i++) {
		const struct thaw_param *p = &g->params[i];
		if (is_of_norm(p) && g->nodes[p->node].block < head && g->nodes[p->node].block > last)
			last = g->nodes[p->node].block;
	}
	for (int i = 0; i < g->param_count; i++)
		if (is_of_norm(&g->params[i]) && g->nodes[g->params[i].node].block == last)
			g->params[i].trainable = true;
}

thaw_status thaw_graph_unfreeze(struct thaw_graph *g, const char *unfreeze)
{
	int first = 0;
	THAW_TRY(first_block(g, unfreeze, &first));
	for (int i = 0; i < g->param_count; i++) {
		struct thaw_param *p = &g->params[i];
		p->trainable = p->node >= 0 && g->nodes[p->node].block >= first && !is_statistic(p) &&
			       p->role != THAW_ROLE_FIXED;
	}
	if (strcmp(unfreeze, HEAD_AND_NORMS) == 0)
		unfreeze_last_norms(g);
	thaw_graph_batch_statistics(g, false);
	return THAW_OK;
}

/* Whether a node directly before the first trainable one is part of the tail: dropout, and a norm before an adapter,
 * since its input crosses the cut anyway, for the residual. */
static bool runs_in_tail(const struct thaw_graph *g, int node, bool adapter)
{
	const struct thaw_op *op = g->nodes[node].op;
	return op && (op->draws || (adapter && strcmp(op->name, "layer_norm") == 0));
}

int thaw_graph_cut(const struct thaw_graph *g)
{
	int cut = g->node_count;
	for (int i = 0; i < g->param_count; i++)
		if (g->params[i].trainable && g->params[i].node >= 0 && g->params[i].node < cut)
			cut = g->params[i].node;
	bool adapter = cut < g->node_count && g->params[g->nodes[cut].params[0]].role == THAW_ROLE_ADAPTER;
	while (cut < g->node_count && cut > 1 && runs_in_tail(g, cut - 1, adapter))
		cut--;
	return cut;
}

bool thaw_graph_frozen(const struct thaw_graph *g, int node)
{
	const struct thaw_node *n = &g->nodes[node];
	for (int k = 0; k < n->param_count; k++)
		if (g->params[n->params[k]].trainable)
			return false;
	return true;
}

int thaw_graph_crossing(const struct thaw_graph *g, int at, int *value)
{
	int count = 0;
	memset(value, 0, (size_t)at * sizeof(*value)); /* first marks */
	for (int i = at; i < g->node_count; i++)
		for (int k = 0; k < g->nodes[i].input_count; k++)
			if (g->nodes[i].inputs[k] < at)
				value[g->nodes[i].inputs[k]] = 1;
	if (g->output < at)
		value[g->output] = 1;
	for (int i = 0; i < at; i++)
		if (value[i] && !g->nodes[i].fixed)
			value[count++] = i;
	return count;
}

void thaw_graph_batch_statistics(struct thaw_graph *g, bool on)
{
	int cut = thaw_graph_cut(g);
	for (int i = 0; i < g->param_count; i++) {
		struct thaw_param *p = &g->params[i];
		if (!is_statistic(p) || p->node < 0)
			continue;
		p->trainable = on && p->node >= cut;
		g->nodes[p->node].attrs.batch_statistics = p->trainable;
	}
}
