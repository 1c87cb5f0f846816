/* The all-reduce over lanes, which adds in the same order for every rank count.
 *
 * Pieces. Each rank sums its lanes into complete subtrees of the tree over lanes, its pieces (tree.c).
 *
 * The exchange. A bucket is a range of the vectors, divided into one shard per rank. Each rank of a node receives the
 * pieces of the node's other ranks for 1/p of the bucket (p ranks per node) and sums them into the node's pieces
 * (pieces.c). Rank r then receives its shard of the pieces of all nodes, does the remaining additions of the tree, and
 * updates its shard of the values with the total; the updated shards are gathered (bucket.c). Each node sends and
 * receives over the network as much as in a bandwidth-optimal all-reduce, and each rank does 1/R of the update. A node
 * with several pieces sends them one after the other. If rank count, lane count and ranks per node are powers of two,
 * every node has one piece.
 *
 * Overlap with the backward pass. Only the rank's last lane completes its subtrees, so buckets start while the
 * gradients of that lane become final, from the end of the vector to its start. All ranks number buckets alike and
 * messages carry the number, so ranks may reach a bucket at different times. MPI moves data only within its own calls,
 * and every thaw_allreduce_ready makes some. Values change meanwhile, but only those that no backward pass needs any
 * more: the total of a shard is known only after that shard is final on all ranks. */
#include "src/allreduce/allreduce_internal.h"
#include "src/base/try.h"
#include "thaw/memory.h"

static thaw_status check_sizes(const struct thaw_sharding *s, int64_t slots)
{
	const int64_t most = INT64_MAX / (int64_t)sizeof(float) / 4;
	if (s->length >= 0 && s->length <= most && slots >= 0 && slots <= most && s->bucket >= 1)
		return THAW_OK;
	return thaw_fail(THAW_SOFTWARE, "invalid all-reduce: %lld values, %lld slots, buckets of %lld",
			 (long long)s->length, (long long)slots, (long long)s->bucket);
}

/* Allocates before the first collective call: a failure within a step would leave the other ranks blocked in it. */
static thaw_status alloc_vectors(struct thaw_allreduce *allreduce)
{
	allreduce->depth = thaw_allreduce_depth(allreduce->first, allreduce->end, allreduce->lanes);
	allreduce->vectors = thaw_alloc((size_t)allreduce->depth, sizeof(*allreduce->vectors));
	if (!allreduce->vectors)
		return THAW_RESOURCE;
	for (int i = 0; i < allreduce->depth; i++)
		if (!(allreduce->vectors[i] = thaw_alloc((size_t)allreduce->n, sizeof(float))))
			return THAW_RESOURCE;
	return THAW_OK;
}

thaw_status thaw_allreduce_create(struct thaw_allreduce **allreduce, struct thaw_comm *comm, int lanes,
				  const struct thaw_sharding *shards, int64_t slots,
				  const struct thaw_allreduce_update *update)
{
	if (comm->size > lanes)
		return thaw_fail(THAW_CONFIG,
				 "more ranks than lanes: --lanes %d with %d ranks: start at most %d ranks or a new run "
				 "with more lanes",
				 lanes, comm->size, lanes);
	THAW_TRY(check_sizes(shards, slots));
	struct thaw_allreduce *made = thaw_alloc(1, sizeof(*made));
	if (!made)
		return THAW_RESOURCE;
	made->comm = comm;
	made->lanes = lanes;
	made->shards = *shards;
	made->update = *update;
	made->n = made->final_from = shards->length + slots;
	made->first = made->next = thaw_lanes_first(lanes, comm->size, comm->rank);
	made->end = thaw_lanes_first(lanes, comm->size, comm->rank + 1);
	thaw_status status = alloc_vectors(made);
	if (status == THAW_OK)
		status = thaw_allreduce_create_pieces(made);
	if (status == THAW_OK)
		status = thaw_allreduce_create_buckets(made);
	if (status == THAW_OK)
		*allreduce = made;
	else
		thaw_allreduce_destroy(made);
	return status;
}

