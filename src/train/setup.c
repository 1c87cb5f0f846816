/* Opens and closes a run: data, model, lanes, loaders; compares them across ranks. */
#include <string.h>

#include <cblas.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "src/train/state_size.h"
#include "src/train/warnings.h"
#include "thaw/digest.h"
#include "thaw/found.h"
#include "thaw/memory.h"
#include "thaw/stage.h"
#include "thaw/version.h"

/* Where epochs are compared on val/, test/ is for the end. */
static thaw_status open_final_test(struct run *r, const struct thaw_dataset_options *options)
{
	THAW_TRY(thaw_comm_same(r->comm, thaw_dataset_kind(&r->test), "the images after epochs",
				"give every rank the same --data"));
	if (r->test.found->split != THAW_SPLIT_VAL)
		return THAW_OK;
	THAW_TRY(thaw_dataset_open_together(r->comm, &r->final_test, r->options.data, THAW_SPLIT_TEST, options));
	if (r->final_test.found->split != THAW_SPLIT_TEST)
		thaw_dataset_close(&r->final_test);
	return THAW_OK;
}

static thaw_status open_data(struct run *r)
{
	struct thaw_dataset_options options = {
		.test_share = r->options.test_share,
		.seed = (uint64_t)r->options.seed,
		.limit_per_class = r->options.per_class,
		.listed = &r->listed,
		.known = r->known.bytes > 0 ? &r->known : NULL,
		.manifest = r->options.manifest,
		.parts = r->options.parts,
		.exclude = r->exclude.count > 0 ? &r->exclude : NULL,
	};
	if (!r->borrowed_data) {
		THAW_TRY(thaw_dataset_open_together(r->comm, &r->train, r->options.data, THAW_SPLIT_TRAIN, &options));
		THAW_TRY(thaw_dataset_open_together(r->comm, &r->test, r->options.data, THAW_SPLIT_VAL, &options));
		THAW_TRY(open_final_test(r, &options));
	}
	r->damaged_limit = thaw_damage_limit(&r->train, r->options.max_damaged);
	THAW_TRY(thaw_damage_create(&r->train_damage, &r->train));
	return thaw_damage_create(&r->test_damage, &r->test);
}

static void log_preprocess(const struct run *r)
{
	char line[THAW_PREPROCESS_LINE];
	run_log(r, "%s", thaw_model_preprocess_line(r->model, line, sizeof(line)));
}

static void log_steps(const struct run *r)
{
	run_log(r, "training: %lld steps, %lld per epoch, of %d images in %d lanes", (long long)run_total_steps(r),
		(long long)r->steps_per_epoch, r->options.batch, r->options.lanes);
}

static void log_weights(const struct run *r)
{
	if (r->model->notes)
		run_log(r, "network %s: %s", r->options.model, r->model->notes);
	if (r->model->features_only)
		run_log(r, "%s has no classifier: a new one is added", r->model->variant);
}

/* An explicit --bn is in vain where no batch norm is left. */
static void log_norms(const struct run *r)
{
	const struct thaw_graph *g = r->model->graph;
	for (int i = 1; i < g->node_count; i++)
		if (strcmp(g->nodes[i].op->name, "batch_norm") == 0)
			return;
	run_log(r, "%s has no batch norm: --bn has no effect", r->model->variant);
}

/* Whether the last phase leaves weights as they are. */
static bool has_frozen_weights(const struct run *r)
{
	for (int i = 0; i < r->model->graph->param_count; i++)
		if (r->model->graph->params[i].role == THAW_ROLE_WEIGHT && !r->model->graph->params[i].trainable)
			return true;
	return false;
}

static void write_line(void *context, const char *line)
{
	run_log(context, "%s", line);
}

static void log_found(struct run *r)
{
	const struct thaw_dataset *parts[] = {&r->train, &r->test, &r->final_test};
	const char *place = thaw_dataset_place(r->options.data, &r->options.manifest);
	json_t *found = r->borrowed_data ? NULL : thaw_found_json(place, parts, 3);
	thaw_found_lines(found, write_line, r);
	json_decref(found);
}

/* What is learned, unless it is the usual. */
static void log_objective(const struct run *r)
{
	char text[256];
	bool balanced = r->class_images != NULL;
	const char *line = thaw_objective_line(&r->objective, text, sizeof(text));
	if (line || balanced)
		run_log(r, "learning: %s%s", line ? line : thaw_task_phrase(r->train.task),
			balanced ? ", balanced sampling" : "");
}

