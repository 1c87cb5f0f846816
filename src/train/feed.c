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

static uint64_t epoch_number(const struct run *r)
{
	return (uint64_t)(r->at.phase << 32 | r->at.epoch);
}

/* A new view in every epoch, or --views of them in turn: the first is that of evaluation, the others are augmented. */
static void choose_view(const struct run *r, struct thaw_feature_request *request)
{
	int views = r->options.views;
	request->epoch = epoch_number(r);
	request->view = views > 0 ? (uint64_t)(r->at.epoch % views) : request->epoch;
	request->augment = views == 0 || request->view > 0;
	if (run_phase_options(r)->fixres) {
		request->view = 0;
		request->augment = false;
	}
}

bool run_trains_native(const struct run *r)
{
	return r->sizes.mode == THAW_SIZES_NATIVE;
}

static struct thaw_size choose_size(const struct run *r, const struct thaw_feature_request *request, int64_t step)
{
	if (run_trains_native(r))
		return request->count > 0 ? thaw_own_size(&r->train_sizes, request->lane, request->samples[0])
					  : thaw_square(r->train_sizes.limits.smallest);
	if (run_phase_options(r)->fixres)
		return r->preprocess.size;
	struct thaw_step_place place = {.seed = request->seed,
					.epoch = r->at.epoch,
					.step = step,
					.lane = request->lane,
					.view = r->options.views > 0 ? (int64_t)request->view : -1};
	for (int i = 0; i < r->phase_count; i++) {
		place.epoch += i < r->at.phase ? r->phases[i].epochs : 0;
		place.epochs += r->phases[i].fixres ? 0 : r->phases[i].epochs;
	}
	return thaw_sizes_at(&r->sizes, &place);
}

/* Where in the lane's order its batch begins; that of the number after the last one is its end. */
static int64_t batch_begin(const struct run *r, int lane, int64_t batch)
{
	int own = lane - r->first_lane;
	batch = min_int64(batch, r->batches[own]);
	if (r->order[own])
		return r->batch_first[own][batch];
	return min_int64(batch * run_lane_batch(r, lane), thaw_lane_count(r->train.count, r->options.lanes, lane));
}

/* The samples of the lane's order from `begin` on; valid until the next call. */
static const int64_t *samples_at(struct run *r, int lane, int64_t begin, int64_t count)
{
	const int64_t *order = r->order[lane - r->first_lane];
	if (order)
		return order + begin;
	thaw_lane_order_part(r->train.count, r->options.lanes, lane, (uint64_t)r->options.seed, epoch_number(r), begin,
			     count, r->batch_samples);
	return r->batch_samples;
}

thaw_status run_feed_ahead(struct run *r, int64_t step)
{
	if (step >= r->steps_per_epoch)
		return THAW_OK;
	for (int lane = r->first_lane; lane < r->end_lane; lane++) {
		int64_t begin = batch_begin(r, lane, step), count = batch_begin(r, lane, step + 1) - begin;
		struct thaw_feature_request request = {
			.samples = samples_at(r, lane, begin, count),
			.count = count,
			.lane = lane,
			.seed = (uint64_t)r->options.seed,
			.visits = r->visits ? r->visits[lane - r->first_lane] + begin : NULL,
		};
		choose_view(r, &request);
		request.size = choose_size(r, &request, step);
		THAW_TRY(thaw_features_submit(r->phase.train_features, &request));
	}
	return THAW_OK;
}

/* The order of the lane's samples in this epoch, and its batches, if they are kept. */
static thaw_status arrange_lane(struct run *r, int lane)
{
	static const struct thaw_own_sizes none = {0};
	int own = lane - r->first_lane;
	uint64_t seed = (uint64_t)r->options.seed, epoch = epoch_number(r);
	if (!r->order[own])
		return THAW_OK;
	int64_t images = thaw_lane_count(r->train.count, r->options.lanes, lane);
	struct thaw_random shuffle = thaw_random_stream(seed, THAW_STREAM_BATCHES, epoch, (uint64_t)lane);
	const struct thaw_own_sizes *sizes = run_trains_native(r) ? &r->train_sizes : &none;
	if (r->class_images)
		THAW_TRY(thaw_lane_balanced_order(&r->train, r->class_images, r->options.lanes, lane, seed, epoch,
						  r->order[own], r->visits[own]));
	else
		thaw_lane_order(r->train.count, r->options.lanes, lane, seed, epoch, r->order[own]);
	return thaw_batches_arrange(sizes, r->order[own], images, lane, run_lane_batch(r, lane), &shuffle,
				    r->batch_first[own]);
}

thaw_status run_feed_epoch(struct run *r)
{
	for (int lane = r->first_lane; lane < r->end_lane; lane++)
		THAW_TRY(arrange_lane(r, lane));
	for (int64_t ahead = 0; ahead < RUN_STEPS_AHEAD; ahead++)
		THAW_TRY(run_feed_ahead(r, r->at.step + ahead));
	return THAW_OK;
}
