/* Lanes: the fixed slices of a run.
 *
 * A run has L lanes, whatever its rank count. Lane l has the samples i with i % L == l. Rank r of R has the lanes
 * [r*L/R, (r+1)*L/R). Sums over lanes follow one binary tree: neighbours (0,1), (2,3), ... are added, then neighbours
 * of the results; a last vector without a neighbour moves up unchanged. The tree, and so every bit of the result, does
 * not depend on R.
 */
#ifndef THAW_LANES_H
#define THAW_LANES_H

#include <stdint.h>

#include "thaw/api.h"

THAW_BEGIN_DECLS

/* First lane of a rank; thaw_lanes_first(L, R, R) == L. */
int thaw_lanes_first(int lanes, int ranks, int rank);

/* How many of `samples` samples the lane has, and the index of its k-th. */
int64_t thaw_lane_count(int64_t samples, int lanes, int lane);
int64_t thaw_lane_sample(int64_t k, int lanes, int lane);

/* order[thaw_lane_count] receives the sample indices of the lane in the order in which an epoch visits them: a random
 * permutation that depends on (seed, epoch, lane) only. */
void thaw_lane_order(int64_t samples, int lanes, int lane, uint64_t seed, uint64_t epoch, int64_t *order);

/* thaw_lane_order shuffles lanes of up to so many samples; the order of longer lanes is computed position by position.
 */
#define THAW_LANE_SHUFFLED INT64_C(65536)

/* Writes order[count], the positions [begin, begin + count) of the order of a lane with more than THAW_LANE_SHUFFLED
 * samples. */
void thaw_lane_order_part(int64_t samples, int lanes, int lane, uint64_t seed, uint64_t epoch, int64_t begin,
			  int64_t count, int64_t *order);

THAW_END_DECLS

#endif
