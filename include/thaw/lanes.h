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

#include "thaw/comm.h"

/* First lane of a rank; thaw_lanes_first(L, R, R) == L. */
int thaw_lanes_first(int lanes, int ranks, int rank);

/* How many of `samples` lane l holds, and the k-th of them. */
int64_t thaw_lane_count(int64_t samples, int lanes, int lane);
int64_t thaw_lane_sample(int64_t k, int lanes, int lane);

/* The order in which a lane visits its samples in an epoch: order[count] receives dataset indices, a
 * permutation keyed by (seed, epoch, lane). */
void thaw_lane_order(int64_t samples, int lanes, int lane, uint64_t seed, uint64_t epoch, int64_t *order);

/* A sum over lanes of vectors of n floats. Use: for each lane of this rank in rising order,
 * fill thaw_sum_next's vector and call thaw_sum_push; then thaw_sum_reduce. For the m lanes of a rank
 * it holds 1 + log2(m) vectors where m and its first lane are powers of two (one where m is 1), and never more
 * than 2 * log2(m) + 2; the exchange takes about one more (one share of n of each subtree of each rank).
 *
 * Vectors travel in buckets of so many floats, the last of the vector first. */
struct thaw_sum;

#define THAW_SUM_BUCKET (INT64_C(1) << 20) /* floats: long enough for a network's full speed at tens of ranks */

/* THAW_CONFIG when there are more ranks than lanes. */
thaw_status thaw_sum_create(struct thaw_sum **sum, struct thaw_comm *comm, int lanes, int64_t n, int64_t bucket);
void thaw_sum_destroy(struct thaw_sum *sum); /* NULL is fine */
/* The zeroed vector that the next lane of this rank adds into; NULL with a message after more calls than lanes. */
float *thaw_sum_next(struct thaw_sum *sum);
/* That vector is final from `from` on. In the rank's last lane buckets that are final set out now, and those under way
 * are moved on; else nothing happens. For a backward pass, which finishes gradients from the last to the first. What
 * fails here is reported by thaw_sum_reduce. */
void thaw_sum_final(struct thaw_sum *sum, int64_t from);
void thaw_sum_push(struct thaw_sum *sum);
/* Collective. The sum over all lanes, the same bits on every rank, valid until the next thaw_sum_next. The
 * exchange of a bucket is an all-to-all of chunks, a local tree, and an allgather. */
thaw_status thaw_sum_reduce(struct thaw_sum *sum, float **total);

/* The same tree over doubles, for metrics: values[lanes][n] of which this rank filled its lanes'
 * rows; total[n] on every rank. Collective. */
thaw_status thaw_sum_metrics(struct thaw_comm *comm, int lanes, int n, const double *values, double *total);

#endif
