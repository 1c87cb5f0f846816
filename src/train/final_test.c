/* The last word on a run: the accuracy on test/, which no decision of the training depended on. */
#include <math.h>

#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/memory.h"

/* Loader, damage and features of one evaluation. */
struct parts {
	struct thaw_loader *loader;
	struct thaw_damage *damage;
	struct thaw_features *features;
	struct thaw_own_sizes sizes;
};

static thaw_status open_parts(struct parts *p, struct run *r)
{
	THAW_TRY(thaw_loader_create(&p->loader, &r->final_test, &r->preprocess, NULL, r->options.decode_threads,
				    RUN_STEPS_AHEAD));
	thaw_loader_on_wait(p->loader, run_abandons, r);
	THAW_TRY(thaw_damage_create(&p->damage, &r->final_test));
	if (r->preprocess.native.stride > 0)
		THAW_TRY(thaw_own_sizes_read(&p->sizes, &r->final_test, &r->preprocess.native, r->options.lanes,
					     r->first_lane, r->end_lane));
	struct thaw_feature_parts parts = {
		.dataset = &r->final_test,
		.loader = p->loader,
		.damage = p->damage,
		.contents = r->contents[2],
		.trunk = r->phase.trunk_executor,
		.lanes = r->options.lanes,
		.first_lane = r->first_lane,
		.views = 1,
	};
	return thaw_features_create(&p->features, &parts);
}

static thaw_status evaluate(struct run *r, const struct parts *p, const struct thaw_measure *measure, double *sums)
{
	const struct thaw_evaluation e = {
		.comm = r->comm,
		.executor = r->phase.eval_executor,
		.dataset = &r->final_test,
		.features = p->features,
		.size = r->preprocess.size,
		.sizes = &p->sizes,
		.lanes = r->options.lanes,
		.measure = measure,
		.damage = p->damage,
		.callbacks = r->callbacks,
	};
	THAW_TRY(thaw_evaluation_run(&e, sums));
	THAW_TRY(run_check_damaged(r, &r->final_test, sums));
	return isfinite(sums[METRIC_LOSS]) ? THAW_OK
					   : thaw_fail(THAW_CONFIG,
						       "the loss of the test images is not finite (%g): --lr %g: lower "
						       "the learning rate",
						       sums[METRIC_LOSS], run_phase_options(r)->lr);
}

thaw_status run_evaluate_final(struct run *r, json_t **metrics)
{
	struct parts p = {0};
	struct thaw_measure measure = run_measure(r, &r->final_test, r->model->thresholds);
	double *sums = thaw_alloc((size_t)thaw_metrics_size(&measure), sizeof(*sums));
	thaw_status status = sums ? thaw_measure_open(&measure) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = open_parts(&p, r);
	status = thaw_comm_agree(r->comm, status);
	if (status == THAW_OK)
		status = evaluate(r, &p, &measure, sums);
	if (status == THAW_OK) {
		*metrics = thaw_metrics_json(&measure, sums);
		status = *metrics ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory for metrics");
	}
	thaw_features_destroy(p.features);
	thaw_loader_destroy(p.loader);
	thaw_damage_destroy(p.damage);
	thaw_own_sizes_release(&p.sizes);
	thaw_measure_close(&measure);
	thaw_free(sums);
	return status;
}
