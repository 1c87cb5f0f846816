/* One training step, in the order in which run_step executes it (stage, file: function):
 *
 *   request   feed.c: run_feed_ahead                          requests the batches of a later step from the loader
 *   load      features.c: thaw_features_load_next             for each lane of this rank: the features of its batch
 *   forward   graph/execute.c: thaw_executor_forward          the tail
 *   loss      objective.c: thaw_objective_loss                and its gradient
 *   backward  graph/execute.c: thaw_executor_backward         in the rank's last lane it calls, after each node:
 *               overlap.c: node_done                          reports which part of the gradient vector is final
 *               allreduce/bucket.c: thaw_allreduce_advance    for the buckets that are final:
 *   reduce        bucket.c: start_round, reduce_and_update    exchanges them and sums this rank's shard
 *   update          step.c: run_update                        called with that sum: computes the shard's new weights by
 *                     flat_params.c: thaw_flat_params_update, optimizer.c
 *                 bucket.c: start_gathering                   sends the new weights to all ranks
 *   finish    allreduce/allreduce.c: thaw_allreduce_finish    completes reduce and update: all weights are new
 *   record    step.c: record_step                             metrics and position
 *
 * Reduce and update overlap with the backward pass of the last lane. A single rank does its whole update in finish.
 *
 * Gradients are of the sum of the weighted losses. The weights are summed in the same vector, and the update divides by
 * their sum, which is the number of images unless they have weights: lanes may be short or empty and images damaged,
 * and every image still counts by its weight.
 */
#include <math.h>
#include <string.h>

#include "src/base/clock.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/ops.h"

static float *slots_of(const struct run *r, float *vector)
{
	return vector + r->phase.params->length;
}

/* Writes the gradient of the loss by the logits to the executor's buffer, and the sums of the batch to the slots. */
static void compute_loss(struct run *r, const struct thaw_feature_batch *batch, const float *logits, float *slots)
{
	struct thaw_loss_sums sums;
	thaw_objective_loss(&r->objective, logits, batch->samples, batch->count,
			    thaw_executor_dlogits(r->phase.tail_executor), &sums);
	slots[SLOT_IMAGES] = (float)batch->count;
	slots[SLOT_WEIGHT] = (float)sums.weight;
	slots[SLOT_LOSS] = (float)sums.loss;
	slots[SLOT_CORRECT] = (float)sums.correct;
}

/* Writes the gradients to the vector. In the rank's last lane, gradients are reduced and weights updated meanwhile.
 * False: abandoned. */
static bool run_backward(struct run *r, float *vector)
{
	struct run_phase *p = &r->phase;
	thaw_allreduce_ready(p->allreduce, p->params->length); /* the slots, which are exchanged first */
	thaw_flat_params_bind(p->params, vector, p->gradient);
	return thaw_executor_backward(p->tail_executor, thaw_executor_dlogits(p->tail_executor), p->gradient);
}

/* Writes the gradients of the batch, zeros if it is empty, and the slots of its sums. The caller has set the flags. */
static void run_lane(struct run *r, const struct thaw_feature_batch *batch, float *vector)
{
	if (batch->count == 0) {
		memset(vector, 0, (size_t)r->phase.params->length * sizeof(*vector));
		return;
	}
	const float *logits = thaw_executor_forward(r->phase.tail_executor, batch->count, batch->keys);
	if (logits) {
		compute_loss(r, batch, logits, slots_of(r, vector));
		r->phase.abandoned = !run_backward(r, vector);
	} else {
		r->phase.abandoned = true;
		slots_of(r, vector)[SLOT_ABANDONED] = 1.0f;
	}
}

/* Whether --checkpoint-every requests a checkpoint after this step. Only rank 0 decides; the slots inform the others.
 */
static bool save_due(struct run *r)
{
	const struct thaw_train_options *o = &r->options;
	bool steps = o->checkpoint_steps > 0 && (r->at.total_steps + 1) % o->checkpoint_steps == 0;
	bool seconds = o->checkpoint_seconds > 0.0 && thaw_clock() - r->last_checkpoint >= o->checkpoint_seconds;
	return r->comm->rank == 0 && (run_watch_saves(r) || steps || seconds);
}

static bool stop_requested(const struct run *r)
{
	return r->callbacks && r->callbacks->stop && r->callbacks->stop(r->callbacks->context);
}

