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
#include "thaw/version.h"

/* Where epochs are compared on val/, test/ is for the end. */
static thaw_status open_final_test(struct run *r, const struct thaw_dataset_options *options)
{
	if (r->test.found->split != THAW_SPLIT_VAL)
		return THAW_OK;
	THAW_TRY(thaw_dataset_open(&r->final_test, r->options.data, THAW_SPLIT_TEST, options));
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
		.exclude = r->exclude.count > 0 ? &r->exclude : NULL,
	};
	if (!r->borrowed_data) {
		THAW_TRY(thaw_dataset_open(&r->train, r->options.data, THAW_SPLIT_TRAIN, &options));
		THAW_TRY(thaw_dataset_open(&r->test, r->options.data, THAW_SPLIT_VAL, &options));
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
	json_t *found = r->borrowed_data ? NULL : thaw_found_json(r->options.data, parts, 3);
	thaw_found_lines(found, write_line, r);
	json_decref(found);
}

void run_announce(struct run *r)
{
	char text[THAW_PRECISION_LINE];
	log_found(r);
	run_exclude_log(r);
	log_preprocess(r);
	if (thaw_precision_line(r->options.precision, text, sizeof(text)))
		run_log(r, "%s", text);
	log_weights(r);
	log_steps(r);
	if (has_frozen_weights(r))
		thaw_warn_random(r->comm, r->callbacks, r->model,
				 "the frozen part stays random and the classifier learns from noise: give FAMILY:FILE "
				 "with pretrained weights, or --unfreeze all to train from scratch");
	thaw_warn_small_input(r->comm, r->callbacks, r->model, &r->train);
}

static thaw_status open_model(struct run *r)
{
	uint64_t seed = (uint64_t)r->options.seed;
	THAW_TRY(thaw_model_load_key(&r->model, r->options.model, r->options.weights_key, r->train.classes, seed));
	THAW_TRY(thaw_model_set_classes(r->model, r->train.classes, r->train.class_names, seed));
	r->model->sigmoid_from = NULL; /* the loss of the training is that of a softmax */
	if (r->options.dropout >= 0.0)
		thaw_graph_dropout(r->model->graph, (float)r->options.dropout);
	bool given = r->options.bn != THAW_BN_AUTO;
	if (!given)
		r->options.bn = r->model->pretrained ? THAW_BN_FROZEN : THAW_BN_LANE;
	/* Recorded in the trained network. */
	THAW_TRY(thaw_model_set_preprocess(r->model, r->options.size, &r->options.images));
	r->preprocess = r->model->preprocess;
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
		r->phases[r->phase_count++] = (struct phase_options){"head", "head", o->head_epochs, o->head_lr};
	if (o->epochs > 0)
		r->phases[r->phase_count++] = (struct phase_options){"train", o->unfreeze, o->epochs, o->lr};
}

static thaw_status set_lanes(struct run *r)
{
	r->first_lane = thaw_lanes_first(r->options.lanes, r->comm->size, r->comm->rank);
	r->end_lane = thaw_lanes_first(r->options.lanes, r->comm->size, r->comm->rank + 1);
	r->order = thaw_alloc((size_t)(r->end_lane - r->first_lane), sizeof(*r->order));
	if (!r->order)
		return THAW_RESOURCE;
	for (int lane = 0; lane < r->options.lanes; lane++) {
		int64_t all = thaw_lane_count(r->train.count, r->options.lanes, lane), size = run_lane_batch(r, lane);
		r->steps_per_epoch = max_int64(r->steps_per_epoch, (all + size - 1) / size);
		if (lane < r->first_lane || lane >= r->end_lane)
			continue;
		int64_t **order = &r->order[lane - r->first_lane];
		*order = thaw_alloc((size_t)all, sizeof(**order));
		if (!*order)
			return THAW_RESOURCE;
	}
	return THAW_OK;
}

static thaw_status open_loaders(struct run *r)
{
	int lanes = r->end_lane - r->first_lane;
	THAW_TRY(thaw_loader_create(&r->train_loader, &r->train, &r->preprocess, &r->augment, r->options.decode_threads,
				    RUN_STEPS_AHEAD * lanes));
	THAW_TRY(thaw_loader_create(&r->test_loader, &r->test, &r->preprocess, NULL, r->options.decode_threads,
				    RUN_STEPS_AHEAD));
	thaw_loader_on_wait(r->train_loader, run_abandons, r);
	thaw_loader_on_wait(r->test_loader, run_abandons, r);
	return THAW_OK;
}

/* All that a rank can open without the others. */
static thaw_status open_here(struct run *r)
{
	THAW_TRY(run_resolve_options(r));
	THAW_TRY(open_data(r));
	THAW_TRY(open_model(r));
	set_phases(r);
	for (int i = 0; i < r->phase_count; i++) {
		THAW_TRY(thaw_graph_unfreeze(r->model->graph, r->phases[i].unfreeze));
		if (thaw_graph_cut(r->model->graph) == r->model->graph->node_count)
			return thaw_fail(THAW_USAGE, "nothing to train: --unfreeze %s: give head or more",
					 r->phases[i].unfreeze);
		r->state_bytes = max_size(r->state_bytes, thaw_state_size(r->model->graph, r->optimizer));
	}
	THAW_TRY(set_lanes(r));
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
	THAW_TRY(run_compare_images(r, &r->train));
	THAW_TRY(run_compare_images(r, &r->test));
	THAW_TRY(run_compare_images(r, &r->final_test));
	if (r->options.mixed_machines)
		return THAW_OK;
	return thaw_comm_same(r->comm, openblas_get_corename(), "BLAS kernel",
			      "set OPENBLAS_CORETYPE to one that all nodes have, or give --mixed-machines");
}

thaw_status run_open(struct run *r)
{
	r->at.best_step = -1;
	THAW_TRY(run_directory_lanes(r));
	THAW_TRY(run_exclude_open(r));
	THAW_TRY(run_images_read(r));
	THAW_TRY(thaw_comm_agree(r->comm, open_here(r)));
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
	thaw_free(r->order);
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
	thaw_image_names_free(&r->known);
	thaw_image_names_free(&r->listed);
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
