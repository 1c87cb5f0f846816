/* Recomputation (activation checkpointing: Chen et al., 2016): of some blocks of the tail, only the values that other
 * blocks read are kept for the backward pass. The others are computed again, in the same order and by the same
 * operators, directly before the backward pass of the block, and have the same bits. */
#include "src/graph/compiler.h"

/* The first node of the run of nodes of one block that ends with `last`. */
static int first_of_block(const struct thaw_compiler *c, int last)
{
	int first = last;
	while (first - 1 >= c->executor->cut && c->graph->nodes[first - 1].block == c->graph->nodes[last].block)
		first--;
	return first;
}

/* Whether the value of a node of the block that ends with `last` is computed again, not kept. */
static bool runs_again(const struct thaw_compiler *c, int node, int last)
{
	const struct thaw_node *n = &c->graph->nodes[node];
	if (!c->executor->p.steps[node].runs || n->fixed || n->op->parameter || node == c->graph->output)
		return false;
	for (int i = last + 1; i < c->nodes; i++)
		for (int k = 0; k < c->graph->nodes[i].input_count; k++)
			if (c->graph->nodes[i].inputs[k] == node)
				return false;
	return true;
}

void thaw_compiler_plan_steps(struct thaw_compiler *c)
{
	const struct thaw_graph *g = c->graph;
	int at = c->nodes + 1, first;
	int begin = c->executor->cut < c->nodes ? g->nodes[c->executor->cut].block : g->block_count;
	for (int last = c->nodes - 1; last >= 0; last = first - 1) {
		int block = g->nodes[last].block;
		/* The last block runs backward at once: there is nothing to gain. */
		bool again = last > 0 && in_tail(c, last) && block < begin + g->recomputed &&
			     block < g->nodes[g->output].block;
		first = again ? first_of_block(c, last) : last;
		for (int i = first; again && i <= last; i++)
			if (runs_again(c, i, last))
				c->again[i] = at++;
		if (again)
			c->executor->p.steps[last].first = first;
		for (int i = last; i >= first; i--)
			c->backward[i] = at++;
	}
	c->end = at;
}
