/* The all-reduce: the sum over the lanes of a run (thaw/lanes.h), and the update of values by it. */
#ifndef THAW_ALLREDUCE_H
#define THAW_ALLREDUCE_H

#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/comm.h"
#include "thaw/error.h"
#include "thaw/shards.h"

THAW_BEGIN_DECLS

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
	void (*apply)(void *context, struct thaw_shard shard, float *total, const float *slots);
	float *values; /* [length] */
};

/* THAW_CONFIG when there are more ranks than lanes. What `use` names must outlive the sum; it is copied itself. */
thaw_status thaw_allreduce_create(struct thaw_allreduce **sum, struct thaw_comm *comm, int lanes,
				  const struct thaw_sharding *shards, int64_t slots,
				  const struct thaw_allreduce_update *use);
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
