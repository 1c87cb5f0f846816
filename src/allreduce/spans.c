/* Spans and where received pieces are stored. A span is the shards of consecutive ranks. A rank sums its span over its
 * node's ranks and sends the sum, in shards, to those ranks; the spans of a node's ranks divide the bucket. */
#include "src/allreduce/allreduce_internal.h"

int thaw_allreduce_span_first(const struct thaw_allreduce *allreduce, int rank, int node)
{
	int first = allreduce->node_first[node];
	return thaw_lanes_first(allreduce->comm->size, allreduce->node_first[node + 1] - first, rank - first);
}

int thaw_allreduce_span_end(const struct thaw_allreduce *allreduce, int rank)
{
	return thaw_allreduce_span_first(allreduce, rank + 1, allreduce->node_of[rank]);
}

int64_t thaw_allreduce_span_count(const struct thaw_allreduce *allreduce, const struct bucket *b, int rank)
{
	int last = thaw_allreduce_span_end(allreduce, rank) - 1;
	return b->offset[last] + b->count[last] -
	       b->offset[thaw_allreduce_span_first(allreduce, rank, allreduce->node_of[rank])];
}

int64_t thaw_allreduce_span_offset(const struct thaw_allreduce *allreduce, const struct bucket *b, int rank)
{
	return b->offset[thaw_allreduce_span_first(allreduce, rank, allreduce->node_of[rank])];
}

int thaw_allreduce_holder(const struct thaw_allreduce *allreduce, int node, int rank)
{
	int r = allreduce->node_first[node];
	while (thaw_allreduce_span_end(allreduce, r) <= rank)
		r++;
	return r;
}

int thaw_allreduce_pieces_within(const struct thaw_allreduce *allreduce)
{
	int rank = allreduce->comm->rank;
	const int *first = allreduce->of_ranks.first, *node = &allreduce->node_first[allreduce->node];
	return first[node[1]] - first[node[0]] - (first[rank + 1] - first[rank]);
}

int thaw_allreduce_pieces_between(const struct thaw_allreduce *allreduce)
{
	const int *first = &allreduce->of_nodes.first[allreduce->node];
	return allreduce->of_nodes.count - (allreduce->holds_own_shard ? first[1] - first[0] : 0);
}

float *thaw_allreduce_span_of(const struct thaw_allreduce *allreduce, const struct bucket *b, int piece)
{
	const int *of_ranks = allreduce->of_ranks.first;
	int rank = allreduce->comm->rank, first = of_ranks[rank], end = of_ranks[rank + 1];
	if (piece >= first && piece < end)
		return allreduce->vectors[piece - first] + thaw_allreduce_span_offset(allreduce, b, rank);
	int index = piece - of_ranks[allreduce->node_first[allreduce->node]];
	return b->received + (piece < first ? index : index - (end - first)) * b->span;
}

float *thaw_allreduce_shard_of(const struct thaw_allreduce *allreduce, const struct bucket *b, int piece)
{
	int rank = allreduce->comm->rank;
	int first = allreduce->of_nodes.first[allreduce->node], end = allreduce->of_nodes.first[allreduce->node + 1];
	bool own = allreduce->holds_own_shard;
	if (own && piece >= first && piece < end)
		return thaw_allreduce_span_of(allreduce, b, allreduce->held[piece - first]) + b->offset[rank] -
		       thaw_allreduce_span_offset(allreduce, b, rank);
	return b->received + thaw_allreduce_pieces_within(allreduce) * b->span +
	       (own && piece >= end ? piece - (end - first) : piece) * b->stride;
}
