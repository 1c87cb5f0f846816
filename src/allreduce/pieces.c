/* The pieces of ranks and nodes.
 *
 * A node's ranks have consecutive lanes, so what a node can sum by itself are complete subtrees too: the pieces of its
 * lanes, which are fewer than those of its ranks. A node here is a run of consecutive ranks that share memory. If all
 * ranks are on one node, or ranks were dealt to the nodes in turn, each rank counts as a node, and there is no exchange
 * within nodes. */
#include "src/allreduce/allreduce_internal.h"
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

static bool starts_node(const struct thaw_comm *comm, int rank)
{
	bool one_node = !comm->node_first || comm->node_first[comm->size - 1] == 0;
	return one_node || comm->node_first[rank] == rank;
}

static thaw_status find_nodes(struct thaw_allreduce *allreduce)
{
	const struct thaw_comm *comm = allreduce->comm;
	allreduce->node_first = thaw_alloc((size_t)comm->size + 1, sizeof(*allreduce->node_first));
	allreduce->node_of = thaw_alloc((size_t)comm->size, sizeof(*allreduce->node_of));
	if (!allreduce->node_first || !allreduce->node_of)
		return THAW_RESOURCE;
	for (int rank = 0; rank < comm->size; rank++) {
		if (starts_node(comm, rank))
			allreduce->node_first[allreduce->nodes++] = rank;
		allreduce->node_of[rank] = allreduce->nodes - 1;
	}
	allreduce->node_first[allreduce->nodes] = comm->size;
	allreduce->node = allreduce->node_of[comm->rank];
	return THAW_OK;
}

/* lane: [size + 1] memory */
static thaw_status find_pieces(struct thaw_allreduce *allreduce, int *lane)
{
	int lanes = allreduce->lanes, size = allreduce->comm->size, node = allreduce->node;
	for (int rank = 0; rank <= size; rank++)
		lane[rank] = thaw_lanes_first(lanes, size, rank);
	THAW_TRY(thaw_allreduce_find_pieces(&allreduce->of_ranks, lanes, size, lane));
	for (int i = 0; i <= allreduce->nodes; i++)
		lane[i] = thaw_lanes_first(lanes, size, allreduce->node_first[i]);
	THAW_TRY(thaw_allreduce_find_pieces(&allreduce->of_nodes, lanes, allreduce->nodes, lane));
	THAW_TRY(thaw_allreduce_find_additions(&allreduce->within, &allreduce->of_ranks, lanes, lane[node],
					       lane[node + 1]));
	return thaw_allreduce_find_additions(&allreduce->between, &allreduce->of_nodes, lanes, 0, lanes);
}

/* A sum is stored in its first piece, so a piece of the node is held by the piece of a rank with the same first lane.
 */
static thaw_status find_held(struct thaw_allreduce *allreduce)
{
	const struct pieces *ranks = &allreduce->of_ranks, *nodes = &allreduce->of_nodes;
	int first = nodes->first[allreduce->node], count = nodes->first[allreduce->node + 1] - first;
	allreduce->held = thaw_alloc((size_t)count, sizeof(*allreduce->held));
	if (!allreduce->held)
		return THAW_RESOURCE;
	for (int i = 0; i < count; i++)
		while (ranks->lane[allreduce->held[i]] != nodes->lane[first + i])
			allreduce->held[i]++;
	return THAW_OK;
}

static void count_rounds(struct thaw_allreduce *allreduce)
{
	/* All ranks must count alike, since rounds number the messages. */
	if (allreduce->nodes < allreduce->comm->size)
		allreduce->rounds_within = allreduce->of_ranks.rounds;
	allreduce->rounds = allreduce->rounds_within + allreduce->of_nodes.rounds;
}

thaw_status thaw_allreduce_create_pieces(struct thaw_allreduce *allreduce)
{
	THAW_TRY(find_nodes(allreduce));
	int *lane = thaw_alloc((size_t)allreduce->comm->size + 1, sizeof(*lane));
	thaw_status status = lane ? find_pieces(allreduce, lane) : THAW_RESOURCE;
	thaw_free(lane);
	THAW_TRY(status);
	THAW_TRY(find_held(allreduce));
	count_rounds(allreduce);
	int rank = allreduce->comm->rank;
	allreduce->holds_own_shard = thaw_allreduce_holder(allreduce, allreduce->node, rank) == rank;
	return THAW_OK;
}

void thaw_allreduce_release_pieces(struct thaw_allreduce *allreduce)
{
	thaw_free(allreduce->node_first);
	thaw_free(allreduce->node_of);
	thaw_free(allreduce->of_ranks.first);
	thaw_free(allreduce->of_ranks.lane);
	thaw_free(allreduce->of_nodes.first);
	thaw_free(allreduce->of_nodes.lane);
	thaw_free(allreduce->within.list);
	thaw_free(allreduce->between.list);
	thaw_free(allreduce->held);
}
