/* The way of a bucket: an all-to-all for each of the subtrees that a rank may have, the sum of this rank's shard and
 * its use, an allgather of the values. Buckets move on independently; each finds its next message to begin when the one
 * before is through. */
#include <string.h>

#include "src/allreduce/allreduce_internal.h"

/* Floats of each subtree that are summed at a time: 32 subtrees of 16 KiB stay within a common L2 cache. */
#define BLOCK  INT64_C(4096)
#define PLACES 16 /* buckets on their way at once: what is received does not take a whole vector */
#define TABLES 5  /* of [size] for each bucket: count, offset, count_send, count_recv, offset_recv */

/* The subtrees that this rank receives: those of the others. */
static int64_t received_pieces(const struct thaw_allreduce *allreduce)
{
	int rank = allreduce->comm->rank;
	return allreduce->pieces - (allreduce->piece_first[rank + 1] - allreduce->piece_first[rank]);
}

/* The shards of `from`, a spread vector, of its bucket; `start` is where that vector begins. */
static void plan_bucket(const struct thaw_allreduce *allreduce, struct bucket *b, const struct thaw_sharding *from,
			int64_t bucket, int64_t start)
{
	int size = allreduce->comm->size;
	for (int rank = 0; rank < size; rank++) {
		struct thaw_shard shard = thaw_sharding_at(from, bucket, rank);
		b->offset[rank] = start + shard.start;
		b->count[rank] = shard.count;
	}
	b->start = b->offset[0];
	b->own = thaw_sharding_at(from, bucket, allreduce->comm->rank).own;
	b->stride = b->count[0]; /* rank 0's shard is the longest */
}

static void plan_tables(const struct thaw_allreduce *allreduce, struct bucket *b, int64_t index)
{
	int64_t size = allreduce->comm->size, *table = allreduce->tables + index * size * TABLES;
	b->count = table;
	b->offset = table + size;
	b->count_send = table + 2 * size;
	b->count_recv = table + 3 * size;
	b->offset_recv = table + 4 * size;
}

thaw_status thaw_allreduce_plan_buckets(struct thaw_allreduce *allreduce)
{
	int64_t size = allreduce->comm->size, whole = thaw_sharding_buckets(&allreduce->shards), stride = 0;
	const struct thaw_sharding slots = {allreduce->n - allreduce->shards.length,
					    allreduce->n - allreduce->shards.length, (int)size};
	int64_t first = slots.length > 0, count = first + whole;
	if (size == 1)
		return THAW_OK;
	allreduce->buckets = thaw_alloc((size_t)count, sizeof(*allreduce->buckets));
	allreduce->tables = thaw_alloc((size_t)(count * size), TABLES * sizeof(*allreduce->tables));
	if (!allreduce->buckets || !allreduce->tables)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++) {
		struct bucket *b = &allreduce->buckets[i];
		plan_tables(allreduce, b, i);
		b->slots = i < first;
		if (b->slots)
			plan_bucket(allreduce, b, &slots, 0, allreduce->shards.length);
		else
			plan_bucket(allreduce, b, &allreduce->shards, count - 1 - i, 0);
		stride = b->stride > stride ? b->stride : stride;
	}
	size_t place = (size_t)(stride * received_pieces(allreduce));
	allreduce->received = thaw_alloc((size_t)(count < PLACES ? count : PLACES), place * sizeof(float));
	if (!allreduce->received)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++)
		allreduce->buckets[i].received = allreduce->received + (size_t)(i % PLACES) * place;
	allreduce->bucket_count = (int)count;
	return THAW_OK;
}

/* This rank's shard of a subtree: where it was received, or in this rank's own vector. */
static float *piece_at(const struct thaw_allreduce *allreduce, const struct bucket *b, int piece)
{
	int rank = allreduce->comm->rank, first = allreduce->piece_first[rank], end = allreduce->piece_first[rank + 1];
	if (piece >= first && piece < end)
		return allreduce->vectors[piece - first] + b->offset[rank];
	return b->received + (piece < first ? piece : piece - (end - first)) * b->stride;
}

