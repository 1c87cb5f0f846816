/* Vectors that are spread over the ranks. A shard's size is that of a whole bucket divided by the ranks, in whole cache
 * lines; so places follow from numbers alone, and every rank knows those of all. */
#include <string.h>

#include "thaw/shards.h"
#include "thaw/tensor.h"

#define LINE_FLOATS (THAW_ALIGNMENT / (int64_t)sizeof(float))

static int64_t at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* What of a bucket of so many floats falls to the rank. */
static struct thaw_shard share_of(int64_t floats, int ranks, int rank)
{
	int64_t each = (floats + ranks - 1) / ranks;
	each = (each + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
	int64_t start = at_most(rank * each, floats);
	return (struct thaw_shard){.start = start, .count = at_most(each, floats - start)};
}

int64_t thaw_sharding_buckets(const struct thaw_sharding *s)
{
	return (s->length + s->bucket - 1) / s->bucket;
}

struct thaw_shard thaw_sharding_at(const struct thaw_sharding *s, int64_t bucket, int rank)
{
	int64_t start = bucket * s->bucket;
	struct thaw_shard shard = share_of(at_most(s->bucket, s->length - start), s->ranks, rank);
	shard.start += start;
	shard.own = bucket * share_of(s->bucket, s->ranks, rank).count;
	return shard;
}

int64_t thaw_sharding_own(const struct thaw_sharding *s, int rank)
{
	int64_t buckets = thaw_sharding_buckets(s);
	if (buckets == 0)
		return 0;
	struct thaw_shard last = thaw_sharding_at(s, buckets - 1, rank);
	return last.own + last.count;
}

/* The part of a shard that lies in [start, start + count); of no floats where none does. */
static struct thaw_shard within(struct thaw_shard shard, int64_t start, int64_t count)
{
	int64_t from = shard.start > start ? shard.start : start;
	int64_t to = at_most(shard.start + shard.count, start + count);
	if (to <= from)
		return (struct thaw_shard){.start = start};
	return (struct thaw_shard){.start = from, .count = to - from, .own = shard.own + from - shard.start};
}

void thaw_sharding_take(const struct thaw_sharding *s, int rank, int64_t start, int64_t count, const float *from,
			float *own)
{
	for (int64_t b = start / s->bucket; b * s->bucket < start + count; b++) {
		struct thaw_shard part = within(thaw_sharding_at(s, b, rank), start, count);
		memcpy(own + part.own, from + part.start - start, (size_t)part.count * sizeof(float));
	}
}

thaw_status thaw_sharding_gather(const struct thaw_sharding *s, struct thaw_comm *comm, int64_t start, int64_t count,
				 const float *own, float *to)
{
	int64_t *counts = thaw_alloc((size_t)comm->size, sizeof(*counts));
	int64_t *offsets = thaw_alloc((size_t)comm->size, sizeof(*offsets));
	thaw_status status = counts && offsets ? THAW_OK : THAW_RESOURCE;
	for (int64_t b = start / s->bucket; status == THAW_OK && b * s->bucket < start + count; b++) {
		for (int rank = 0; rank < comm->size; rank++) {
			struct thaw_shard part = within(thaw_sharding_at(s, b, rank), start, count);
			counts[rank] = part.count;
			offsets[rank] = part.start - start;
			if (rank == comm->rank)
				memcpy(to + offsets[rank], own + part.own, (size_t)part.count * sizeof(float));
		}
		status = comm->allgather(comm, to, counts, offsets);
	}
	thaw_free(counts);
	thaw_free(offsets);
	return status;
}
