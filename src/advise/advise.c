/* thaw_advise: opens data and network, measures, chooses a plan, reports. */
#include "thaw/advise.h"

#include <time.h>

#include "src/advise/advice.h"
#include "src/advise/sampling.h"
#include "src/advise/scores.h"
#include "src/base/clock.h"
#include "src/base/compare.h"
#include "src/base/try.h"
#include "src/train/warnings.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define MIN_IMAGES 6 /* in total; with fewer only the similarity is measured */

void thaw_advise_defaults(struct thaw_advise_options *o)
{
	struct thaw_train_options train;
	thaw_train_defaults(&train);
	*o = (struct thaw_advise_options){.model = train.model,
					  .test_share = train.test_share,
					  .seed = train.seed,
					  .decode_threads = train.decode_threads,
					  .out = "advice"};
}

/* CPU time of this process. */
static double core_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static thaw_status open_model(struct advice *a)
{
	const struct thaw_advise_options *o = a->options;
	THAW_TRY(thaw_model_load_key(&a->model, o->model, o->weights_key, 0, (uint64_t)o->seed));
	thaw_graph_set_precision(a->model->graph, o->precision);
	/* At the network's default size, so that the cuts do not depend on --size. */
	THAW_TRY(thaw_cuts_choose(a->model->graph, a->model->preprocess.size, a->cut, &a->cut_count));
	THAW_TRY(thaw_model_set_preprocess(a->model, o->size, &o->images));
	a->model->preprocess.native = (struct thaw_native){0}; /* measured at one size */
	return THAW_OK;
}

/* Not collective: opens what this rank needs. */
static thaw_status open_here(struct advice *a)
{
	THAW_TRY(thaw_budget_parse(&a->budget, a->options->budget));
	THAW_TRY(thaw_advice_open_data(a));
	return open_model(a);
}

static thaw_status compare_ranks(struct advice *a)
{
	THAW_TRY(thaw_comm_same_digest(a->comm, a->data_digest, "set of training images",
				       "give every rank the same --data"));
	return thaw_model_same(a->comm, a->model);
}

static thaw_status measure_activations(struct advice *a)
{
	const struct thaw_advise_options *o = a->options;
	THAW_TRY(thaw_activations_collect(&a->activations, a->comm, a->model, a->cut, a->cut_count, &a->dataset,
					  thaw_advise_lanes(o, a->comm), o->decode_threads, a->callbacks));
	thaw_status status = thaw_advice_count_measured(a);
	if (status == THAW_OK)
		status = thaw_similarity_measure(&a->similarity, &a->activations);
	if (status == THAW_OK && a->model->pretrained && !a->model->features_only && a->measured_classes > 1) {
		const struct thaw_feature_table t = {a->activations.count, a->activations.source_classes,
						     a->activations.probability, a->activations.labels,
						     a->dataset.classes};
		status = thaw_leep(&t, &a->leep);
		a->has_leep = status == THAW_OK;
	}
	THAW_TRY(thaw_comm_agree(a->comm, status));
	/* LEEP decides which pilots run, so all ranks must use the same value; on other CPUs the last bits may differ.
	 */
	return a->comm->broadcast(a->comm, &a->leep, sizeof(a->leep), 0);
}

static struct thaw_prior prior_of(const struct advice *a)
{
	double error = thaw_base_error(&a->curve[0]);
	return (struct thaw_prior){error, a->has_leep && thaw_prior_known(a->leep, error), thaw_prior_few(a->images)};
}

static thaw_status run_pilots(struct advice *a)
{
	const struct thaw_advise_options *o = a->options;
	struct thaw_train_options train;
	char size[THAW_SIZE_TEXT];
	thaw_train_defaults(&train);
	train.model = o->model;
	train.weights_key = o->weights_key;
	train.size = o->size.height > 0 ? thaw_size_text(o->size, size, sizeof(size)) : NULL;
	train.images = o->images;
	train.precision = o->precision;
	train.seed = o->seed;
	train.decode_threads = o->decode_threads;
	const struct thaw_pilot_inputs inputs = {.comm = a->comm,
						 .options = &train,
						 .dataset = &a->dataset,
						 .activations = &a->activations,
						 .cut = a->cut,
						 .callbacks = a->callbacks,
						 .prior = prior_of(a),
						 .recipe = a->recipe};
	return thaw_pilots_run(&a->pilots, &inputs);
}

/* Rank 0 reads past runs and broadcasts the calibration. */
static thaw_status read_history(struct advice *a)
{
	struct thaw_ledger *ledger = NULL;
	thaw_status status = THAW_OK;
	if (!a->options->history)
		return THAW_OK;
	if (a->comm->rank == 0) {
		status = thaw_ledger_read(a->options->history, &ledger);
		if (status == THAW_OK)
			status = thaw_ledger_calibrate(ledger, &a->calibration);
		if (status == THAW_OK && !(a->history = thaw_ledger_json(ledger, &a->calibration)))
			status = thaw_fail(THAW_RESOURCE, "out of memory: the history");
		thaw_ledger_destroy(ledger);
	}
	THAW_TRY(thaw_comm_agree(a->comm, status));
	a->has_history = true;
	return a->comm->broadcast(a->comm, &a->calibration, sizeof(a->calibration), 0);
}