/* Every exchange of a sum has a tag of its own. */
static int tag_of(const struct thaw_allreduce *allreduce, const struct bucket *b, int exchange)
{
	return 1 + (int)(b - allreduce->buckets) * (allreduce->rounds + 1) + exchange;
}

/* Sends out one more of this rank's subtrees, and receives this rank's shard of that of the others. */
static thaw_status begin_round(struct thaw_allreduce *allreduce, struct bucket *b)
{
	struct thaw_comm *comm = allreduce->comm;
	int rank = comm->rank, round = b->round++;
	bool sends = allreduce->piece_first[rank] + round < allreduce->piece_first[rank + 1];
	for (int r = 0; r < comm->size; r++) {
		int piece = allreduce->piece_first[r] + round;
		bool comes = r != rank && piece < allreduce->piece_first[r + 1];
		b->count_send[r] = sends && r != rank ? b->count[r] : 0;
		b->count_recv[r] = comes ? b->count[rank] : 0;
		b->offset_recv[r] = comes ? piece_at(allreduce, b, piece) - b->received : 0;
	}
	return comm->alltoall_start(comm, tag_of(allreduce, b, round), allreduce->vectors[sends ? round : 0],
				    b->count_send, b->offset, b->received, b->count_recv, b->offset_recv, &b->transfer);
}

/* Sums this rank's shard of all pieces and uses it, block by block so that a block is read from memory once. The slots'
 * total goes to its place in the vector. */
static void use_share(const struct thaw_allreduce *allreduce, const struct bucket *b)
{
	int64_t count = b->count[allreduce->comm->rank], offset = b->offset[allreduce->comm->rank];
	float *total = piece_at(allreduce, b, 0);
	for (int64_t start = 0; start < count; start += BLOCK) {
		int64_t n = count - start < BLOCK ? count - start : BLOCK;
		for (int i = 0; i < allreduce->pieces - 1; i++)
			thaw_allreduce_add(piece_at(allreduce, b, allreduce->additions[i].into) + start,
					   piece_at(allreduce, b, allreduce->additions[i].from) + start, n);
		if (b->slots)
			memmove(allreduce->vectors[0] + offset + start, total + start, (size_t)n * sizeof(float));
		else
			thaw_allreduce_apply(allreduce, (struct thaw_shard){offset + start, n, b->own + start},
					     total + start);
	}
}

static thaw_status begin_gathering(struct thaw_allreduce *allreduce, struct bucket *b)
{
	b->gathers = true;
	use_share(allreduce, b);
	return allreduce->comm->allgather_start(allreduce->comm, tag_of(allreduce, b, allreduce->rounds),
						b->slots ? allreduce->vectors[0] : allreduce->use.values, b->count,
						b->offset, &b->transfer);
}

/* A total is used when those of the slots are known: theirs is the first bucket. */
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
		if (b->gathers)
			b->done = true;
		else if (b->round < allreduce->rounds)
			THAW_TRY(begin_round(allreduce, b));
		else if (may_gather(allreduce, b))
			THAW_TRY(begin_gathering(allreduce, b));
		else
			return THAW_OK;
	}
	return THAW_OK;
}

/* The first bucket that is not through has set out on every rank where it is ready, as places are taken in order: so
 * there is always one that can move. */
thaw_status thaw_allreduce_advance(struct thaw_allreduce *allreduce)
{
	int before;
	do {
		before = allreduce->done;
		allreduce->begun = allreduce->ready < before + PLACES ? allreduce->ready : before + PLACES;
		for (int i = before; i < allreduce->begun; i++)
			THAW_TRY(advance(allreduce, &allreduce->buckets[i]));
		while (allreduce->done < allreduce->begun && allreduce->buckets[allreduce->done].done)
			allreduce->done++;
	} while (allreduce->done > before);
	return THAW_OK;
}

void thaw_allreduce_reset_buckets(struct thaw_allreduce *allreduce)
{
	for (int i = 0; i < allreduce->bucket_count; i++) {
		allreduce->buckets[i].round = 0;
		allreduce->buckets[i].gathers = allreduce->buckets[i].done = false;
	}
	allreduce->ready = allreduce->begun = allreduce->done = 0;
}
