/* The all-reduce: sums vectors over the lanes of a run (thaw/lanes.h) and updates values with the total.
 *
 * The values are the same on all ranks before and after. Each rank gets the total of its shards and updates its shards
 * of the values with it; the updated values are gathered, not the total (reduce-scatter, update, allgather). The order
 * of additions is the tree over lanes, so the bits do not depend on the rank count.
 *
 * After its values, a vector has slots: a few numbers, such as a count of images, on which the update depends. They
 * are exchanged first, so that every rank has their totals before its first update.
 *
 * One step, on every rank: for each of its lanes in rising order thaw_allreduce_next, fill the vector,
 * thaw_allreduce_push; then thaw_allreduce_finish. To overlap the exchange with filling the vector, call
 * thaw_allreduce_ready meanwhile.
 *
 * Memory: for the m lanes of a rank 1 + log2(m) vectors if m and its first lane are powers of two (one if m is 1), and
 * never more than 2 * log2(m) + 2; and buffers for a few buckets. */
#ifndef THAW_ALLREDUCE_H
#define THAW_ALLREDUCE_H

#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/comm.h"
#include "thaw/error.h"
#include "thaw/shards.h"

THAW_BEGIN_DECLS

struct thaw_allreduce;

struct thaw_allreduce_update {
	void *context;
	/* Updates the values of the shard, or of a part of it, with total[shard.count], which may be overwritten.
	 * slots: the totals of the slots. Called once for every value of this rank's shards, in any order, from within
	 * thaw_allreduce_ready, _push and _finish: while the backward pass of the last lane runs, but only for values
	 * whose gradients are final on all ranks. */
	void (*update)(void *context, struct thaw_shard shard, float *total, const float *slots);
	float *values; /* [shards->length] */
};

/* `lanes`: of the run. `shards`: how the values are divided. `slots`: their number. `update` is copied; what it points
 * to must outlive the all-reduce. THAW_CONFIG when there are more ranks than lanes. Not collective. */
thaw_status thaw_allreduce_create(struct thaw_allreduce **allreduce, struct thaw_comm *comm, int lanes,
				  const struct thaw_sharding *shards, int64_t slots,
				  const struct thaw_allreduce_update *update);
void thaw_allreduce_destroy(struct thaw_allreduce *allreduce);       /* NULL is fine */
size_t thaw_allreduce_bytes(const struct thaw_allreduce *allreduce); /* of the vectors, without exchange buffers */

/* The vector of this rank's next lane, for the caller to fill: length + slots floats. Positions that the caller writes
 * in no step stay zero. Owned by the all-reduce. NULL, with a message, when called more often than the rank has lanes.
 */
float *thaw_allreduce_next(struct thaw_allreduce *allreduce);
/* Reports that the vector is final from offset `from` on. In the rank's last lane this starts the exchange of the
 * buckets that are final and advances those in progress; in other lanes it does nothing. For a backward pass, which
 * computes gradients from the last to the first. Failures are returned by thaw_allreduce_finish. */
void thaw_allreduce_ready(struct thaw_allreduce *allreduce, int64_t from);
/* Ends the lane: its whole vector is final. */
void thaw_allreduce_push(struct thaw_allreduce *allreduce);
/* Completes the exchange: the values have been updated, to the same bits on every rank. *slots: the totals of the
 * slots, valid until the next thaw_allreduce_next. THAW_SOFTWARE when a lane is missing. Collective. */
thaw_status thaw_allreduce_finish(struct thaw_allreduce *allreduce, const float **slots);

/* The same tree in double precision, for metrics: values (lanes, n), of which this rank has filled the rows of its
 * lanes; total[n] on every rank. Collective. */
thaw_status thaw_allreduce_doubles(struct thaw_comm *comm, int lanes, int n, const double *values, double *total);

THAW_END_DECLS

#endif