void run_announce(struct run *r)
{
	char text[THAW_PRECISION_LINE], sizes[THAW_SIZES_LINE];
	log_found(r);
	run_exclude_log(r);
	log_preprocess(r);
	if (thaw_precision_line(r->options.precision, text, sizeof(text)))
		run_log(r, "%s", text);
	if (thaw_sizes_line(&r->sizes, sizes, sizeof(sizes)))
		run_log(r, "%s", sizes);
	log_weights(r);
	log_objective(r);
	log_steps(r);
	if (has_frozen_weights(r))
		thaw_warn_random(r->comm, r->callbacks, r->model,
				 "the frozen part stays random and the classifier learns from noise: give FAMILY:FILE "
				 "with pretrained weights, or --unfreeze all to train from scratch");
	thaw_warn_small_input(r->comm, r->callbacks, r->model, &r->train);
}

/* The sizes of training steps, and the preprocessing of evaluations, which the trained network records. */
static thaw_status set_sizes(struct run *r)
{
	const struct thaw_train_options *o = &r->options;
	THAW_TRY(thaw_sizes_read(&r->sizes, o->size));
	struct thaw_size evaluation = thaw_sizes_evaluation(&r->sizes, r->model);
	if (o->eval_size && !thaw_size_read(&evaluation, o->eval_size))
		return thaw_fail(THAW_USAGE, "not an input size: --eval-size %.64s: give a side or HEIGHTxWIDTH",
				 o->eval_size);
	if (!o->origin)
		THAW_TRY(thaw_model_set_preprocess(r->model, evaluation, &o->images));
	THAW_TRY(thaw_sizes_fit(&r->sizes, r->model, o->max_size));
	if (!o->origin && !o->eval_size)
		r->model->preprocess.native = r->sizes.native;
	r->preprocess = r->model->preprocess;
	return THAW_OK;
}

/* The classifier for the task of the data. */
static thaw_status set_task(struct run *r)
{
	bool replaced;
	const struct thaw_dataset *d = &r->train;
	THAW_TRY(thaw_model_set_task(r->model, d->task, d->classes, d->class_names, (uint64_t)r->options.seed,
				     &replaced));
	if (d->task == THAW_TASK_CLASS)
		r->model->sigmoid_from = NULL; /* the loss of the training is that of a softmax */
	if (d->task == THAW_TASK_VALUE)
		return thaw_model_standardise(r->model, r->objective.mean, r->objective.deviation, !replaced);
	return THAW_OK;
}

static thaw_status load_model(struct run *r)
{
	uint64_t seed = (uint64_t)r->options.seed;
	if (r->options.origin) {
		THAW_TRY(thaw_model_load_origin(&r->model, r->options.origin));
		if (r->train.task == THAW_TASK_CLASS)
			r->model->sigmoid_from = NULL;
		return THAW_OK;
	}
	THAW_TRY(thaw_model_load_key(&r->model, r->options.model, r->options.weights_key, r->train.classes, seed));
	if (r->options.fully_conv)
		THAW_TRY(thaw_model_make_fully_conv(r->model));
	return set_task(r);
}

static thaw_status open_model(struct run *r)
{
	THAW_TRY(load_model(r));
	if (r->options.dropout >= 0.0)
		thaw_graph_dropout(r->model->graph, (float)r->options.dropout);
	bool given = r->options.bn != THAW_BN_AUTO;
	if (!given)
		r->options.bn = r->model->pretrained ? THAW_BN_FROZEN : THAW_BN_LANE;
	THAW_TRY(set_sizes(r));
	THAW_TRY(thaw_graph_add_adapters(r->model->graph, r->options.unfreeze, &r->tune, (uint64_t)r->options.seed));
	if (given)
		log_norms(r);
	r->augment = thaw_augment_default();
	r->augment.scale[0] = (float)r->options.scale_min;
	r->augment.flip = (float)r->options.flip;
	r->augment.jitter = (float)r->options.jitter;
	r->augment.pad_crop = r->options.pad_crop;
	return THAW_OK;
}

