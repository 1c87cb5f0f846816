/* One epoch of a run or of a trial, and the evaluation after it. */
#include <math.h>

#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/found.h"
#include "thaw/memory.h"

thaw_status run_epoch(struct run *r, run_after_step *after_step)
{
	run_contents_begin_epoch(r);
	THAW_TRY(run_feed_epoch(r));
	while (r->at.step < r->steps_per_epoch) {
		bool stop = false, save = false;
		THAW_TRY(run_step(r, &stop, &save));
		THAW_TRY(after_step(r, stop, save));
	}
	return THAW_OK;
}

void run_end_epoch(struct run *r)
{
	r->at.epoch++;
	r->at.step = 0;
	r->at.epoch_images = r->at.epoch_loss = r->at.epoch_correct = 0.0;
}

thaw_status run_check_damaged(struct run *r, const struct thaw_dataset *dataset, const double *sums)
{
	int64_t damaged = (int64_t)sums[METRIC_DAMAGED], limit = thaw_damage_limit(dataset, r->options.max_damaged);
	r->too_damaged = damaged > limit;
	return r->too_damaged ? thaw_fail_damaged(dataset, damaged, limit) : THAW_OK;
}

struct thaw_measure run_measure(const struct run *r, const struct thaw_dataset *dataset, const float *thresholds)
{
	return (struct thaw_measure){.dataset = dataset,
				     .thresholds = thresholds,
				     .mean = r->model->value_mean,
				     .deviation = r->model->value_deviation};
}

static thaw_status evaluate(struct run *r, const struct thaw_measure *measure, double *sums)
{
	const struct thaw_evaluation e = {
		.comm = r->comm,
		.executor = r->phase.eval_executor,
		.dataset = &r->test,
		.features = r->phase.test_features,
		.size = r->preprocess.size,
		.sizes = &r->test_sizes,
		.lanes = r->options.lanes,
		.measure = measure,
		.damage = r->test_damage,
		.callbacks = r->callbacks,
	};
	THAW_TRY(thaw_evaluation_run(&e, sums));
	THAW_TRY(run_check_damaged(r, &r->test, sums));
	r->diverged = !isfinite(sums[METRIC_LOSS]);
	return r->diverged
		       ? thaw_fail(THAW_CONFIG,
				   "the loss of the %s images is not finite (%g) after step %lld: --lr %g: lower the "
				   "learning rate",
				   thaw_dataset_kind(&r->test), sums[METRIC_LOSS], (long long)r->at.total_steps,
				   run_phase_options(r)->lr)
		       : THAW_OK;
}

thaw_status run_evaluate(struct run *r, double **sums)
{
	struct thaw_measure measure = run_measure(r, &r->test, NULL);
	*sums = thaw_alloc((size_t)thaw_metrics_size(&measure), sizeof(**sums));
	thaw_status status = *sums ? thaw_measure_open(&measure) : THAW_RESOURCE;
	status = thaw_comm_agree(r->comm, status);
	if (status == THAW_OK)
		status = evaluate(r, &measure, *sums);
	thaw_measure_close(&measure);
	return status;
}