void thaw_allreduce_destroy(struct thaw_allreduce *allreduce)
{
	if (!allreduce)
		return;
	/* Messages of an unfinished exchange may still arrive: do not free the memory that they are written to. */
	bool unfinished = allreduce->done < allreduce->started;
	for (int i = 0; allreduce->vectors && i < allreduce->depth && !unfinished; i++)
		thaw_free(allreduce->vectors[i]);
	if (!unfinished) {
		thaw_free(allreduce->received);
		thaw_free(allreduce->tables);
	}
	thaw_free(allreduce->vectors);
	thaw_free(allreduce->buckets);
	thaw_allreduce_release_pieces(allreduce);
	thaw_free(allreduce);
}

size_t thaw_allreduce_bytes(const struct thaw_allreduce *allreduce)
{
	return (size_t)allreduce->depth * (size_t)allreduce->n * sizeof(float);
}

float *thaw_allreduce_next(struct thaw_allreduce *allreduce)
{
	if (allreduce->next == allreduce->end) {
		thaw_fail(THAW_SOFTWARE, "thaw_allreduce_next: called more often than the rank has lanes (%d)",
			  allreduce->end - allreduce->first);
		return NULL;
	}
	allreduce->filling = true;
	return allreduce->vectors[allreduce->stacked];
}

/* Adds [from, to) of the vector on top of the stack to the subtrees that its lane completes. */
static void complete(struct thaw_allreduce *allreduce, int64_t from, int64_t to)
{
	int merges = thaw_allreduce_completed_by(allreduce->next, allreduce->first, allreduce->lanes);
	for (int top = allreduce->stacked; top > allreduce->stacked - merges; top--)
		thaw_allreduce_add(allreduce->vectors[top - 1] + from, allreduce->vectors[top] + from, to - from);
}

void thaw_allreduce_ready(struct thaw_allreduce *allreduce, int64_t from)
{
	if (!allreduce->filling || allreduce->next != allreduce->end - 1)
		return;
	if (from < allreduce->final_from) {
		complete(allreduce, from, allreduce->final_from);
		allreduce->final_from = from;
	}
	while (allreduce->ready < allreduce->bucket_count && allreduce->buckets[allreduce->ready].start >= from)
		allreduce->ready++;
	if (allreduce->failed == THAW_OK)
		allreduce->failed = thaw_allreduce_advance(allreduce);
}

void thaw_allreduce_push(struct thaw_allreduce *allreduce)
{
	if (!allreduce->filling)
		return;
	if (allreduce->next == allreduce->end - 1)
		thaw_allreduce_ready(allreduce, 0);
	else
		complete(allreduce, 0, allreduce->n);
	allreduce->filling = false;
	allreduce->stacked += 1 - thaw_allreduce_completed_by(allreduce->next, allreduce->first, allreduce->lanes);
	allreduce->next++;
}

thaw_status thaw_allreduce_finish(struct thaw_allreduce *allreduce, const float **slots)
{
	if (allreduce->next != allreduce->end || allreduce->filling)
		return thaw_fail(THAW_SOFTWARE, "thaw_allreduce_finish: called after %d of %d lanes",
				 allreduce->next - allreduce->first, allreduce->end - allreduce->first);
	THAW_TRY(allreduce->failed);
	for (;;) {
		THAW_TRY(thaw_allreduce_advance(allreduce));
		if (allreduce->done == allreduce->bucket_count)
			break;
		allreduce->comm->idle(allreduce->comm);
	}
	if (allreduce->comm->size == 1)
		thaw_allreduce_update_shard(allreduce, (struct thaw_shard){.count = allreduce->shards.length},
					    allreduce->vectors[0]);
	thaw_allreduce_reset_buckets(allreduce);
	allreduce->stacked = 0;
	allreduce->next = allreduce->first;
	allreduce->final_from = allreduce->n;
	*slots = allreduce->vectors[0] + allreduce->shards.length;
	return THAW_OK;
}