static void set_phases(struct run *r)
{
	const struct thaw_train_options *o = &r->options;
	if (o->head_epochs > 0)
		r->phases[r->phase_count++] = (struct phase_options){
			.name = "head", .unfreeze = "head", .epochs = o->head_epochs, .lr = o->head_lr};
	if (o->epochs > 0)
		r->phases[r->phase_count++] = (struct phase_options){
			.name = "train", .unfreeze = o->unfreeze, .epochs = o->epochs, .lr = o->lr};
	if (o->fixres > 0)
		r->phases[r->phase_count++] = (struct phase_options){.name = "fixres",
								     .unfreeze = "head+norms",
								     .epochs = o->fixres,
								     .lr = o->head_lr,
								     .fixres = true};
}

static thaw_status read_own_sizes(struct run *r)
{
	int lanes = r->options.lanes;
	if (run_trains_native(r))
		THAW_TRY(thaw_own_sizes_read(&r->train_sizes, &r->train, &r->sizes.native, lanes, r->first_lane,
					     r->end_lane));
	if (r->preprocess.native.stride > 0)
		THAW_TRY(thaw_own_sizes_read(&r->test_sizes, &r->test, &r->preprocess.native, lanes, r->first_lane,
					     r->end_lane));
	return THAW_OK;
}

/* Whether the order of a lane is not computed but kept: balanced sampling and native sizes need all of it at once. */
static bool keeps_order(const struct run *r, int64_t images)
{
	return images <= THAW_LANE_SHUFFLED || strcmp(r->options.sampling, "uniform") != 0 || run_trains_native(r);
}

static thaw_status open_lane(struct run *r, int lane)
{
	int own = lane - r->first_lane;
	int64_t all = thaw_lane_count(r->train.count, r->options.lanes, lane);
	r->batches[own] = thaw_batches_count(&r->train_sizes, all, lane, run_lane_batch(r, lane));
	if (r->batches[own] < 0)
		return THAW_RESOURCE;
	r->steps_per_epoch = max_int64(r->steps_per_epoch, r->batches[own]);
	if (!keeps_order(r, all))
		return THAW_OK;
	r->order[own] = thaw_alloc((size_t)all, sizeof(**r->order));
	r->batch_first[own] = thaw_alloc((size_t)r->batches[own] + 1, sizeof(**r->batch_first));
	return r->order[own] && r->batch_first[own] ? THAW_OK : THAW_RESOURCE;
}

/* For balanced sampling. */
static thaw_status open_sampling(struct run *r)
{
	const struct thaw_dataset *d = &r->train;
	if (strcmp(r->options.sampling, "uniform") == 0)
		return THAW_OK;
	if (d->task != THAW_TASK_CLASS && d->task != THAW_TASK_GRADE)
		return thaw_fail(
			THAW_CONFIG,
			"sampling is balanced by the class of an image, the data have %s: --sampling balanced: "
			"leave it out",
			thaw_task_phrase(d->task));
	if (run_trains_native(r))
		return thaw_fail(
			THAW_CONFIG,
			"an epoch of balanced sampling has other images each time, and batches of one size cannot "
			"be planned: --sampling balanced with --size native: leave one of them out");
	r->class_images = thaw_alloc((size_t)d->classes, sizeof(*r->class_images));
	if (!r->class_images)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < d->count; i++)
		r->class_images[d->labels[i]]++;
	int lanes = r->end_lane - r->first_lane;
	r->visits = thaw_alloc((size_t)lanes, sizeof(*r->visits));
	for (int i = 0; i < lanes && r->visits; i++) {
		int64_t images = thaw_lane_count(d->count, r->options.lanes, r->first_lane + i);
		r->visits[i] = thaw_alloc((size_t)images, sizeof(**r->visits));
		if (!r->visits[i])
			return THAW_RESOURCE;
	}
	return r->visits ? THAW_OK : THAW_RESOURCE;
}

