/* Lanes: the fixed slices of a run, and the sum over them.
 *
 * A run has L lanes whatever its rank count. Lane l holds the samples i with i % L == l. Rank r of R
 * carries the lanes [r*L/R, (r+1)*L/R). Sums over lanes follow one binary tree: neighbours (0,1),
 * (2,3), ... are added, then neighbours of those; an odd one passes up. The tree, hence every bit of the
 * result, does not depend on R.
 */
#ifndef THAW_LANES_H
#define THAW_LANES_H

#include <stdint.h>

#include "thaw/api.h"
#include "thaw/comm.h"

THAW_BEGIN_DECLS

/* First lane of a rank; thaw_lanes_first(L, R, R) == L. */
int thaw_lanes_first(int lanes, int ranks, int rank);

/* How many of `samples` lane l holds, and the k-th of them. */
int64_t thaw_lane_count(int64_t samples, int lanes, int lane);
int64_t thaw_lane_sample(int64_t k, int lanes, int lane);

/* The order in which a lane visits its samples in an epoch: order[count] receives dataset indices, a
 * permutation keyed by (seed, epoch, lane). */
void thaw_lane_order(int64_t samples, int lanes, int lane, uint64_t seed, uint64_t epoch, int64_t *order);

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
void thaw_sharding_extract(const struct thaw_sharding *shards, int rank, int64_t start, int64_t count, const float *from,
			float *own);
/* The reverse over all ranks: to[count] receives [start, start + count) of the vector on every rank. Collective. */
thaw_status thaw_sharding_gather(const struct thaw_sharding *shards, struct thaw_comm *comm, int64_t start,
				 int64_t count, const float *own, float *to);

/* A sum over lanes, and what is made of it: a vector of values that is the same on all ranks before and after. Each
 * rank has the total of its shards and changes its shards of the values by it; these are gathered, not the total.
 *
 * Behind the vector, slots travel: a few numbers that decide about its use. They are exchanged first, and every rank
 * has their totals before it uses any other.
 *
 * For each lane of this rank in rising order, fill thaw_allreduce_next's vector and call thaw_allreduce_push; then
 * thaw_allreduce_finish. For the m lanes of a rank it holds 1 + log2(m) vectors where m and its first lane are powers
 * of two (one where m is 1), and never more than 2 * log2(m) + 2; the exchange has memory for a few buckets. */
struct thaw_allreduce;

struct thaw_allreduce_update {
	void *context;
	/* values[shard.count] of the shard, or of a part of it, are to be changed by total[shard.count], which may be
	 * overwritten. Comes once for every value of this rank, in no order that counts, also while the backward pass
	 * still runs: only of what is final on all ranks. */
	void (*update)(void *context, struct thaw_shard shard, float *total, const float *slots);
	float *values; /* [length] */
};

/* THAW_CONFIG when there are more ranks than lanes. What `update` points to must outlive the all-reduce; the struct itself is copied. */
thaw_status thaw_allreduce_create(struct thaw_allreduce **allreduce, struct thaw_comm *comm, int lanes,
				  const struct thaw_sharding *shards, int64_t slots,
				  const struct thaw_allreduce_update *update);
void thaw_allreduce_destroy(struct thaw_allreduce *allreduce);       /* NULL is fine */
size_t thaw_allreduce_bytes(const struct thaw_allreduce *allreduce); /* of its vectors, without what is exchanged */
/* The vector of the next lane of this rank, all of whose length + slots floats it is to write; what is never written
 * is zero. NULL with a message after more calls than lanes. */
float *thaw_allreduce_next(struct thaw_allreduce *allreduce);
/* That vector is final from `from` on. In the rank's last lane buckets that are final set out now, and those under way
 * are moved on; else nothing happens. For a backward pass, which finishes gradients from the last to the first. What
 * fails here is reported by thaw_allreduce_finish. */
void thaw_allreduce_ready(struct thaw_allreduce *allreduce, int64_t from);
void thaw_allreduce_push(struct thaw_allreduce *allreduce);
/* Collective. Ends the exchange: the values are the same bits on every rank. The slots' totals are valid until the next
 * thaw_allreduce_next. The exchange of a bucket is an all-to-all of shards, a local tree, and an allgather. */
thaw_status thaw_allreduce_finish(struct thaw_allreduce *allreduce, const float **slots);

/* The same tree over doubles, for metrics: values[lanes][n] of which this rank filled its lanes'
 * rows; total[n] on every rank. Collective. */
thaw_status thaw_allreduce_doubles(struct thaw_comm *comm, int lanes, int n, const double *values, double *total);

THAW_END_DECLS

#endif
