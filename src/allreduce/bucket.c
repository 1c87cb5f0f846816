/* The exchange of a bucket: within nodes, then between nodes, one all-to-all for each piece that a rank or node may
 * have; then the sum and the update of this rank's shard, then an allgather of the values. Buckets advance
 * independently of each other; the next transfer of a bucket starts when its previous one is complete.
 */
#include <string.h>

#include "src/allreduce/allreduce_internal.h"
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

/* Floats of each piece that are summed at a time: 32 pieces of 16 KiB fit in a common L2 cache. */
#define BLOCK           INT64_C(4096)
#define RECEIVE_BUFFERS 16 /* buckets in exchange at once: bounds the memory for received data */
#define TABLES          6  /* arrays of [size] per bucket: count, offset, and those of the all-to-all */

/* Fills in the shards of bucket number `bucket` of a sharded vector that starts at `start`. */
static void set_shards(const struct thaw_allreduce *allreduce, struct bucket *b, const struct thaw_sharding *shards,
		       int64_t bucket, int64_t start)
{
	int size = allreduce->comm->size;
	for (int rank = 0; rank < size; rank++) {
		struct thaw_shard shard = thaw_sharding_at(shards, bucket, rank);
		b->offset[rank] = start + shard.start;
		b->count[rank] = shard.count;
	}
	b->start = b->offset[0];
	b->own = thaw_sharding_at(shards, bucket, allreduce->comm->rank).own;
	b->stride = b->count[0]; /* rank 0's shard is the longest */
	b->span = thaw_allreduce_span_count(allreduce, b, allreduce->comm->rank);
}

static void set_tables(const struct thaw_allreduce *allreduce, struct bucket *b, int64_t index)
{
	int64_t size = allreduce->comm->size, *table = allreduce->tables + index * size * TABLES;
	b->count = table;
	b->offset = table + size;
	b->count_send = table + 2 * size;
	b->offset_send = table + 3 * size;
	b->count_recv = table + 4 * size;
	b->offset_recv = table + 5 * size;
}

thaw_status thaw_allreduce_create_buckets(struct thaw_allreduce *allreduce)
{
	int64_t size = allreduce->comm->size, whole = thaw_sharding_buckets(&allreduce->shards), buffer = 0;
	const struct thaw_sharding slots = {allreduce->n - allreduce->shards.length,
					    allreduce->n - allreduce->shards.length, (int)size};
	int64_t first = slots.length > 0, count = first + whole;
	if (size == 1)
		return THAW_OK;
	int within = thaw_allreduce_pieces_within(allreduce), between = thaw_allreduce_pieces_between(allreduce);
	allreduce->buckets = thaw_alloc((size_t)count, sizeof(*allreduce->buckets));
	allreduce->tables = thaw_alloc((size_t)(count * size), TABLES * sizeof(*allreduce->tables));
	if (!allreduce->buckets || !allreduce->tables)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++) {
		struct bucket *b = &allreduce->buckets[i];
		set_tables(allreduce, b, i);
		b->slots = i < first;
		if (b->slots)
			set_shards(allreduce, b, &slots, 0, allreduce->shards.length);
		else
			set_shards(allreduce, b, &allreduce->shards, count - 1 - i, 0);
		buffer = max_int64(buffer, b->span * within + b->stride * between);
	}
	allreduce->received = thaw_alloc((size_t)min_int64(count, RECEIVE_BUFFERS), (size_t)buffer * sizeof(float));
	if (!allreduce->received)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++)
		allreduce->buckets[i].received = allreduce->received + i % RECEIVE_BUFFERS * buffer;
	allreduce->bucket_count = (int)count;
	return THAW_OK;
}

/* The message tag of a transfer, different for every transfer of a step. */
static int tag_of(const struct thaw_allreduce *allreduce, const struct bucket *b, int transfer)
{
	return 1 + (int)(b - allreduce->buckets) * (allreduce->rounds + 1) + transfer;
}

static thaw_status start_alltoall(struct thaw_allreduce *allreduce, struct bucket *b, const float *send)
{
	return allreduce->comm->alltoall_start(allreduce->comm, tag_of(allreduce, b, b->round++), send, b->count_send,
					       b->offset_send, b->received, b->count_recv, b->offset_recv,
					       &b->transfer);
}

static void clear_counts(const struct thaw_allreduce *allreduce, struct bucket *b)
{
	for (int r = 0; r < allreduce->comm->size; r++)
		b->count_send[r] = b->offset_send[r] = b->count_recv[r] = b->offset_recv[r] = 0;
}

/* Sends this rank's next piece to the ranks of its node, to each its span; receives this rank's span of their next
 * pieces. */
static thaw_status start_within(struct thaw_allreduce *allreduce, struct bucket *b)
{
	const int *first = allreduce->of_ranks.first;
	int rank = allreduce->comm->rank, round = b->round;
	bool sends = first[rank] + round < first[rank + 1];
	clear_counts(allreduce, b);
	for (int r = allreduce->node_first[allreduce->node]; r < allreduce->node_first[allreduce->node + 1]; r++) {
		int piece = first[r] + round;
		if (r == rank)
			continue;
		if (sends) {
			b->count_send[r] = thaw_allreduce_span_count(allreduce, b, r);
			b->offset_send[r] = thaw_allreduce_span_offset(allreduce, b, r);
		}
		if (piece < first[r + 1]) {
			b->count_recv[r] = b->span;
			b->offset_recv[r] = thaw_allreduce_span_of(allreduce, b, piece) - b->received;
		}
	}
	return start_alltoall(allreduce, b, allreduce->vectors[sends ? round : 0]);
}

/* Sends the span of this node's next piece to the ranks whose shards it has; receives this rank's shard of the next
 * piece of each node. */
