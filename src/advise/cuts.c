#include "src/advise/cuts.h"

#include <math.h>
#include <stdio.h>

#include "src/base/try.h"
#include "thaw/memory.h"

/* Besides the classifier alone, the usual choices: a quarter of the FLOPs, half of them, everything. */
static const double wanted_shares[] = {0.25, 0.5, 1.0};

static int first_node(const struct thaw_graph *g, int block)
{
	for (int i = 1; i < g->node_count; i++)
		if (g->nodes[i].block >= block)
			return i;
	return g->node_count;
}

static double share_from(const struct thaw_graph *g, const struct thaw_shape *shapes, int node)
{
	double all = (double)thaw_graph_flops(g, shapes, 1, g->node_count);
	return all > 0.0 ? (double)thaw_graph_flops(g, shapes, node, g->node_count) / all : 1.0;
}

static thaw_status add_cut(struct thaw_graph *g, const struct thaw_shape *shapes, int block, struct thaw_cut *cut)
{
	int head = g->nodes[g->head].block;
	if (block == head)
		snprintf(cut->unfreeze, sizeof(cut->unfreeze), "head");
	else if (block == 0)
		snprintf(cut->unfreeze, sizeof(cut->unfreeze), "all");
	else if (snprintf(cut->unfreeze, sizeof(cut->unfreeze), "from:%s", g->blocks[block]) >=
		 (int)sizeof(cut->unfreeze))
		snprintf(cut->unfreeze, sizeof(cut->unfreeze), "last:%d", head - block);
	cut->block = g->blocks[block];
	THAW_TRY(thaw_graph_unfreeze(g, cut->unfreeze));
	cut->node = thaw_graph_cut(g);
	cut->share = share_from(g, shapes, cut->node);
	return THAW_OK;
}

/* The block whose share of the FLOPs is nearest to the one wanted. */
static int nearest_block(const struct thaw_graph *g, const struct thaw_shape *shapes, double wanted)
{
	int best = 0;
	double least = INFINITY;
	for (int block = g->nodes[g->head].block - 1; block >= 0; block--) {
		double distance = fabs(share_from(g, shapes, first_node(g, block)) - wanted);
		if (distance < least) {
			least = distance;
			best = block;
		}
	}
	return best;
}

static thaw_status choose(struct thaw_graph *g, const struct thaw_shape *shapes, struct thaw_cut *cut, int *count)
{
	int last = g->nodes[g->head].block;
	int n = 0;
	THAW_TRY(add_cut(g, shapes, last, &cut[n++]));
	for (size_t i = 0; i < sizeof(wanted_shares) / sizeof(*wanted_shares); i++) {
		int block = nearest_block(g, shapes, wanted_shares[i]);
		if (wanted_shares[i] == 1.0)
			block = 0;
		if (block >= last)
			continue;
		THAW_TRY(add_cut(g, shapes, block, &cut[n]));
		if (cut[n].node < cut[n - 1].node)
			n++;
		else if (block == 0 && n > 1) /* same cut: the first blocks have no parameters */
			cut[n - 1] = cut[n];
		last = block;
	}
	*count = n;
	return thaw_graph_unfreeze(g, "none");
}

thaw_status thaw_cuts_choose(struct thaw_graph *g, struct thaw_size size, struct thaw_cut *cut, int *count)
{
	struct thaw_shape image = thaw_shape_of(1, size.height, size.width, 3);
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	if (!shapes)
		return THAW_RESOURCE;
	thaw_status status = thaw_graph_infer(g, &image, shapes);
	if (status == THAW_OK)
		status = choose(g, shapes, cut, count);
	thaw_free(shapes);
	return status;
}
