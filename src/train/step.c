/* One training step, in the order in which run_step executes it (stage, file: function):
 *
 *   request   feed.c: run_feed_ahead                          requests the batches of a later step from the loader
 *   load      features.c: thaw_features_load_next             for each lane of this rank: the features of its batch
 *   forward   graph/execute.c: thaw_executor_forward          the tail
 *   loss      ops/loss.c: thaw_cross_entropy                  and its gradient
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
 * Gradients are of the sum of the losses. The number of images is summed in the same vector, and the update divides by
 * it: lanes may be short or empty and images damaged, and every image still has the same weight.
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
	double sum = 0.0;
	int64_t correct = 0;
	thaw_cross_entropy(logits, batch->count, r->model->classes, batch->labels, (float)r->options.label_smoothing,
			   thaw_executor_dlogits(r->phase.tail_executor), &sum, &correct);
	slots[SLOT_IMAGES] = (float)batch->count;
	slots[SLOT_LOSS] = (float)sum;
	slots[SLOT_CORRECT] = (float)correct;
}

/* Writes the gradients to the vector. In the rank's last lane, gradients are reduced and weights updated meanwhile. */
static void run_backward(struct run *r, float *vector)
{
	struct run_phase *p = &r->phase;
	thaw_allreduce_ready(p->allreduce, p->params->length); /* the slots, which are exchanged first */
	thaw_flat_params_bind(p->params, vector, p->gradient);
	thaw_executor_backward(p->tail_executor, thaw_executor_dlogits(p->tail_executor), p->gradient);
}

/* Writes the gradients of the batch, zeros if it is empty, and the slots of its sums. The caller has set the flags. */
static void run_lane(struct run *r, const struct thaw_feature_batch *batch, float *vector)
{
	if (batch->count == 0) {
		memset(vector, 0, (size_t)r->phase.params->length * sizeof(*vector));
		return;
	}
	const float *logits = thaw_executor_forward(r->phase.tail_executor, batch->count, batch->keys);
	compute_loss(r, batch, logits, slots_of(r, vector));
	run_backward(r, vector);
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

/* Whether a rank that was asked to stop may leave this step undone: a launcher may kill it soon (mpirun after 1 s). Not
 * the first step of a process, so that a run that is stopped again and again still advances. */
static bool may_abandon(const struct run *r)
{
	return r->at.total_steps > r->first_step;
}

/* Load, forward, loss and backward of this rank's lanes; reduce and update begin meanwhile. If a lane's batch fails,
 * the lane contributes no images and sets SLOT_FAILED: the other ranks are in the all-reduce already and see the flag
 * there. If a rank is asked to stop, its lanes that have not begun contribute none and set SLOT_ABANDONED. */
static thaw_status forward_backward(struct run *r)
{
	struct run_phase *p = &r->phase;
	bool stop = false, abandoned = false, save = save_due(r);
	thaw_status status = THAW_OK;
	for (int lane = r->first_lane; lane < r->end_lane; lane++) {
		float *vector = thaw_allreduce_next(p->allreduce);
		if (!vector)
			return THAW_SOFTWARE;
		struct thaw_feature_batch batch = {0};
		stop = stop || stop_requested(r);
		abandoned = stop && may_abandon(r);
		if (status == THAW_OK && !abandoned)
			status = thaw_features_load_next(p->train_features, p->tail_executor, &batch);
		if (status != THAW_OK)
			batch.count = 0;
		float *slots = slots_of(r, vector);
		memset(slots, 0, SLOTS * sizeof(*slots));
		slots[SLOT_FAILED] = status != THAW_OK;
		slots[SLOT_ABANDONED] = abandoned;
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

/* Whether this step changes weights. Decided from the summed slots alone, so all ranks agree. */
static bool can_update(const float *slots)
{
	return slots[SLOT_IMAGES] > 0.0f && slots[SLOT_FAILED] == 0.0f && slots[SLOT_ABANDONED] == 0.0f &&
	       isfinite(slots[SLOT_LOSS]);
}

void run_update(void *context, struct thaw_shard shard, float *total, const float *slots)
{
	struct run *r = context;
	if (!can_update(slots))
		return;
	const struct thaw_update update = {
		.scale = (float)(1.0 / (double)slots[SLOT_IMAGES]),
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

/* Fails on all ranks if the loss, or a gradient or weight of any rank's shards, is not finite. Collective. */
static thaw_status check_finite(struct run *r, const float *slots)
{
	if (slots[SLOT_IMAGES] > 0.0f && !isfinite(slots[SLOT_LOSS]))
		return fail_diverged(r, isnan(slots[SLOT_LOSS]) ? "the loss is not finite (nan)"
								: "the loss is not finite (inf)");
	int64_t non_finite = r->phase.non_finite;
	THAW_TRY(r->comm->max(r->comm, &non_finite, 1));
	return non_finite ? fail_diverged(r, "a gradient or a weight is not finite (inf or nan)") : THAW_OK;
}

/* Advances the position and writes metrics. The slots are the same on all ranks, so all take the same branches. */
static thaw_status record_step(struct run *r, const float *slots)
{
	double images = slots[SLOT_IMAGES], lr = learning_rate(r);
	THAW_TRY(check_finite(r, slots));
	r->at.epoch_images += images;
	r->at.epoch_loss += slots[SLOT_LOSS];
	r->at.epoch_correct += slots[SLOT_CORRECT];
	r->at.step++;
	r->at.total_steps++;
	if (images > 0.0)
		run_metrics_step(r, slots[SLOT_LOSS] / images, slots[SLOT_CORRECT] / images, lr);
	return THAW_OK;
}

/* Completes what the backward pass has not reduced and updated. *slots: summed over all lanes. Collective. */
static thaw_status finish_reduce_and_update(struct run *r, const float **slots)
{
	return thaw_allreduce_finish(r->phase.allreduce, slots);
}

thaw_status run_step(struct run *r, bool *stop, bool *save)
{
	const float *slots;
	THAW_TRY(run_feed_ahead(r, r->at.step + RUN_STEPS_AHEAD));
	r->phase.non_finite = false;
	thaw_status status = forward_backward(r);
	THAW_TRY(finish_reduce_and_update(r, &slots));
	if (slots[SLOT_FAILED] > 0.0f)
		return thaw_comm_agree(r->comm, status);
	*stop = slots[SLOT_STOP] > 0.0f;
	if (slots[SLOT_ABANDONED] > 0.0f) /* no weight has changed: the state is that after the previous step */
		return THAW_OK;
	*save = slots[SLOT_SAVE] > 0.0f;
	r->unsaved = slots[SLOT_UNSAVED] > 0.0f;
	return record_step(r, slots);
}
