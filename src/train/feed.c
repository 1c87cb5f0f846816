/* Which samples come when: lane orders and the requests to the loader. */
#include "src/train/run.h"

int64_t run_lane_batch(const struct run *r, int lane)
{
	int64_t batch = r->options.batch, lanes = r->options.lanes;
	return batch * (lane + 1) / lanes - batch * lane / lanes;
}

thaw_status run_feed_ahead(struct run *r, int64_t step)
{
	if (step >= r->steps_per_epoch)
		return THAW_OK;
	for (int lane = r->first_lane; lane < r->end_lane; lane++) {
		int64_t size = run_lane_batch(r, lane);
		int64_t all = thaw_lane_count(r->train.count, r->options.lanes, lane);
		int64_t first = step * size < all ? step * size : all;
		struct thaw_batch_request request = {
			.samples = r->order[lane - r->first_lane] + first,
			.count = first + size < all ? size : all - first,
			.training = true,
			.seed = (uint64_t)r->options.seed,
			.epoch = (uint64_t)(r->at.phase << 32 | r->at.epoch),
			.size = r->preprocess.size,
		};
		THAW_TRY(thaw_loader_submit(r->train_loader, &request));
	}
	return THAW_OK;
}

thaw_status run_feed_epoch(struct run *r)
{
	uint64_t epoch = (uint64_t)(r->at.phase << 32 | r->at.epoch);
	for (int lane = r->first_lane; lane < r->end_lane; lane++)
		thaw_lane_order(r->train.count, r->options.lanes, lane, (uint64_t)r->options.seed, epoch,
				r->order[lane - r->first_lane]);
	for (int64_t ahead = 0; ahead < RUN_STEPS_AHEAD; ahead++)
		THAW_TRY(run_feed_ahead(r, r->at.step + ahead));
	return THAW_OK;
}
