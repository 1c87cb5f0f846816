/* thaw_advise: from the data and the network to advice, step by step. */
#include "thaw/advise.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "src/advise/advice.h"
#include "src/advise/look.h"
#include "src/advise/scores.h"
#include "src/base/clock.h"
#include "src/base/compare.h"
#include "thaw/file.h"
#include "thaw/report.h"
#include "thaw/tensor.h"

#define LEAST_IMAGES  2 /* of a class to measure it */
#define FEWEST_IMAGES 6 /* of all classes together, below which nothing but the similarity is measured */

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

static double core_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* size[classes] is sorted. */
static void describe_sizes(struct advice *a, int64_t *size, int classes)
{
	qsort(size, (size_t)classes, sizeof(*size), compare_int64);
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
		if (size[c] >= LEAST_IMAGES)
			continue;
		if (a->lonely++ == 0)
			snprintf(a->lonely_name, sizeof(a->lonely_name), "%s", all->class_names[c]);
	}
	a->images = all->count;
	a->data_digest = thaw_dataset_digest(all);
	describe_sizes(a, size, all->classes);
	thaw_free(size);
	return THAW_OK;
}

/* Leaves out classes of one image: nothing can be learnt from it and tried on another. Where only such classes are, all
 * stay, for the similarity. */
static thaw_status leave_out_lonely(struct advice *a)
{
	const struct thaw_dataset *d = &a->limited;
	int64_t *size = thaw_alloc((size_t)d->classes, sizeof(*size)), kept = 0;
	int64_t *row = thaw_alloc((size_t)d->count, sizeof(*row));
	thaw_status status = size && row ? THAW_OK : THAW_RESOURCE;
	for (int64_t i = 0; i < d->count && status == THAW_OK; i++)
		size[d->labels[i]]++;
	for (int c = 0; c < d->classes && status == THAW_OK; c++)
		a->measured_classes += size[c] >= LEAST_IMAGES;
	for (int64_t i = 0; i < d->count && status == THAW_OK; i++)
		if (size[d->labels[i]] >= LEAST_IMAGES || a->measured_classes < 2)
			row[kept++] = i;
	if (status == THAW_OK)
		status = thaw_dataset_subset(&a->dataset, d, row, kept);
	thaw_free(size);
	thaw_free(row);
	return status;
}

/* The test images are only counted: how long their evaluation will take is part of a plan's cost. */
static void count_tests(struct advice *a, const struct thaw_dataset_options *how)
{
	struct thaw_dataset test;
	if (thaw_dataset_open(&test, a->options->data, THAW_SPLIT_TEST, how) != THAW_OK)
		return;
	a->test_images = test.count;
	thaw_dataset_close(&test);
}

static thaw_status open_data(struct advice *a)
{
	const struct thaw_advise_options *o = a->options;
	struct thaw_dataset_options how = {
		.test_share = o->test_share, .seed = (uint64_t)o->seed, .limit_per_class = o->per_class};
	struct thaw_dataset all;
	if (!o->data)
		return thaw_fail(THAW_USAGE, "no data: --data: name a folder of images");
	THAW_TRY(thaw_dataset_open(&all, o->data, THAW_SPLIT_TRAIN, &how));
	thaw_status status = count_classes(a, &all);
	thaw_dataset_close(&all);
	THAW_TRY(status);
	count_tests(a, &how);
	THAW_TRY(thaw_look_open(&a->limited, o));
	return leave_out_lonely(a);
}

static thaw_status open_model(struct advice *a)
{
	const struct thaw_advise_options *o = a->options;
	THAW_TRY(thaw_model_load(&a->model, o->model, 0, (uint64_t)o->seed));
	/* The same cuts whatever the size of the images: the network's own decides. */
	THAW_TRY(thaw_cuts_choose(a->model->graph, a->model->preprocess.size, a->cut, &a->cut_count));
	return thaw_model_set_size(a->model, o->size);
}

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
	THAW_TRY(thaw_look_same(a->comm, a->data_digest, "training images", "give every rank the same --data"));
	return thaw_look_same(a->comm, a->model->digest, "model file", "give every rank the same --model");
}

/* Damage may leave less of the classes than their folders promise. */
static thaw_status count_measured(struct advice *a)
{
	int64_t *size = thaw_alloc((size_t)a->dataset.classes, sizeof(*size));
	if (!size)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < a->taps.count; i++)
		size[a->taps.labels[i]]++;
	a->measured_classes = 0;
	for (int c = 0; c < a->dataset.classes; c++)
		a->measured_classes += size[c] >= LEAST_IMAGES;
	thaw_free(size);
	return THAW_OK;
}

