/* thaw_train_trial: the training loop without a directory, for what it comes to. */
#include <string.h>

#include "src/base/clock.h"
#include "src/train/run.h"

/* The classifier's weights as given, where it is a linear layer on that many features. */
static thaw_status set_classifier(struct run *r, const struct thaw_classifier *c)
{
	struct thaw_graph *g = r->model->graph;
	const struct thaw_node *head = &g->nodes[g->head];
	struct thaw_param *weight = &g->params[head->params[0]];
	struct thaw_param *bias = head->param_count > 1 ? &g->params[head->params[1]] : NULL;
	int64_t classes = r->model->classes;
	if (weight->shape.ndim != 2 || thaw_shape_count(&weight->shape) != classes * c->width ||
	    (bias && thaw_shape_count(&bias->shape) != classes))
		return thaw_fail(THAW_SOFTWARE, "a classifier of %lld features for a network that has others",
				 (long long)c->width);
	memcpy(weight->data, c->weight, (size_t)(classes * c->width) * sizeof(float));
	if (bias)
		memcpy(bias->data, c->bias, (size_t)classes * sizeof(float));
	return THAW_OK;
}

static thaw_status train_epoch(struct run *r)
{
	THAW_TRY(run_feed_epoch(r));
	while (r->at.step < r->steps_per_epoch) {
		bool stop = false, save;
		THAW_TRY(run_step(r, &stop, &save));
		if (stop)
			return thaw_fail(THAW_UNFINISHED, "asked to stop during a trial");
	}
	r->at.step = 0;
	r->at.epoch_images = r->at.epoch_loss = r->at.epoch_correct = 0.0;
	return THAW_OK;
}

static thaw_status train(struct run *r, struct thaw_trial *trial)
{
	double start = thaw_clock();
	for (int64_t phase = 0; phase < r->phase_count; phase++) {
		THAW_TRY(run_enter_phase(r, phase));
		start = thaw_clock();
		for (r->at.epoch = 0; r->at.epoch < r->phases[phase].epochs; r->at.epoch++)
			THAW_TRY(train_epoch(r));
		r->at.epoch = 0;
	}
	trial->steps = r->at.total_steps;
	trial->train_seconds = thaw_clock() - start;
	return THAW_OK;
}

static thaw_status evaluate(struct run *r, struct thaw_trial *trial)
{
	double *sums = thaw_alloc((size_t)thaw_metrics_size((int)r->model->classes), sizeof(*sums));
	thaw_status status = thaw_comm_agree(r->comm, sums ? THAW_OK : THAW_RESOURCE);
	if (status == THAW_OK)
		status = run_evaluate(r, sums);
	if (status == THAW_OK && sums[METRIC_IMAGES] > 0.0) {
		trial->images = (int64_t)sums[METRIC_IMAGES];
		trial->top1 = sums[METRIC_TOP1] / sums[METRIC_IMAGES];
		trial->loss = sums[METRIC_LOSS] / sums[METRIC_IMAGES];
	}
	thaw_free(sums);
	return status;
}

/* Of the last phase: what trains, what the optimizer keeps of this rank's shares, gradients, executors. */
static size_t buffer_bytes(const struct run *r)
{
	size_t floats = (size_t)r->params->length;
	for (int i = 0; r->optimizer->state_names[i]; i++)
		floats += (size_t)thaw_sharding_own(&r->params->shards, r->comm->rank);
	return floats * sizeof(float) + thaw_allreduce_bytes(r->allreduce) + thaw_executor_bytes(r->tail_executor) +
	       thaw_executor_bytes(r->trunk_executor) + thaw_executor_bytes(r->eval_executor);
}

/* Time and memory are those of the worst rank. */
static thaw_status measure(const struct run *r, struct thaw_trial *trial)
{
	int64_t most[] = {(int64_t)(1e9 * trial->train_seconds), (int64_t)buffer_bytes(r)};
	THAW_TRY(r->comm->max(r->comm, most, 2));
	trial->train_seconds = 1e-9 * (double)most[0];
	trial->bytes = (size_t)most[1];
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
			.lent = true};
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
