/* Vectors divided into shards over the ranks. A shard's size is that of a whole bucket divided by the rank count,
 * rounded up to whole cache lines, so every rank can compute the shards of all ranks. */
#include <string.h>

#include "src/base/minmax.h"
#include "thaw/memory.h"
#include "thaw/shards.h"

#define LINE_FLOATS (THAW_ALIGNMENT / (int64_t)sizeof(float))

/* The rank's shard of a bucket of that many floats; `start` counts from the bucket's start. */
static struct thaw_shard shard_of_bucket(int64_t floats, int ranks, int rank)
{
	int64_t each = (floats + ranks - 1) / ranks;
	each = (each + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
	int64_t start = min_int64(rank * each, floats);
	return (struct thaw_shard){.start = start, .count = min_int64(each, floats - start)};
}

int64_t thaw_sharding_buckets(const struct thaw_sharding *s)
{
	return (s->length + s->bucket - 1) / s->bucket;
}

struct thaw_shard thaw_sharding_at(const struct thaw_sharding *s, int64_t bucket, int rank)
{
	int64_t start = bucket * s->bucket;
	struct thaw_shard shard = shard_of_bucket(min_int64(s->bucket, s->length - start), s->ranks, rank);
	shard.start += start;
	shard.own = bucket * shard_of_bucket(s->bucket, s->ranks, rank).count;
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

/* The part of a shard in [start, start + count); its count is 0 if there is none. */
static struct thaw_shard within(struct thaw_shard shard, int64_t start, int64_t count)
{
	int64_t from = max_int64(shard.start, start);
	int64_t to = min_int64(shard.start + shard.count, start + count);
	if (to <= from)
		return (struct thaw_shard){.start = start};
	return (struct thaw_shard){.start = from, .count = to - from, .own = shard.own + from - shard.start};
}

void thaw_sharding_extract(const struct thaw_sharding *s, int rank, int64_t start, int64_t count, const float *from,
			   float *own)
{
	for (int64_t b = start / s->bucket; b * s->bucket < start + count; b++) {
		struct thaw_shard part = within(thaw_sharding_at(s, b, rank), start, count);
		memcpy(own + part.own, from + part.start - start, (size_t)part.count * sizeof(*own));
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
				memcpy(to + offsets[rank], own + part.own, (size_t)part.count * sizeof(*to));
		}
		status = comm->allgather(comm, to, counts, offsets);
	}
	thaw_free(counts);
	thaw_free(offsets);
	return status;
}
