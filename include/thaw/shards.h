/* Shards: how a vector is divided among the ranks. */
#ifndef THAW_SHARDS_H
#define THAW_SHARDS_H

#include <stdint.h>

#include "thaw/api.h"
#include "thaw/comm.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

/* How a vector is spread over the ranks: cut into buckets, and each bucket into one shard a rank. What is done to all
 * of a vector, rank r does to its shards; what only that needs, such as an optimizer's state, it holds for its shards
 * alone, one behind the other. */
struct thaw_sharding {
	int64_t length, bucket; /* floats of the vector, and of a bucket; the last may be shorter */
	int ranks;
};

#define THAW_ALLREDUCE_BUCKET (INT64_C(1) << 20) /* floats: long enough for a network's full speed at tens of ranks */

/* A rank's shard of one bucket: [start, start + count) of the vector, and where it is among the rank's shards. */
struct thaw_shard {
	int64_t start, count, own;
};

int64_t thaw_sharding_buckets(const struct thaw_sharding *shards);
struct thaw_shard thaw_sharding_at(const struct thaw_sharding *shards, int64_t bucket, int rank);
/* Floats of all shards of a rank. */
int64_t thaw_sharding_own(const struct thaw_sharding *shards, int rank);
/* Takes this rank's shards of [start, start + count) out of from[count] into own[thaw_sharding_own]. */
void thaw_sharding_take(const struct thaw_sharding *shards, int rank, int64_t start, int64_t count, const float *from,
			float *own);
/* The reverse over all ranks: to[count] receives [start, start + count) of the vector on every rank. Collective. */
thaw_status thaw_sharding_gather(const struct thaw_sharding *shards, struct thaw_comm *comm, int64_t start,
				 int64_t count, const float *own, float *to);

THAW_END_DECLS

#endif