static thaw_status set_lanes(struct run *r)
{
	r->first_lane = thaw_lanes_first(r->options.lanes, r->comm->size, r->comm->rank);
	r->end_lane = thaw_lanes_first(r->options.lanes, r->comm->size, r->comm->rank + 1);
	size_t own = (size_t)(r->end_lane - r->first_lane);
	r->order = thaw_alloc(own, sizeof(*r->order));
	r->batch_first = thaw_alloc(own, sizeof(*r->batch_first));
	r->batches = thaw_alloc(own, sizeof(*r->batches));
	r->batch_samples = thaw_alloc((size_t)r->options.batch, sizeof(*r->batch_samples));
	if (!r->order || !r->batch_first || !r->batches || !r->batch_samples)
		return THAW_RESOURCE;
	THAW_TRY(read_own_sizes(r));
	for (int lane = r->first_lane; lane < r->end_lane; lane++)
		THAW_TRY(open_lane(r, lane));
	/* With native sizes, ranks know the number of batches of their own lanes only: see run_open. */
	for (int lane = 0; lane < r->options.lanes && !run_trains_native(r); lane++) {
		int64_t all = thaw_lane_count(r->train.count, r->options.lanes, lane), size = run_lane_batch(r, lane);
		r->steps_per_epoch = max_int64(r->steps_per_epoch, (all + size - 1) / size);
	}
	return THAW_OK;
}

static thaw_status open_loaders(struct run *r)
{
	int lanes = r->end_lane - r->first_lane;
	struct thaw_preprocess train = r->preprocess;
	train.native = r->sizes.native;
	THAW_TRY(thaw_loader_create(&r->train_loader, &r->train, &train, &r->augment, r->options.decode_threads,
				    RUN_STEPS_AHEAD * lanes));
	THAW_TRY(thaw_loader_create(&r->test_loader, &r->test, &r->preprocess, NULL, r->options.decode_threads,
				    RUN_STEPS_AHEAD));
	thaw_loader_on_wait(r->train_loader, run_abandons, r);
	thaw_loader_on_wait(r->test_loader, run_abandons, r);
	return THAW_OK;
}

/* A phase that trains as little as head epochs would, against what was asked for. */
static thaw_status check_tuned(const struct run *r, int phase)
{
	const struct thaw_graph *g = r->model->graph;
	char text[THAW_TUNE_TEXT];
	bool any = r->tune.kind == THAW_TUNE_ALL || strcmp(r->phases[phase].name, "train") != 0;
	for (int i = 0; i < g->param_count; i++)
		any |= g->params[i].trainable && g->params[i].node != g->head;
	return any ? THAW_OK
		   : thaw_fail(THAW_USAGE,
			       "nothing but the classifier would train: --tune %s with --unfreeze %s: unfreeze more, "
			       "such as all, or give --tune all",
			       thaw_tune_text(&r->tune, text, sizeof(text)), r->phases[phase].unfreeze);
}

/* All that a rank can open without the others. */
static thaw_status open_here(struct run *r)
{
	THAW_TRY(thaw_comm_agree(r->comm, run_resolve_options(r)));
	THAW_TRY(open_data(r)); /* collective */
	THAW_TRY(thaw_objective_open(&r->objective, &r->train, r->options.loss, r->options.class_weights,
				     r->options.label_smoothing));
	THAW_TRY(open_model(r));
	set_phases(r);
	for (int i = 0; i < r->phase_count; i++) {
		THAW_TRY(run_unfreeze(r, i, false));
		if (thaw_graph_cut(r->model->graph) == r->model->graph->node_count)
			return thaw_fail(THAW_USAGE, "nothing to train: --unfreeze %s: give head or more",
					 r->phases[i].unfreeze);
		THAW_TRY(check_tuned(r, i));
		THAW_TRY(run_unfreeze(r, i, true));
		r->state_bytes = max_size(r->state_bytes, thaw_state_size(r->model->graph, r->optimizer));
	}
	thaw_graph_batch_statistics(r->model->graph, false);
	THAW_TRY(set_lanes(r));
	THAW_TRY(run_contents_open(r));
	THAW_TRY(open_sampling(r));
	THAW_TRY(run_check_lane_norms(r)); /* of the last phase, which trains the most */
	return open_loaders(r);
}

/* Of the images that were there when the run began and are not now. An image that only one rank lacks would be trained
 * on or not, depending on the number of ranks. */
static uint64_t missing_digest(const struct run *r)
{
	const struct thaw_dataset *parts[] = {&r->train, &r->test, &r->final_test};
	uint64_t digest = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (parts[i]->found)
			digest = thaw_digest(&parts[i]->found->missing_digest, sizeof(uint64_t), digest);
	return digest;
}