static thaw_status start_between(struct thaw_allreduce *allreduce, struct bucket *b)
{
	const int *first = allreduce->of_nodes.first;
	int rank = allreduce->comm->rank, round = b->round - allreduce->rounds_within;
	int64_t start = thaw_allreduce_span_offset(allreduce, b, rank);
	bool sends = first[allreduce->node] + round < first[allreduce->node + 1];
	clear_counts(allreduce, b);
	for (int r = thaw_allreduce_span_first(allreduce, rank, allreduce->node);
	     sends && r < thaw_allreduce_span_end(allreduce, rank); r++) {
		b->count_send[r] = r != rank ? b->count[r] : 0;
		b->offset_send[r] = b->offset[r] - start;
	}
	for (int node = 0; node < allreduce->nodes; node++) {
		int from = thaw_allreduce_holder(allreduce, node, rank), piece = first[node] + round;
		if (from == rank || piece >= first[node + 1])
			continue;
		b->count_recv[from] = b->count[rank];
		b->offset_recv[from] = thaw_allreduce_shard_of(allreduce, b, piece) - b->received;
	}
	return start_alltoall(allreduce, b, thaw_allreduce_span_of(allreduce, b, allreduce->held[sends ? round : 0]));
}

/* Sums the pieces of this node's ranks into those of the node. */
static void sum_within(const struct thaw_allreduce *allreduce, struct bucket *b)
{
	for (int64_t start = 0; start < b->span; start += BLOCK) {
		int64_t n = min_int64(b->span - start, BLOCK);
		for (int i = 0; i < allreduce->within.count; i++)
			thaw_allreduce_add(thaw_allreduce_span_of(allreduce, b, allreduce->within.list[i].into) + start,
					   thaw_allreduce_span_of(allreduce, b, allreduce->within.list[i].from) + start,
					   n);
	}
	b->summed = true;
}

void thaw_allreduce_update_shard(const struct thaw_allreduce *allreduce, struct thaw_shard shard, float *total)
{
	if (shard.count > 0)
		allreduce->update.update(allreduce->update.context, shard, total,
					 allreduce->vectors[0] + allreduce->shards.length);
}

/* Sums this rank's shard of the pieces of all nodes and updates the values with it, in blocks so that each block is
 * read from memory once. The total of the slots is stored in the vector instead. */
static void reduce_and_update(const struct thaw_allreduce *allreduce, const struct bucket *b)
{
	int64_t count = b->count[allreduce->comm->rank], offset = b->offset[allreduce->comm->rank];
	float *total = thaw_allreduce_shard_of(allreduce, b, 0);
	for (int64_t start = 0; start < count; start += BLOCK) {
		int64_t n = min_int64(count - start, BLOCK);
		for (int i = 0; i < allreduce->between.count; i++)
			thaw_allreduce_add(
				thaw_allreduce_shard_of(allreduce, b, allreduce->between.list[i].into) + start,
				thaw_allreduce_shard_of(allreduce, b, allreduce->between.list[i].from) + start, n);
		if (b->slots)
			memmove(allreduce->vectors[0] + offset + start, total + start, (size_t)n * sizeof(*total));
		else
			thaw_allreduce_update_shard(allreduce, (struct thaw_shard){offset + start, n, b->own + start},
						    total + start);
	}
}

static thaw_status start_gathering(struct thaw_allreduce *allreduce, struct bucket *b)
{
	b->gathering = true;
	reduce_and_update(allreduce, b);
	return allreduce->comm->allgather_start(allreduce->comm, tag_of(allreduce, b, allreduce->rounds),
						b->slots ? allreduce->vectors[0] : allreduce->update.values, b->count,
						b->offset, &b->transfer);
}

/* An update needs the totals of the slots, which are the first bucket. */
static bool may_gather(const struct thaw_allreduce *allreduce, const struct bucket *b)
{
	return b->slots || !allreduce->buckets[0].slots || allreduce->buckets[0].done;
}

static thaw_status advance(struct thaw_allreduce *allreduce, struct bucket *b)
{
	while (!b->done) {
		if (b->transfer)
			THAW_TRY(allreduce->comm->advance(allreduce->comm, &b->transfer));
		if (b->transfer)
			return THAW_OK;
		if (b->gathering)
			b->done = true;
		else if (b->round < allreduce->rounds_within)
			THAW_TRY(start_within(allreduce, b));
		else if (!b->summed)
			sum_within(allreduce, b);
		else if (b->round < allreduce->rounds)
			THAW_TRY(start_between(allreduce, b));
		else if (may_gather(allreduce, b))
			THAW_TRY(start_gathering(allreduce, b));
		else
			return THAW_OK;
	}
	return THAW_OK;
}

/* Buckets use the receive buffers in order, so the first incomplete bucket is in exchange on every rank where it is
 * ready. It can always advance: there is no deadlock. */
thaw_status thaw_allreduce_advance(struct thaw_allreduce *allreduce)
{
	int before;
	do {
		before = allreduce->done;
		allreduce->started = min_int(allreduce->ready, before + RECEIVE_BUFFERS);
		for (int i = before; i < allreduce->started; i++)
			THAW_TRY(advance(allreduce, &allreduce->buckets[i]));
		while (allreduce->done < allreduce->started && allreduce->buckets[allreduce->done].done)
			allreduce->done++;
	} while (allreduce->done > before);
	return THAW_OK;
}

void thaw_allreduce_reset_buckets(struct thaw_allreduce *allreduce)
{
	for (int i = 0; i < allreduce->bucket_count; i++) {
		allreduce->buckets[i].round = 0;
		allreduce->buckets[i].summed = allreduce->buckets[i].gathering = allreduce->buckets[i].done = false;
	}
	allreduce->ready = allreduce->started = allreduce->done = 0;
}