static thaw_status measure(struct advice *a)
{
	THAW_TRY(measure_activations(a));
	THAW_TRY(thaw_image_cost_measure(&a->image, a->comm, a->model->graph, a->model->preprocess.size));
	a->plan = -1;
	if (a->measured_classes < 2 || a->activations.count < MIN_IMAGES || a->activations.width[0] == 0)
		return THAW_OK;
	a->recipe = thaw_recipe_for(a->images);
	THAW_TRY(thaw_curves_measure(a->curve, a->comm, &a->activations, a->dataset.classes,
				     (uint64_t)a->options->seed));
	THAW_TRY(run_pilots(a));
	const struct thaw_evidence evidence = {.cut_count = a->cut_count,
					       .cut = a->cut,
					       .curve = a->curve,
					       .pilots = &a->pilots,
					       .prior = prior_of(a)};
	thaw_choose(&a->choice, &evidence);
	a->probed = true;
	a->plan = thaw_advice_plan_choose(a);
	return THAW_OK;
}

static thaw_status write_file(const char *folder, const char *name, json_t *object)
{
	char *path = thaw_format("%s/%s", folder, name);
	thaw_status status = path && object ? thaw_report_file(path, object) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

/* Rank 0: makes the result and writes it and the plan to the folder. */
static thaw_status report(struct advice *a, json_t **result)
{
	if (!(*result = thaw_advice_json(a)))
		return thaw_fail(THAW_RESOURCE, "out of memory: the advice");
	if (!a->options->out)
		return THAW_OK;
	THAW_TRY(write_file(a->options->out, "advice.json", *result));
	if (a->plan < 0)
		return THAW_OK;
	json_t *plan = thaw_advice_plan_json(a, a->plan);
	thaw_status status = write_file(a->options->out, "plan.json", plan);
	json_decref(plan);
	return status;
}

static thaw_status sum_core_seconds(struct advice *a, double mine)
{
	double *cores = thaw_alloc((size_t)a->comm->size, sizeof(*cores));
	thaw_status status = thaw_comm_agree(a->comm, cores ? THAW_OK : THAW_RESOURCE);
	if (status == THAW_OK)
		status = a->comm->gather(a->comm, &mine, sizeof(mine), cores);
	for (int r = 0; r < a->comm->size && status == THAW_OK; r++)
		a->core_seconds += cores[r];
	thaw_free(cores);
	return status;
}

static void close_advice(struct advice *a)
{
	thaw_activations_release(&a->activations);
	thaw_similarity_release(&a->similarity);
	thaw_dataset_close(&a->dataset);
	thaw_dataset_close(&a->limited);
	json_decref(a->history);
	json_decref(a->found);
	thaw_model_destroy(a->model);
}

thaw_status thaw_advise(struct thaw_comm *comm, const struct thaw_advise_options *options,
			const struct thaw_callbacks *callbacks, json_t **result)
{
	struct advice a = {.comm = comm,
			   .options = options,
			   .callbacks = callbacks,
			   .rank_count = options->ranks ? options->ranks : comm->size};
	double start = thaw_clock(), cores = core_seconds();
	*result = NULL;
	thaw_status status = thaw_comm_agree(comm, open_here(&a));
	if (status == THAW_OK) /* after all ranks have listed the data: the folder may be inside it */
		status = thaw_comm_agree(comm,
					 options->out && comm->rank == 0 ? thaw_make_directory(options->out) : THAW_OK);
	if (status == THAW_OK)
		status = compare_ranks(&a);
	if (status == THAW_OK) {
		thaw_warn_random(comm, callbacks, a.model, "the advice means nothing: give FAMILY:FILE, or a run");
		thaw_warn_small_input(comm, callbacks, a.model, &a.dataset);
		status = read_history(&a);
	}
	if (status == THAW_OK) {
		thaw_log_found(comm, callbacks, a.found);
		thaw_log_preprocess(comm, callbacks, "", a.model);
	}
	if (status == THAW_OK)
		status = measure(&a);
	if (status == THAW_OK)
		status = sum_core_seconds(&a, core_seconds() - cores);
	a.seconds = thaw_clock() - start;
	if (status == THAW_OK)
		status = thaw_comm_agree(comm, comm->rank == 0 ? report(&a, result) : THAW_OK);
	if (status != THAW_OK) {
		json_decref(*result);
		*result = NULL;
	}
	close_advice(&a);
	return status;
}
