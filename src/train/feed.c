/* Computes the order of samples in each lane and requests their features ahead of the steps. */
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/train/balanced_order.h"
#include "src/train/run.h"

int64_t run_lane_batch(const struct run *r, int lane)
{
	int64_t batch = r->options.batch, lanes = r->options.lanes;
	return batch * (lane + 1) / lanes - batch * lane / lanes;
}

/* A new view in every epoch, or --views of them in turn: the first is that of evaluation, the others are augmented. */
static void choose_view(const struct run *r, struct thaw_feature_request *request)
{
	int views = r->options.views;
	request->epoch = (uint64_t)(r->at.phase << 32 | r->at.epoch);
	request->view = views > 0 ? (uint64_t)(r->at.epoch % views) : request->epoch;
	request->augment = views == 0 || request->view > 0;
}

thaw_status run_feed_ahead(struct run *r, int64_t step)
{
	if (step >= r->steps_per_epoch)
		return THAW_OK;
	for (int lane = r->first_lane; lane < r->end_lane; lane++) {
		int64_t size = run_lane_batch(r, lane);
		int64_t all = thaw_lane_count(r->train.count, r->options.lanes, lane);
		int64_t first = min_int64(step * size, all);
		struct thaw_feature_request request = {
			.samples = r->order[lane - r->first_lane] + first,
			.count = min_int64(size, all - first),
			.lane = lane,
			.seed = (uint64_t)r->options.seed,
			.visits = r->visits ? r->visits[lane - r->first_lane] + first : NULL,
		};
		choose_view(r, &request);
		THAW_TRY(thaw_features_submit(r->phase.train_features, &request));
	}
	return THAW_OK;
}

thaw_status run_feed_epoch(struct run *r)
{
	uint64_t epoch = (uint64_t)(r->at.phase << 32 | r->at.epoch);
	for (int lane = r->first_lane; lane < r->end_lane; lane++) {
		int64_t *order = r->order[lane - r->first_lane];
		if (r->class_images)
			THAW_TRY(thaw_lane_balanced_order(&r->train, r->class_images, r->options.lanes, lane,
							  (uint64_t)r->options.seed, epoch, order,
							  r->visits[lane - r->first_lane]));
		else
			thaw_lane_order(r->train.count, r->options.lanes, lane, (uint64_t)r->options.seed, epoch,
					order);
	}
	for (int64_t ahead = 0; ahead < RUN_STEPS_AHEAD; ahead++)
		THAW_TRY(run_feed_ahead(r, r->at.step + ahead));
	return THAW_OK;
}
