/* Lanes: the lanes of each rank, and the samples of each lane. All are pure functions of numbers recorded with the run,
 * so nothing has to be saved or exchanged. */
#include "thaw/lanes.h"

#include "src/base/permutation.h"

int thaw_lanes_first(int lanes, int ranks, int rank)
{
	return (int)((int64_t)rank * lanes / ranks);
}

int64_t thaw_lane_count(int64_t samples, int lanes, int lane)
{
	return samples <= lane ? 0 : (samples - lane - 1) / lanes + 1;
}

int64_t thaw_lane_sample(int64_t k, int lanes, int lane)
{
	return k * lanes + lane;
}

void thaw_lane_order_part(int64_t samples, int lanes, int lane, uint64_t seed, uint64_t epoch, int64_t begin,
			  int64_t count, int64_t *order)
{
	struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_ORDER, epoch, (uint64_t)lane);
	struct thaw_permutation p = thaw_permutation_draw(&random, thaw_lane_count(samples, lanes, lane));
	for (int64_t k = 0; k < count; k++)
		order[k] = thaw_lane_sample(thaw_permutation_at(&p, begin + k), lanes, lane);
}

void thaw_lane_order(int64_t samples, int lanes, int lane, uint64_t seed, uint64_t epoch, int64_t *order)
{
	int64_t count = thaw_lane_count(samples, lanes, lane);
	if (count > THAW_LANE_SHUFFLED) {
		thaw_lane_order_part(samples, lanes, lane, seed, epoch, 0, count, order);
		return;
	}
	for (int64_t k = 0; k < count; k++)
		order[k] = thaw_lane_sample(k, lanes, lane);
	struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_ORDER, epoch, (uint64_t)lane);
	thaw_random_shuffle(&random, order, count);
}