/* The result depends on the program, BLAS kernel, model and data: they must be the same on all ranks. */
static thaw_status compare_ranks(struct run *r)
{
	const char *data = "give every rank the same --data";
	THAW_TRY(thaw_comm_same(r->comm, thaw_build(), "version of thaw", "install the same program on every node"));
	THAW_TRY(thaw_comm_same_digest(r->comm, thaw_dataset_digest(&r->train), "training images", data));
	const char *test =
		r->test.found && r->test.found->split == THAW_SPLIT_VAL ? "validation images" : "test images";
	THAW_TRY(thaw_comm_same_digest(r->comm, thaw_dataset_digest(&r->test), test, data));
	THAW_TRY(thaw_comm_same_digest(r->comm, thaw_dataset_digest(&r->final_test), "test images", data));
	THAW_TRY(thaw_model_same(r->comm, r->model));
	THAW_TRY(thaw_comm_same_digest(r->comm, missing_digest(r), "missing images", data));
	THAW_TRY(thaw_comm_same_digest(r->comm, thaw_objective_digest(&r->objective), "class weights",
				       "give every rank the same --class-weights"));
	THAW_TRY(run_compare_images(r, &r->train));
	THAW_TRY(run_compare_images(r, &r->test));
	THAW_TRY(run_compare_images(r, &r->final_test));
	if (r->options.mixed_machines)
		return THAW_OK;
	return thaw_comm_same(r->comm, openblas_get_corename(), "BLAS kernel",
			      "set OPENBLAS_CORETYPE to one that all nodes have, or give --mixed-machines");
}

/* Before images are read for the first time. */
static thaw_status stage_data(struct run *r)
{
	struct thaw_dataset *parts[] = {&r->train, &r->test, &r->final_test};
	if (!r->options.stage || r->borrowed_data)
		return THAW_OK;
	return thaw_stage(r->comm, r->options.stage, r->options.stage_limit, parts, 3, r->options.lanes, r->callbacks);
}

thaw_status run_open(struct run *r)
{
	r->at.best_step = -1;
	THAW_TRY(run_directory_lanes(r));
	THAW_TRY(run_exclude_open(r));
	THAW_TRY(run_images_read(r));
	THAW_TRY(thaw_comm_agree(r->comm, open_here(r)));
	THAW_TRY(r->comm->max(r->comm, &r->steps_per_epoch, 1));
	THAW_TRY(stage_data(r));
	THAW_TRY(compare_ranks(r));
	/* Those frozen in the last phase, which trains the most. */
	return run_move_to_node_memory(r, &r->model_weights, r->model->graph, NULL);
}

void run_close(struct run *r)
{
	run_close_phase(r);
	thaw_loader_destroy(r->train_loader);
	thaw_loader_destroy(r->test_loader);
	for (int i = 0; r->order && i < r->end_lane - r->first_lane; i++)
		thaw_free(r->order[i]);
	for (int i = 0; r->batch_first && i < r->end_lane - r->first_lane; i++)
		thaw_free(r->batch_first[i]);
	thaw_free(r->order);
	run_contents_close(r);
	thaw_free(r->batch_first);
	thaw_free(r->batches);
	thaw_free(r->batch_samples);
	thaw_own_sizes_release(&r->train_sizes);
	thaw_own_sizes_release(&r->test_sizes);
	for (int i = 0; r->visits && i < r->end_lane - r->first_lane; i++)
		thaw_free(r->visits[i]);
	thaw_free(r->visits);
	thaw_free(r->class_images);
	thaw_objective_close(&r->objective);
	thaw_damage_destroy(r->train_damage);
	thaw_damage_destroy(r->test_damage);
	thaw_model_destroy(r->model);
	thaw_flat_params_destroy(r->phase.params); /* after the model, which uses these values */
	thaw_node_weights_release(&r->model_weights);
	if (!r->borrowed_data) {
		thaw_dataset_close(&r->train);
		thaw_dataset_close(&r->test);
		thaw_dataset_close(&r->final_test);
	}
	run_images_close(r);
	thaw_exclude_free(&r->exclude);
	thaw_free(r->metrics_path);
	thaw_free(r->saving.reason);
}

int64_t run_total_steps(const struct run *r)
{
	int64_t epochs = 0;
	for (int i = 0; i < r->phase_count; i++)
		epochs += r->phases[i].epochs;
	return epochs * r->steps_per_epoch;
}