static thaw_status look(struct advice *a)
{
	const struct thaw_advise_options *o = a->options;
	THAW_TRY(thaw_taps_collect(&a->taps, a->comm, a->model, a->cut, a->cut_count, &a->dataset,
				   thaw_look_lanes(o, a->comm), o->decode_threads, a->callbacks));
	thaw_status status = count_measured(a);
	if (status == THAW_OK)
		status = thaw_similarity_measure(&a->similarity, &a->taps);
	if (status == THAW_OK && a->model->pretrained && !a->model->features_only && a->measured_classes > 1) {
		const struct thaw_feature_table t = {a->taps.count, a->taps.source_classes, a->taps.probability,
						     a->taps.labels, a->dataset.classes};
		status = thaw_leep(&t, &a->leep);
		a->has_leep = status == THAW_OK;
	}
	THAW_TRY(thaw_comm_agree(a->comm, status));
	/* It decides what is tried: on other machines it may differ in its last bits. */
	return a->comm->broadcast(a->comm, &a->leep, sizeof(a->leep), 0);
}

static struct thaw_prior prior_of(const struct advice *a)
{
	double error = thaw_base_error(&a->curve[0]);
	return (struct thaw_prior){error, a->has_leep && thaw_prior_known(a->leep, error), thaw_prior_few(a->images)};
}

static thaw_status try_out(struct advice *a)
{
	const struct thaw_advise_options *o = a->options;
	struct thaw_train_options train;
	thaw_train_defaults(&train);
	train.model = o->model;
	train.size = o->size;
	train.seed = o->seed;
	train.decode_threads = o->decode_threads;
	const struct thaw_pilot_parts parts = {.comm = a->comm,
					       .options = &train,
					       .dataset = &a->dataset,
					       .taps = &a->taps,
					       .cut = a->cut,
					       .callbacks = a->callbacks,
					       .prior = prior_of(a),
					       .recipe = a->recipe};
	return thaw_pilots_run(&a->pilots, &parts);
}

/* Rank 0 reads the runs of the past, and all correct their ranges alike. */
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
			status = thaw_fail(THAW_RESOURCE, "out of memory for the history");
		thaw_ledger_destroy(ledger);
	}
	THAW_TRY(thaw_comm_agree(a->comm, status));
	a->has_history = true;
	return a->comm->broadcast(a->comm, &a->calibration, sizeof(a->calibration), 0);
}

static thaw_status measure(struct advice *a)
{
	THAW_TRY(look(a));
	THAW_TRY(thaw_cost_measure(&a->image, a->comm, a->model->graph, a->model->preprocess.size));
	a->plan = -1;
	if (a->measured_classes < 2 || a->taps.count < FEWEST_IMAGES || a->taps.width[0] == 0)
		return THAW_OK;
	a->recipe = thaw_recipe_for(a->images);
	THAW_TRY(thaw_curves_measure(a->curve, a->comm, &a->taps, a->dataset.classes, (uint64_t)a->options->seed));
	THAW_TRY(try_out(a));
	const struct thaw_evidence evidence = {.cut_count = a->cut_count,
					       .cut = a->cut,
					       .curve = a->curve,
					       .pilots = &a->pilots,
					       .prior = prior_of(a)};
	thaw_choose(&a->choice, &evidence);
	a->probed = true;
	a->plan = advice_plan_choose(a);
	return THAW_OK;
}

static thaw_status write_file(const char *folder, const char *name, json_t *object)
{
	char *path = thaw_format("%s/%s", folder, name);
	thaw_status status = path && object ? thaw_report_file(path, object) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

/* Rank 0 makes the result, and leaves it and the plan in the folder. */
static thaw_status tell(struct advice *a, json_t **result)
{
	if (!(*result = advice_json(a)))
		return thaw_fail(THAW_RESOURCE, "out of memory for the advice");
	if (!a->options->out)
		return THAW_OK;
	THAW_TRY(write_file(a->options->out, "advice.json", *result));
	if (a->plan < 0)
		return THAW_OK;
	json_t *plan = advice_plan_json(a, a->plan);
	thaw_status status = write_file(a->options->out, "plan.json", plan);
	json_decref(plan);
	return status;
}

static thaw_status sum_cores(struct advice *a, double mine)
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
	thaw_taps_release(&a->taps);
	thaw_similarity_release(&a->similarity);
	thaw_dataset_close(&a->dataset);
	thaw_dataset_close(&a->limited);
	json_decref(a->history);
	thaw_model_destroy(a->model);
}

thaw_status thaw_advise(struct thaw_comm *comm, const struct thaw_advise_options *options,
			const struct thaw_callbacks *callbacks, json_t **result)
{
	struct advice a = {.comm = comm, .options = options, .callbacks = callbacks};
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
		status = sum_cores(&a, core_seconds() - cores);
	a.seconds = thaw_clock() - start;
	if (status == THAW_OK)
		status = thaw_comm_agree(comm, comm->rank == 0 ? tell(&a, result) : THAW_OK);
	if (status != THAW_OK) {
		json_decref(*result);
		*result = NULL;
	}
	close_advice(&a);
	return status;
}
