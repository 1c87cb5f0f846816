/* Shards: how a vector is divided over the ranks.
 *
 * The vector is divided into buckets, and each bucket into one shard per rank. Rank r processes its shards for all
 * ranks. State that only this processing needs, such as that of an optimizer, exists for the rank's own shards only,
 * which are packed one after the other. */
#ifndef THAW_SHARDS_H
#define THAW_SHARDS_H

#include <stdint.h>

#include "thaw/api.h"
#include "thaw/comm.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

struct thaw_sharding {
	int64_t length, bucket; /* floats of the vector, and of a bucket; the last bucket may be shorter */
	int ranks;
};

#define THAW_ALLREDUCE_BUCKET (INT64_C(1) << 20) /* floats: enough for full network bandwidth with tens of ranks */

/* A rank's shard of one bucket: [start, start + count) of the vector, at offset `own` of its packed shards. */
struct thaw_shard {
	int64_t start, count, own;
};

/* Number of buckets. */
int64_t thaw_sharding_buckets(const struct thaw_sharding *shards);
struct thaw_shard thaw_sharding_at(const struct thaw_sharding *shards, int64_t bucket, int rank);
/* Floats of all shards of a rank. */
int64_t thaw_sharding_own(const struct thaw_sharding *shards, int rank);
/* Copies the rank's shards of [start, start + count) of the vector from from[count] to its packed shards
 * own[thaw_sharding_own]. */
void thaw_sharding_extract(const struct thaw_sharding *shards, int rank, int64_t start, int64_t count,
			   const float *from, float *own);
/* The reverse for all ranks: to[count] receives [start, start + count) of the vector on every rank. Collective. */
thaw_status thaw_sharding_gather(const struct thaw_sharding *shards, struct thaw_comm *comm, int64_t start,
				 int64_t count, const float *own, float *to);

THAW_END_DECLS

#endif
