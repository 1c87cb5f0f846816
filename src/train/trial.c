/* thaw_train_trial: the training loop without a run directory, for the accuracy that it reaches. */
#include <string.h>

#include "src/base/clock.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/memory.h"

/* Copies the given weights into the network's classifier, which must have the same shape. */
static thaw_status set_classifier(struct run *r, const struct thaw_classifier *c)
{
	struct thaw_graph *g = r->model->graph;
	const struct thaw_node *head = &g->nodes[g->head];
	struct thaw_param *weight = &g->params[head->params[0]];
	struct thaw_param *bias = head->param_count > 1 ? &g->params[head->params[1]] : NULL;
	int64_t classes = r->model->classes;
	if (weight->shape.ndim != 2 || thaw_shape_count(&weight->shape) != classes * c->width ||
	    (bias && thaw_shape_count(&bias->shape) != classes))
		return thaw_fail(THAW_SOFTWARE,
				 "the given classifier has %lld features, which is not the network's number",
				 (long long)c->width);
	memcpy(weight->data, c->weight, (size_t)(classes * c->width) * sizeof(float));
	if (bias)
		memcpy(bias->data, c->bias, (size_t)classes * sizeof(float));
	return THAW_OK;
}

static thaw_status after_step(struct run *r, bool stop, bool save)
{
	(void)save;
	if (r->too_damaged)
		return thaw_fail_damaged(&r->train, r->damaged, r->damaged_limit);
	return stop ? thaw_fail(THAW_UNFINISHED, "asked to stop during a trial") : THAW_OK;
}

static thaw_status train(struct run *r, struct thaw_trial *trial)
{
	double start = thaw_clock();
	for (int64_t phase = 0; phase < r->phase_count; phase++) {
		THAW_TRY(run_enter_phase(r, phase));
		start = thaw_clock();
		for (r->at.epoch = 0; r->at.epoch < r->phases[phase].epochs; run_end_epoch(r))
			THAW_TRY(run_epoch(r, after_step));
		r->at.epoch = 0;
	}
	trial->steps = r->at.total_steps;
	trial->train_seconds = thaw_clock() - start;
	return THAW_OK;
}

static thaw_status evaluate(struct run *r, struct thaw_trial *trial)
{
	double *sums;
	thaw_status status = run_evaluate(r, &sums);
	const struct thaw_measure measure = run_measure(r, &r->test, NULL);
	if (status == THAW_OK && sums[METRIC_IMAGES] > 0.0) {
		trial->images = (int64_t)sums[METRIC_IMAGES];
		trial->metric = thaw_metrics_main(&measure, sums);
		trial->top1 = r->test.task == THAW_TASK_CLASS ? trial->metric : 0.0;
		trial->loss = sums[METRIC_LOSS] / sums[METRIC_IMAGES];
	}
	thaw_free(sums);
	return status;
}

/* Of the last phase on this rank: trainable values, optimizer state, gradients, executors. */
static size_t buffer_bytes(const struct run *r)
{
	const struct run_phase *p = &r->phase;
	size_t floats = (size_t)p->params->length;
	for (int i = 0; r->optimizer->state_names[i]; i++)
		floats += (size_t)thaw_sharding_own(&p->params->shards, r->comm->rank);
	return floats * sizeof(float) + thaw_allreduce_bytes(p->allreduce) + thaw_executor_bytes(p->tail_executor) +
	       thaw_executor_bytes(p->trunk_executor) + thaw_executor_bytes(p->eval_executor);
}

/* The time of the slowest rank and the memory of the largest. */
static thaw_status measure(const struct run *r, struct thaw_trial *trial)
{
	int64_t worst[] = {(int64_t)(1e9 * trial->train_seconds), (int64_t)buffer_bytes(r)};
	THAW_TRY(r->comm->max(r->comm, worst, 2));
	trial->train_seconds = 1e-9 * (double)worst[0];
	trial->bytes = (size_t)worst[1];
	return THAW_OK;
}

thaw_status thaw_train_trial(struct thaw_comm *comm, const struct thaw_train_options *options,
			     const struct thaw_dataset *train_data, const struct thaw_dataset *test_data,
			     const struct thaw_classifier *classifier, const struct thaw_callbacks *callbacks,
			     struct thaw_trial *trial)
{
	struct run r = {.comm = comm,
			.options = *options,
			.callbacks = callbacks,
			.train = *train_data,
			.test = *test_data,
			.borrowed_data = true};
	struct thaw_trial t = {0};
	r.options.out = NULL;
	thaw_status status = run_open(&r);
	if (status == THAW_OK && classifier)
		status = thaw_comm_agree(comm, set_classifier(&r, classifier));
	if (status == THAW_OK)
		status = train(&r, &t);
	if (status == THAW_OK)
		status = evaluate(&r, &t);
	if (status == THAW_OK)
		status = measure(&r, &t);
	if (r.diverged) {
		t = (struct thaw_trial){.diverged = true, .steps = r.at.total_steps};
		status = THAW_OK;
	}
	if (status == THAW_OK)
		*trial = t;
	run_close(&r);
	return status;
}