/* A launcher may kill a process soon after it has asked it to stop (mpirun after 1 s), so this rank leaves undone what
 * it is doing. Not the first step of a process that was asked before: a run that is stopped again and again advances.
 */
bool run_abandons(void *context)
{
	const struct run *r = context;
	return !r->keep_step && stop_requested(r);
}

/* The features of the next batch; phase.abandoned is set if this rank is asked to stop meanwhile. */
static thaw_status load_batch(struct run *r, struct thaw_feature_batch *batch)
{
	thaw_status status = thaw_features_load_next(r->phase.train_features, r->phase.tail_executor, batch);
	if (status != THAW_UNFINISHED)
		return status;
	r->phase.abandoned = true;
	return THAW_OK;
}

/* Load, forward, loss and backward of this rank's lanes; reduce and update begin meanwhile. If a lane's batch fails,
 * the lane contributes no images and sets SLOT_FAILED: the other ranks are in the all-reduce already and see the flag
 * there. If this rank is asked to stop, it computes nothing more, and SLOT_ABANDONED prevents all updates. If that is
 * after its slots were sent, run_step takes the updates back. */
static thaw_status forward_backward(struct run *r)
{
	struct run_phase *p = &r->phase;
	bool stop = false, save = save_due(r);
	thaw_status status = THAW_OK;
	for (int lane = r->first_lane; lane < r->end_lane; lane++) {
		float *vector = thaw_allreduce_next(p->allreduce);
		if (!vector)
			return THAW_SOFTWARE;
		struct thaw_feature_batch batch = {0};
		stop = stop || stop_requested(r);
		p->abandoned = p->abandoned || run_abandons(r);
		if (status == THAW_OK && !p->abandoned)
			status = load_batch(r, &batch);
		bool lone = p->lone_norm && batch.count == 1;
		if (status != THAW_OK || p->abandoned || lone)
			batch.count = 0;
		float *slots = slots_of(r, vector);
		memset(slots, 0, SLOTS * sizeof(*slots));
		slots[SLOT_LONE] = lone;
		slots[SLOT_FAILED] = status != THAW_OK;
		slots[SLOT_DAMAGED] = (float)batch.fresh;
		slots[SLOT_ABANDONED] = p->abandoned;
		slots[SLOT_STOP] = stop;
		slots[SLOT_SAVE] = save;
		slots[SLOT_UNSAVED] = r->saving.given_up;
		run_lane(r, &batch, vector);
		thaw_allreduce_push(p->allreduce);
	}
	return status;
}

static int64_t phase_step(const struct run *r)
{
	return r->at.epoch * r->steps_per_epoch + r->at.step;
}

static double learning_rate(const struct run *r)
{
	const struct phase_options *phase = run_phase_options(r);
	return phase->lr * thaw_schedule(phase_step(r), phase->epochs * r->steps_per_epoch, r->options.warmup);
}

/* Whether this step finds more damaged images than are allowed. The step then is not done. */
static bool too_damaged(const struct run *r, const float *slots)
{
	return r->damaged + (int64_t)slots[SLOT_DAMAGED] > r->damaged_limit;
}

/* Whether this step changes weights. The summed slots are the same on all ranks; a rank that abandons the step after
 * its slots were sent takes part in the exchange, but its sums are wrong. */
static bool can_update(const struct run *r, const float *slots)
{
	return !r->phase.abandoned && slots[SLOT_WEIGHT] > 0.0f && slots[SLOT_FAILED] == 0.0f &&
	       slots[SLOT_ABANDONED] == 0.0f && !too_damaged(r, slots) && isfinite(slots[SLOT_LOSS]);
}

void run_update(void *context, struct thaw_shard shard, float *total, const float *slots)
{
	struct run *r = context;
	if (!can_update(r, slots))
		return;
	if (r->phase.undo)
		thaw_undo_keep(r->phase.undo, r->phase.params, shard);
	const struct thaw_update update = {
		.scale = (float)(1.0 / (double)slots[SLOT_WEIGHT]),
		.lr = learning_rate(r),
		.weight_decay = r->options.weight_decay,
		.momentum = r->options.momentum,
		.t = phase_step(r) + 1,
	};
	r->phase.non_finite |= !thaw_flat_params_update(r->phase.params, shard, total, &update);
}

