/* thaw_advise: opens data and network, measures, chooses a plan, reports. */
#include "thaw/advise.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "src/advise/advice.h"
#include "src/advise/sampling.h"
#include "src/advise/scores.h"
#include "src/base/clock.h"
#include "thaw/file.h"
#include "thaw/report.h"
#include "thaw/tensor.h"

#define MIN_PER_CLASS 2 /* images of a class that can be measured */
#define MIN_IMAGES    6 /* in total; with fewer only the similarity is measured */

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

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Sorts size[classes]. */
static void describe_sizes(struct advice *a, int64_t *size, int classes)
{
	qsort(size, (size_t)classes, sizeof(*size), ascending);
	a->least = size[0];
	a->median = size[classes / 2];
	a->most = size[classes - 1];
}

static thaw_status count_classes(struct advice *a, const struct thaw_dataset *all)
{
	int64_t *size = thaw_alloc((size_t)all->classes, sizeof(*size));
	if (!size)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < all->count; i++)
		size[all->labels[i]]++;
	for (int c = 0; c < all->classes; c++) {
		if (size[c] >= MIN_PER_CLASS)
			continue;
		if (a->single_image_classes++ == 0)
			snprintf(a->single_image_name, sizeof(a->single_image_name), "%s", all->class_names[c]);
	}
	a->images = all->count;
	a->data_digest = thaw_dataset_digest(all);
	describe_sizes(a, size, all->classes);
	thaw_free(size);
	return THAW_OK;
}

/* Drops classes with one image, of which nothing can be held out. If that leaves fewer than two classes, keeps all, for
 * the similarity. */
static thaw_status drop_single_image_classes(struct advice *a)
{
	const struct thaw_dataset *d = &a->limited;
	int64_t *size = thaw_alloc((size_t)d->classes, sizeof(*size)), kept = 0;
	int64_t *row = thaw_alloc((size_t)d->count, sizeof(*row));
	thaw_status status = size && row ? THAW_OK : THAW_RESOURCE;
	for (int64_t i = 0; i < d->count && status == THAW_OK; i++)
		size[d->labels[i]]++;
	for (int c = 0; c < d->classes && status == THAW_OK; c++)
		a->measured_classes += size[c] >= MIN_PER_CLASS;
	for (int64_t i = 0; i < d->count && status == THAW_OK; i++)
		if (size[d->labels[i]] >= MIN_PER_CLASS || a->measured_classes < 2)
			row[kept++] = i;
	if (status == THAW_OK)
		status = thaw_dataset_subset(&a->dataset, d, row, kept);
	thaw_free(size);
	thaw_free(row);
	return status;
}

/* The test images are not read, only counted: their evaluation is part of the cost of a plan. */
static void count_tests(struct advice *a, const struct thaw_dataset_options *options)
{
	struct thaw_dataset test;
	if (thaw_dataset_open(&test, a->options->data, THAW_SPLIT_TEST, options) != THAW_OK)
		return;
	a->test_images = test.count;
	thaw_dataset_close(&test);
}

static thaw_status open_data(struct advice *a)
{
	const struct thaw_advise_options *o = a->options;
	struct thaw_dataset_options options = {
		.test_share = o->test_share, .seed = (uint64_t)o->seed, .limit_per_class = o->per_class};
	struct thaw_dataset all;
	if (!o->data)
		return thaw_fail(THAW_USAGE, "no data: --data: name a folder of images");
	THAW_TRY(thaw_dataset_open(&all, o->data, THAW_SPLIT_TRAIN, &options));
	thaw_status status = count_classes(a, &all);
	thaw_dataset_close(&all);
	THAW_TRY(status);
	count_tests(a, &options);
	THAW_TRY(thaw_sample_open(&a->limited, o));
	return drop_single_image_classes(a);
}

static thaw_status open_model(struct advice *a)
{
	const struct thaw_advise_options *o = a->options;
	THAW_TRY(thaw_model_load(&a->model, o->model, 0, (uint64_t)o->seed));
	/* At the network's default size, so that the cuts do not depend on --size. */
	THAW_TRY(thaw_cuts_choose(a->model->graph, a->model->preprocess.size, a->cut, &a->cut_count));
	return thaw_model_set_size(a->model, o->size);
}

/* Not collective: opens what this rank needs. */
static thaw_status open_here(struct advice *a)
{
	THAW_TRY(thaw_budget_parse(&a->budget, a->options->budget));
	if (a->options->out && a->comm->rank == 0)
		THAW_TRY(thaw_make_directory(a->options->out));
	THAW_TRY(open_data(a));
	return open_model(a);
}

static thaw_status compare_ranks(struct advice *a)
{
	THAW_TRY(thaw_comm_same_digest(a->comm, a->data_digest, "training images", "give every rank the same --data"));
	return thaw_comm_same_digest(a->comm, a->model->digest, "model file", "give every rank the same --model");
}

/* Counts again without the images that turned out to be damaged. */
static thaw_status count_measured(struct advice *a)
{
	int64_t *size = thaw_alloc((size_t)a->dataset.classes, sizeof(*size));
	if (!size)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < a->activations.count; i++)
		size[a->activations.labels[i]]++;
	a->measured_classes = 0;
	for (int c = 0; c < a->dataset.classes; c++)
		a->measured_classes += size[c] >= MIN_PER_CLASS;
	thaw_free(size);
	return THAW_OK;
}

static thaw_status measure_activations(struct advice *a)
{
	const struct thaw_advise_options *o = a->options;
	THAW_TRY(thaw_activations_collect(&a->activations, a->comm, a->model, a->cut, a->cut_count, &a->dataset,
					  thaw_advise_lanes(o, a->comm), o->decode_threads, a->callbacks));
	thaw_status status = count_measured(a);
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
	thaw_train_defaults(&train);
	train.model = o->model;
	train.size = o->size;
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
	if (status == THAW_OK)
		status = compare_ranks(&a);
	if (status == THAW_OK)
		status = read_history(&a);
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
