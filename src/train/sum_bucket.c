/* The way of a bucket: an all-to-all for each of the subtrees that a rank may have, the sum of this rank's share, an
 * allgather. Buckets move on independently; each finds its next message to begin when the one before is through. */
#include <string.h>

#include "src/train/sum_internal.h"

#define VECTOR_FLOATS (THAW_ALIGNMENT / (int64_t)sizeof(float))
/* Floats of each subtree that are summed at a time: 32 subtrees of 16 KiB stay within a common L2 cache. */
#define BLOCK  INT64_C(4096)
#define SLOTS  16 /* buckets on their way at once: what is received does not take a whole vector */
#define TABLES 5  /* of [size] for each bucket: count, offset, count_send, count_recv, offset_recv */

static void plan_bucket(const struct thaw_sum *sum, struct bucket *b, int64_t start, int64_t end)
{
	int size = sum->comm->size;
	int64_t share = (end - start + size - 1) / size;
	share = (share + VECTOR_FLOATS - 1) / VECTOR_FLOATS * VECTOR_FLOATS;
	b->start = start;
	b->end = end;
	b->stride = share;
	for (int rank = 0; rank < size; rank++) {
		int64_t first = start + rank * share < end ? start + rank * share : end;
		b->offset[rank] = first;
		b->count[rank] = first + share < end ? share : end - first;
	}
}

thaw_status thaw_sum_plan_buckets(struct thaw_sum *sum, int64_t bucket)
{
	int64_t size = sum->comm->size, count = (sum->n + bucket - 1) / bucket, floats = 0; /* of a slot */
	if (size == 1)
		return THAW_OK;
	sum->buckets = thaw_alloc((size_t)count, sizeof(*sum->buckets));
	sum->tables = thaw_alloc((size_t)(count * size), TABLES * sizeof(*sum->tables));
	if (!sum->buckets || !sum->tables)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++) {
		struct bucket *b = &sum->buckets[i];
		int64_t start = (count - 1 - i) * bucket, *table = sum->tables + i * size * TABLES;
		b->count = table;
		b->offset = table + size;
		b->count_send = table + 2 * size;
		b->count_recv = table + 3 * size;
		b->offset_recv = table + 4 * size;
		plan_bucket(sum, b, start, start + bucket < sum->n ? start + bucket : sum->n);
		floats = b->stride * sum->pieces > floats ? b->stride * sum->pieces : floats;
	}
	sum->received = thaw_alloc((size_t)(count < SLOTS ? count : SLOTS), (size_t)floats * sizeof(float));
	if (!sum->received)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++)
		sum->buckets[i].received = sum->received + i % SLOTS * floats;
	sum->bucket_count = (int)count;
	return THAW_OK;
}

/* Every exchange of a sum has a tag of its own. */
static int tag_of(const struct thaw_sum *sum, const struct bucket *b, int exchange)
{
	return 1 + (int)(b - sum->buckets) * (sum->rounds + 1) + exchange;
}

/* Sends out one more of this rank's subtrees, and receives this rank's share of that of the others. */
static thaw_status begin_round(struct thaw_sum *sum, struct bucket *b)
{
	struct thaw_comm *comm = sum->comm;
	int rank = comm->rank, round = b->round++;
	bool sends = sum->piece_first[rank] + round < sum->piece_first[rank + 1];
	for (int r = 0; r < comm->size; r++) {
		int piece = sum->piece_first[r] + round;
		b->count_send[r] = sends ? b->count[r] : 0;
		b->count_recv[r] = piece < sum->piece_first[r + 1] ? b->count[rank] : 0;
		b->offset_recv[r] = b->count_recv[r] ? piece * b->stride : 0;
	}
	return comm->alltoall_start(comm, tag_of(sum, b, round), sum->vectors[sends ? round : 0], b->count_send,
				    b->offset, b->received, b->count_recv, b->offset_recv, &b->transfer);
}

/* Sums this rank's share of all pieces, block by block so that a block is read from memory once, into `total`
 * at the place of the share. */
static void sum_share(const struct thaw_sum *sum, const struct bucket *b, float *total)
{
	int64_t count = b->count[sum->comm->rank], offset = b->offset[sum->comm->rank];
	for (int64_t start = 0; start < count; start += BLOCK) {
		int64_t n = count - start < BLOCK ? count - start : BLOCK;
		float *block = b->received + start;
		for (int i = 0; i < sum->pieces - 1; i++)
			thaw_sum_add(block + sum->additions[i].into * b->stride,
				     block + sum->additions[i].from * b->stride, n);
		memcpy(total + offset + start, block, (size_t)n * sizeof(float));
	}
}

static thaw_status begin_gathering(struct thaw_sum *sum, struct bucket *b)
{
	b->gathers = true;
	sum_share(sum, b, sum->vectors[0]);
	return sum->comm->allgather_start(sum->comm, tag_of(sum, b, sum->rounds), sum->vectors[0], b->count, b->offset,
					  &b->transfer);
}

static thaw_status advance(struct thaw_sum *sum, struct bucket *b)
{
	while (!b->done) {
		if (b->transfer)
			THAW_TRY(sum->comm->advance(sum->comm, &b->transfer));
		if (b->transfer)
			return THAW_OK;
		if (b->gathers)
			b->done = true;
		else if (b->round < sum->rounds)
			THAW_TRY(begin_round(sum, b));
		else
			THAW_TRY(begin_gathering(sum, b));
	}
	return THAW_OK;
}

/* The first bucket that is not through has set out on every rank where it is ready, as slots are taken in order: so there
 * is always one that can move. */
thaw_status thaw_sum_advance(struct thaw_sum *sum)
{
	int before;
	do {
		before = sum->done;
		sum->begun = sum->ready < before + SLOTS ? sum->ready : before + SLOTS;
		for (int i = before; i < sum->begun; i++)
			THAW_TRY(advance(sum, &sum->buckets[i]));
		while (sum->done < sum->begun && sum->buckets[sum->done].done)
			sum->done++;
	} while (sum->done > before);
	return THAW_OK;
}

void thaw_sum_reset_buckets(struct thaw_sum *sum)
{
	for (int i = 0; i < sum->bucket_count; i++) {
		sum->buckets[i].round = 0;
		sum->buckets[i].gathers = sum->buckets[i].done = false;
	}
	sum->ready = sum->begun = sum->done = 0;
}
