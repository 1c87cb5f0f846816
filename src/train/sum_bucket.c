/* The way of a bucket: an all-to-all for each of the subtrees that a rank may have, the sum of this rank's share and
 * its use, an allgather of the values. Buckets move on independently; each finds its next message to begin when the one
 * before is through. */
#include <string.h>

#include "src/train/sum_internal.h"

/* Floats of each subtree that are summed at a time: 32 subtrees of 16 KiB stay within a common L2 cache. */
#define BLOCK  INT64_C(4096)
#define PLACES 16 /* buckets on their way at once: what is received does not take a whole vector */
#define TABLES 5  /* of [size] for each bucket: count, offset, count_send, count_recv, offset_recv */

/* The subtrees that this rank receives: those of the others. */
static int64_t received_pieces(const struct thaw_sum *sum)
{
	int rank = sum->comm->rank;
	return sum->pieces - (sum->piece_first[rank + 1] - sum->piece_first[rank]);
}

/* The shares of `from`, a spread vector, of its bucket; `start` is where that vector begins. */
static void plan_bucket(const struct thaw_sum *sum, struct bucket *b, const struct thaw_shares *from, int64_t bucket,
			int64_t start)
{
	int size = sum->comm->size;
	for (int rank = 0; rank < size; rank++) {
		struct thaw_share share = thaw_shares_at(from, bucket, rank);
		b->offset[rank] = start + share.start;
		b->count[rank] = share.count;
	}
	b->start = b->offset[0];
	b->own = thaw_shares_at(from, bucket, sum->comm->rank).own;
	b->stride = b->count[0]; /* rank 0's share is the longest */
}

static void plan_tables(const struct thaw_sum *sum, struct bucket *b, int64_t index)
{
	int64_t size = sum->comm->size, *table = sum->tables + index * size * TABLES;
	b->count = table;
	b->offset = table + size;
	b->count_send = table + 2 * size;
	b->count_recv = table + 3 * size;
	b->offset_recv = table + 4 * size;
}

thaw_status thaw_sum_plan_buckets(struct thaw_sum *sum)
{
	int64_t size = sum->comm->size, whole = thaw_shares_buckets(&sum->shares), stride = 0;
	const struct thaw_shares slots = {sum->n - sum->shares.length, sum->n - sum->shares.length, (int)size};
	int64_t first = slots.length > 0, count = first + whole;
	if (size == 1)
		return THAW_OK;
	sum->buckets = thaw_alloc((size_t)count, sizeof(*sum->buckets));
	sum->tables = thaw_alloc((size_t)(count * size), TABLES * sizeof(*sum->tables));
	if (!sum->buckets || !sum->tables)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++) {
		struct bucket *b = &sum->buckets[i];
		plan_tables(sum, b, i);
		b->slots = i < first;
		if (b->slots)
			plan_bucket(sum, b, &slots, 0, sum->shares.length);
		else
			plan_bucket(sum, b, &sum->shares, count - 1 - i, 0);
		stride = b->stride > stride ? b->stride : stride;
	}
	size_t place = (size_t)(stride * received_pieces(sum));
	sum->received = thaw_alloc((size_t)(count < PLACES ? count : PLACES), place * sizeof(float));
	if (!sum->received)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++)
		sum->buckets[i].received = sum->received + (size_t)(i % PLACES) * place;
	sum->bucket_count = (int)count;
	return THAW_OK;
}

/* This rank's share of a subtree: where it was received, or in this rank's own vector. */
static float *piece_at(const struct thaw_sum *sum, const struct bucket *b, int piece)
{
	int rank = sum->comm->rank, first = sum->piece_first[rank], end = sum->piece_first[rank + 1];
	if (piece >= first && piece < end)
		return sum->vectors[piece - first] + b->offset[rank];
	return b->received + (piece < first ? piece : piece - (end - first)) * b->stride;
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
		bool comes = r != rank && piece < sum->piece_first[r + 1];
		b->count_send[r] = sends && r != rank ? b->count[r] : 0;
		b->count_recv[r] = comes ? b->count[rank] : 0;
		b->offset_recv[r] = comes ? piece_at(sum, b, piece) - b->received : 0;
	}
	return comm->alltoall_start(comm, tag_of(sum, b, round), sum->vectors[sends ? round : 0], b->count_send,
				    b->offset, b->received, b->count_recv, b->offset_recv, &b->transfer);
}

/* Sums this rank's share of all pieces and uses it, block by block so that a block is read from memory once. The slots'
 * total goes to its place in the vector. */
static void use_share(const struct thaw_sum *sum, const struct bucket *b)
{
	int64_t count = b->count[sum->comm->rank], offset = b->offset[sum->comm->rank];
	float *total = piece_at(sum, b, 0);
	for (int64_t start = 0; start < count; start += BLOCK) {
		int64_t n = count - start < BLOCK ? count - start : BLOCK;
		for (int i = 0; i < sum->pieces - 1; i++)
			thaw_sum_add(piece_at(sum, b, sum->additions[i].into) + start,
				     piece_at(sum, b, sum->additions[i].from) + start, n);
		if (b->slots)
			memmove(sum->vectors[0] + offset + start, total + start, (size_t)n * sizeof(float));
		else
			thaw_sum_apply(sum, (struct thaw_share){offset + start, n, b->own + start}, total + start);
	}
}

static thaw_status begin_gathering(struct thaw_sum *sum, struct bucket *b)
{
	b->gathers = true;
	use_share(sum, b);
	return sum->comm->allgather_start(sum->comm, tag_of(sum, b, sum->rounds),
					  b->slots ? sum->vectors[0] : sum->use.values, b->count, b->offset,
					  &b->transfer);
}

/* A total is used when those of the slots are known: theirs is the first bucket. */
static bool may_gather(const struct thaw_sum *sum, const struct bucket *b)
{
	return b->slots || !sum->buckets[0].slots || sum->buckets[0].done;
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
		else if (may_gather(sum, b))
			THAW_TRY(begin_gathering(sum, b));
		else
			return THAW_OK;
	}
	return THAW_OK;
}

/* The first bucket that is not through has set out on every rank where it is ready, as places are taken in order: so
 * there is always one that can move. */
thaw_status thaw_sum_advance(struct thaw_sum *sum)
{
	int before;
	do {
		before = sum->done;
		sum->begun = sum->ready < before + PLACES ? sum->ready : before + PLACES;
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