static thaw_status fail_diverged(struct run *r, const char *what)
{
	const struct phase_options *phase = run_phase_options(r);
	r->diverged = true;
	return thaw_fail(THAW_CONFIG, "%s at step %lld: --%slr %g: lower the learning rate", what,
			 (long long)r->at.total_steps + 1, strcmp(phase->name, "head") == 0 ? "head-" : "", phase->lr);
}

/* Fails on all ranks if the loss, or a gradient or weight of any rank's shards, is not finite. */
static thaw_status check_finite(struct run *r, const float *slots, bool non_finite)
{
	if (slots[SLOT_IMAGES] > 0.0f && !isfinite(slots[SLOT_LOSS]))
		return fail_diverged(r, isnan(slots[SLOT_LOSS]) ? "the loss is not finite (nan)"
								: "the loss is not finite (inf)");
	return non_finite ? fail_diverged(r, "a gradient or a weight is not finite (inf or nan)") : THAW_OK;
}

/* Once per epoch, as few as there are images that can be repaired. */
static void log_lone_lanes(struct run *r, const float *slots)
{
	if (slots[SLOT_LONE] == 0.0f || r->lone_logged == r->at.epoch + 1)
		return;
	r->lone_logged = r->at.epoch + 1;
	run_log(r,
		"skipped in step %lld, and perhaps later in this epoch: an image whose lane has no other that can be "
		"read: batch norm %s would normalise one value per channel: repair the damaged images, or give a "
		"larger "
		"--batch",
		(long long)r->at.total_steps + 1, r->phase.lone_norm);
}

/* Advances the position and writes metrics. The slots are the same on all ranks, so all take the same branches. */
static thaw_status record_step(struct run *r, const float *slots, bool non_finite)
{
	double images = slots[SLOT_IMAGES], weight = slots[SLOT_WEIGHT], lr = learning_rate(r);
	THAW_TRY(check_finite(r, slots, non_finite));
	log_lone_lanes(r, slots);
	r->at.epoch_images += images;
	if (weight > 0.0) /* the mean of the step, as that of so many images */
		r->at.epoch_loss += slots[SLOT_LOSS] * (images / weight);
	r->at.epoch_correct += slots[SLOT_CORRECT];
	r->at.step++;
	r->at.total_steps++;
	if (weight > 0.0)
		run_metrics_step(r, slots[SLOT_LOSS] / weight, slots[SLOT_CORRECT] / images, lr);
	return THAW_OK;
}

/* Completes what the backward pass has not reduced and updated. *slots: summed over all lanes. Collective. */
static thaw_status finish_reduce_and_update(struct run *r, const float **slots)
{
	return thaw_allreduce_finish(r->phase.allreduce, slots);
}

/* Takes this step's updates back on all ranks, unless the slots have prevented them. Collective. */
static thaw_status undo_step(struct run *r, const float *slots)
{
	if (!r->phase.undo || slots[SLOT_ABANDONED] > 0.0f)
		return THAW_OK;
	return thaw_undo_restore(r->phase.undo, r->phase.params, r->comm);
}

static void begin_step(struct run *r)
{
	r->keep_step = r->at.total_steps == r->first_step && stop_requested(r);
	r->phase.non_finite = r->phase.abandoned = false;
	if (r->phase.undo)
		thaw_undo_begin(r->phase.undo);
}

thaw_status run_step(struct run *r, bool *stop, bool *save)
{
	const float *slots;
	THAW_TRY(run_feed_ahead(r, r->at.step + RUN_STEPS_AHEAD));
	begin_step(r);
	thaw_status status = forward_backward(r);
	r->keep_step = false;
	THAW_TRY(finish_reduce_and_update(r, &slots));
	r->comm->step(r->comm);
	if (slots[SLOT_FAILED] > 0.0f)
		return thaw_comm_agree(r->comm, status);
	int64_t any[] = {r->phase.abandoned, r->phase.non_finite}; /* on any rank */
	THAW_TRY(r->comm->max(r->comm, any, 2));
	r->too_damaged = too_damaged(r, slots);
	r->damaged += (int64_t)slots[SLOT_DAMAGED];
	*stop = slots[SLOT_STOP] > 0.0f || any[0] || r->too_damaged;
	if (any[0] || r->too_damaged) /* the state is that after the previous step */
		return undo_step(r, slots);
	*save = slots[SLOT_SAVE] > 0.0f;
	r->unsaved = slots[SLOT_UNSAVED] > 0.0f;
	return record_step(r, slots, any[1] != 0);
}
