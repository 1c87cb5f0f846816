/* One training step: every lane's gradient, their sum, one update, of which each rank does its shard.
 *
 * Gradients are of the sum of losses; the number of images is summed with them, and the update divides by
 * it. So lanes may be short or empty, images may turn out damaged, and every image still counts the same.
 */
#include <math.h>
#include <string.h>

#include "src/train/run.h"
#include "thaw/ops.h"

/* Overwrites the vector: gradients where there are images, else zeros; and the slots. */
static void run_lane(struct run *r, const struct thaw_feature_batch *batch, float *vector)
{
	float *slots = vector + r->params->length;
	if (batch->count == 0) {
		memset(vector, 0, (size_t)r->params->length * sizeof(*vector));
		return;
	}
	const float *logits = thaw_executor_forward(r->tail_executor, batch->count, batch->keys);
	double loss = 0.0;
	int64_t correct = 0;
	thaw_cross_entropy(logits, batch->count, r->model->classes, batch->labels, (float)r->options.label_smoothing,
			   thaw_executor_dlogits(r->tail_executor), &loss, &correct);
	slots[SLOT_IMAGES] = (float)batch->count;
	slots[SLOT_LOSS] = (float)loss;
	slots[SLOT_CORRECT] = (float)correct;
	thaw_allreduce_ready(r->allreduce, r->params->length);
	thaw_flat_params_bind(r->params, vector, r->gradient);
	thaw_executor_backward(r->tail_executor, thaw_executor_dlogits(r->tail_executor),
			       r->gradient); /* parts of the vector set out meanwhile */
}

/* A lane that cannot be had is pushed as no images with SLOT_FAILED set: the other ranks are in the sum
 * already, and learn of it there. */
static thaw_status run_lanes(struct run *r)
{
	bool asked = r->callbacks && r->callbacks->stop && r->callbacks->stop(r->callbacks->context);
	bool due = run_save_due(r);
	thaw_status status = THAW_OK;
	for (int lane = r->first_lane; lane < r->end_lane; lane++) {
		float *vector = thaw_allreduce_next(r->allreduce);
		if (!vector)
			return THAW_SOFTWARE;
		struct thaw_feature_batch batch = {0};
		if (status == THAW_OK)
			status = thaw_features_load_next(r->train_features, r->tail_executor, &batch);
		if (status != THAW_OK)
			batch.count = 0;
		float *slots = vector + r->params->length;
		memset(slots, 0, SLOTS * sizeof(*slots));
		slots[SLOT_FAILED] = status != THAW_OK;
		slots[SLOT_STOP] = asked;
		slots[SLOT_SAVE] = due;
		run_lane(r, &batch, vector);
		thaw_allreduce_push(r->allreduce);
	}
	return status;
}

static thaw_status diverged(struct run *r, const char *what)
{
	const struct phase *phase = &r->phases[r->at.phase];
	r->diverged = true;
	return thaw_fail(THAW_CONFIG, "%s no longer a number at step %lld: --%slr %g: lower the learning rate", what,
			 (long long)r->at.total_steps + 1, strcmp(phase->name, "head") == 0 ? "head-" : "", phase->lr);
}

static int64_t phase_step(const struct run *r)
{
	return r->at.epoch * r->steps_per_epoch + r->at.step;
}

static double learning_rate(const struct run *r)
{
	const struct phase *phase = &r->phases[r->at.phase];
	return phase->lr * thaw_schedule(phase_step(r), phase->epochs * r->steps_per_epoch, r->options.warmup);
}

/* Whether there is something to update with: decided by the slots alone, so by all ranks alike. */
static bool updates(const float *slots)
{
	return slots[SLOT_IMAGES] > 0.0f && slots[SLOT_FAILED] == 0.0f && isfinite(slots[SLOT_LOSS]);
}

void run_update(void *context, struct thaw_shard shard, float *total, const float *slots)
{
	struct run *r = context;
	if (!updates(slots))
		return;
	const struct thaw_update update = {
		.scale = (float)(1.0 / (double)slots[SLOT_IMAGES]),
		.lr = learning_rate(r),
		.weight_decay = r->options.weight_decay,
		.momentum = r->options.momentum,
		.t = phase_step(r) + 1,
	};
	r->infinite |= !thaw_flat_params_update(r->params, shard, total, &update);
}

/* Every rank has looked at its own shards only. */
static thaw_status check_finite(struct run *r, const float *slots)
{
	if (slots[SLOT_IMAGES] > 0.0f && !isfinite(slots[SLOT_LOSS]))
		return diverged(r, "the loss is");
	int64_t infinite = r->infinite;
	THAW_TRY(r->comm->max(r->comm, &infinite, 1));
	return infinite ? diverged(r, "a gradient or a weight is") : THAW_OK;
}

/* The same numbers on every rank, so every rank takes the same branches. */
static thaw_status account(struct run *r, const float *slots)
{
	double images = slots[SLOT_IMAGES], lr = learning_rate(r);
	THAW_TRY(check_finite(r, slots));
	r->at.epoch_images += images;
	r->at.epoch_loss += slots[SLOT_LOSS];
	r->at.epoch_correct += slots[SLOT_CORRECT];
	r->at.step++;
	r->at.total_steps++;
	if (images > 0.0)
		run_log_step(r, slots[SLOT_LOSS] / images, slots[SLOT_CORRECT] / images, lr);
	return THAW_OK;
}

thaw_status run_step(struct run *r, bool *stop, bool *save)
{
	THAW_TRY(run_feed_ahead(r, r->at.step + RUN_STEPS_AHEAD));
	r->infinite = false;
	thaw_status status = run_lanes(r);
	const float *slots;
	THAW_TRY(thaw_allreduce_finish(r->allreduce, &slots));
	if (slots[SLOT_FAILED] > 0.0f)
		return thaw_comm_agree(r->comm, status);
	*stop = slots[SLOT_STOP] > 0.0f;
	*save = slots[SLOT_SAVE] > 0.0f;
	return account(r, slots);
}
