/* One training step: every lane's gradient, their sum, one update that is the same on every rank.
 *
 * Gradients are of the sum of losses; the number of images is summed with them, and the update divides by
 * it. So lanes may be short or empty, images may turn out damaged, and every image still counts the same.
 */
#include <math.h>
#include <string.h>

#include "src/train/run.h"
#include "thaw/ops.h"

static void run_lane(struct run *r, const struct thaw_feature_batch *batch, float *vector)
{
	float *slots = vector + r->tail->length;
	if (batch->count == 0)
		return;
	const float *logits = thaw_plan_forward(r->plan, batch->count, batch->keys);
	double loss = 0.0;
	int64_t correct = 0;
	thaw_cross_entropy(logits, batch->count, r->model->classes, batch->labels, (float)r->options.label_smoothing,
			   thaw_plan_dlogits(r->plan), &loss, &correct);
	slots[SLOT_IMAGES] = (float)batch->count;
	slots[SLOT_LOSS] = (float)loss;
	slots[SLOT_CORRECT] = (float)correct;
	thaw_tail_bind(r->tail, vector, r->gradient);
	thaw_plan_backward(r->plan, thaw_plan_dlogits(r->plan),
			   r->gradient); /* parts of the vector set out meanwhile */
}

/* A lane that cannot be had is pushed as zeros with SLOT_FAILED set: the other ranks are in the sum
 * already, and learn of it there. */
static thaw_status run_lanes(struct run *r)
{
	bool asked = r->observer && r->observer->stop && r->observer->stop(r->observer->context);
	thaw_status status = THAW_OK;
	for (int lane = r->first_lane; lane < r->end_lane; lane++) {
		float *vector = thaw_sum_next(r->sum);
		if (!vector)
			return THAW_SOFTWARE;
		struct thaw_feature_batch batch;
		if (status == THAW_OK)
			status = thaw_features_next(r->train_features, r->plan, &batch);
		vector[r->tail->length + SLOT_FAILED] = status != THAW_OK;
		vector[r->tail->length + SLOT_STOP] = asked;
		if (status == THAW_OK)
			run_lane(r, &batch, vector);
		thaw_sum_push(r->sum);
	}
	return status;
}

static thaw_status diverged(const struct run *r, const char *what)
{
	const struct phase *phase = &r->phases[r->at.phase];
	return thaw_fail(THAW_CONFIG, "%s no longer a number at step %lld: --%slr %g: lower the learning rate", what,
			 (long long)r->at.total_steps + 1, strcmp(phase->name, "head") == 0 ? "head-" : "", phase->lr);
}

static int64_t phase_step(const struct run *r)
{
	return r->at.epoch * r->steps_per_epoch + r->at.step;
}

/* The same numbers on every rank from here on, so every rank takes the same branches. */
static thaw_status apply(struct run *r, float *total)
{
	const struct phase *phase = &r->phases[r->at.phase];
	const float *slots = total + r->tail->length;
	double images = slots[SLOT_IMAGES];
	double lr = phase->lr * thaw_schedule(phase_step(r), phase->epochs * r->steps_per_epoch, r->options.warmup);
	if (images > 0.0) {
		if (!isfinite(slots[SLOT_LOSS]))
			return diverged(r, "the loss is");
		const struct thaw_update update = {
			.scale = (float)(1.0 / images),
			.lr = lr,
			.weight_decay = r->options.weight_decay,
			.momentum = r->options.momentum,
			.t = phase_step(r) + 1,
		};
		if (!thaw_tail_update(r->tail, total, &update))
			return diverged(r, "a gradient or a weight is");
	}
	r->at.epoch_images += images;
	r->at.epoch_loss += slots[SLOT_LOSS];
	r->at.epoch_correct += slots[SLOT_CORRECT];
	r->at.step++;
	r->at.total_steps++;
	if (images > 0.0)
		run_journal_step(r, slots[SLOT_LOSS] / images, slots[SLOT_CORRECT] / images, lr);
	return THAW_OK;
}

thaw_status run_step(struct run *r, bool *stop)
{
	THAW_TRY(run_feed_ahead(r, r->at.step + RUN_STEPS_AHEAD));
	thaw_status status = run_lanes(r);
	float *total;
	THAW_TRY(thaw_sum_reduce(r->sum, &total));
	const float *slots = total + r->tail->length;
	if (slots[SLOT_FAILED] > 0.0f)
		return thaw_comm_agree(r->comm, status);
	*stop = slots[SLOT_STOP] > 0.0f;
	return apply(r, total);
}
