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

THAW_BEGIN_DECLS

/* First lane of a rank; thaw_lanes_first(L, R, R) == L. */
int thaw_lanes_first(int lanes, int ranks, int rank);

/* How many of `samples` lane l holds, and the k-th of them. */
int64_t thaw_lane_count(int64_t samples, int lanes, int lane);
int64_t thaw_lane_sample(int64_t k, int lanes, int lane);

/* The order in which a lane visits its samples in an epoch: order[count] receives dataset indices, a
 * permutation keyed by (seed, epoch, lane). */
void thaw_lane_order(int64_t samples, int lanes, int lane, uint64_t seed, uint64_t epoch, int64_t *order);

THAW_END_DECLS

#endif
