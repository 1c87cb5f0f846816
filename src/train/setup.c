/* Opening a run: data, model, lanes; and the machinery of each phase. */
#include <stdio.h>
#include <string.h>

#include <cblas.h>

#include "src/train/run.h"
#include "thaw/version.h"

static thaw_status open_data(struct run *r)
{
	struct thaw_dataset_options options = {
		.test_share = r->options.test_share,
		.seed = (uint64_t)r->options.seed,
		.limit_per_class = r->options.per_class,
	};
	if (!r->lent) {
		THAW_TRY(thaw_dataset_open(&r->train, r->options.data, THAW_SPLIT_TRAIN, &options));
		THAW_TRY(thaw_dataset_open(&r->test, r->options.data, THAW_SPLIT_TEST, &options));
	}
	THAW_TRY(thaw_damage_create(&r->train_damage, &r->train));
	return thaw_damage_create(&r->test_damage, &r->test);
}

/* How an imported network's images are prepared: nobody but its file and the files beside it knows. */
static void tell_preprocess(const struct run *r)
{
	const struct thaw_preprocess *p = &r->model->preprocess;
	if (r->model->imported)
		run_log(r, "images (%s): %s resize to %d, crop %d, mean %.4g %.4g %.4g, std %.4g %.4g %.4g",
			r->model->preprocess_from, p->filter == THAW_BICUBIC ? "bicubic" : "bilinear", p->resize,
			p->size, (double)p->mean[0], (double)p->mean[1], (double)p->mean[2], (double)p->std[0],
			(double)p->std[1], (double)p->std[2]);
}

static void tell_classifier(const struct run *r)
{
	if (r->model->features_only)
		run_log(r, "%s has no classifier: it gets one", r->model->variant);
}

static thaw_status open_model(struct run *r)
{
	uint64_t seed = (uint64_t)r->options.seed;
	THAW_TRY(thaw_model_load(&r->model, r->options.model, r->train.classes, seed));
	THAW_TRY(thaw_model_set_classes(r->model, r->train.classes, r->train.class_names, seed));
	if (r->options.dropout >= 0.0)
		thaw_graph_dropout(r->model->graph, (float)r->options.dropout);
	if (!r->options.bn)
		r->options.bn = r->model->pretrained ? "frozen" : "lane";
	THAW_TRY(thaw_model_set_size(r->model, r->options.size)); /* the trained network is for this size */
	r->preprocess = r->model->preprocess;
	tell_preprocess(r);
	tell_classifier(r);
	r->augment = thaw_augment_default();
	r->augment.scale[0] = (float)r->options.scale_min;
	r->augment.flip = (float)r->options.flip;
	r->augment.jitter = (float)r->options.jitter;
	r->augment.pad_crop = r->options.pad_crop;
	return THAW_OK;
}

static void plan_phases(struct run *r)
{
	const struct thaw_train_options *o = &r->options;
	if (o->head_epochs > 0)
		r->phases[r->phase_count++] = (struct phase){"head", "head", o->head_epochs, o->head_lr};
	if (o->epochs > 0)
		r->phases[r->phase_count++] = (struct phase){"train", o->unfreeze, o->epochs, o->lr};
}

static thaw_status plan_lanes(struct run *r)
{
	r->first_lane = thaw_lanes_first(r->options.lanes, r->comm->size, r->comm->rank);
	r->end_lane = thaw_lanes_first(r->options.lanes, r->comm->size, r->comm->rank + 1);
	r->order = thaw_alloc((size_t)(r->end_lane - r->first_lane), sizeof(*r->order));
	if (!r->order)
		return THAW_RESOURCE;
	for (int lane = 0; lane < r->options.lanes; lane++) {
		int64_t all = thaw_lane_count(r->train.count, r->options.lanes, lane), size = run_lane_batch(r, lane);
		if ((all + size - 1) / size > r->steps_per_epoch)
			r->steps_per_epoch = (all + size - 1) / size;
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
	return thaw_loader_create(&r->test_loader, &r->test, &r->preprocess, NULL, r->options.decode_threads,
				  RUN_STEPS_AHEAD);
}

static thaw_status open_alone(struct run *r)
{
	THAW_TRY(run_resolve_options(r));
	THAW_TRY(open_data(r));
	THAW_TRY(open_model(r));
	plan_phases(r);
	for (int i = 0; i < r->phase_count; i++) {
		THAW_TRY(thaw_graph_unfreeze(r->model->graph, r->phases[i].unfreeze));
		if (thaw_graph_cut(r->model->graph) == r->model->graph->node_count)
			return thaw_fail(THAW_USAGE, "nothing would train: --unfreeze %s: give head or more",
					 r->phases[i].unfreeze);
	}
	THAW_TRY(plan_lanes(r));
	return open_loaders(r);
}

/* Bits depend on program, BLAS kernel, model and data: the ranks must have the same. */
static thaw_status compare_ranks(struct run *r)
{
	char data[32], test[32], model[32];
	snprintf(test, sizeof(test), "%016llx", (unsigned long long)thaw_dataset_digest(&r->test));
	snprintf(data, sizeof(data), "%016llx", (unsigned long long)thaw_dataset_digest(&r->train));
	snprintf(model, sizeof(model), "%016llx", (unsigned long long)r->model->digest);
	THAW_TRY(thaw_comm_same(r->comm, THAW_VERSION, "version of thaw", "install the same program on every node"));
	THAW_TRY(thaw_comm_same(r->comm, data, "training images", "give every rank the same --data"));
	THAW_TRY(thaw_comm_same(r->comm, test, "test images", "give every rank the same --data"));
	THAW_TRY(thaw_comm_same(r->comm, model, "model file", "give every rank the same --model"));
	if (r->options.mixed_machines)
		return THAW_OK;
	return thaw_comm_same(r->comm, openblas_get_corename(), "BLAS kernel",
			      "set OPENBLAS_CORETYPE to one that all nodes have, or give --mixed-machines");
}

/* Leaves one copy on each node of what is frozen. Collective; only where all ranks have the same values. */
static thaw_status shard(struct run *r, struct thaw_node_weights *shared, struct thaw_graph *graph,
			 struct thaw_executor *executor)
{
	bool without;
	THAW_TRY(thaw_node_weights_create(shared, r->comm, graph, executor, &without));
	if (without && !r->told_apart)
		run_log(r, "ranks of a node hold the frozen weights each for itself: %s", thaw_error_message());
	r->told_apart |= without;
	return THAW_OK;
}

thaw_status run_open(struct run *r)
{
	r->lock = -1;
	r->at.best_step = -1;
	THAW_TRY(run_directory_lanes(r));
	THAW_TRY(thaw_comm_agree(r->comm, open_alone(r)));
	THAW_TRY(compare_ranks(r));
	return shard(r, &r->model_shared, r->model->graph, NULL); /* frozen in the last phase, which trains most */
}

static void close_phase(struct run *r)
{
	run_close_features(r);
	thaw_overlap_release(&r->overlap);
	thaw_allreduce_destroy(r->allreduce);
	thaw_executor_destroy(r->trunk_executor);
	thaw_executor_destroy(r->tail_executor);
	thaw_executor_destroy(r->eval_executor);
	thaw_graph_destroy(r->graph);
	thaw_node_weights_release(&r->graph_shared);
	thaw_free(r->gradient);
	r->allreduce = NULL;
	r->trunk_executor = r->tail_executor = r->eval_executor = NULL;
	r->graph = NULL;
	r->gradient = NULL;
}

void run_close(struct run *r)
{
	close_phase(r);
	thaw_loader_destroy(r->train_loader);
	thaw_loader_destroy(r->test_loader);
	for (int i = 0; r->order && i < r->end_lane - r->first_lane; i++)
		thaw_free(r->order[i]);
	thaw_free(r->order);
	thaw_damage_destroy(r->train_damage);
	thaw_damage_destroy(r->test_damage);
	thaw_model_destroy(r->model);
	thaw_flat_params_destroy(r->params); /* after the model: its parameters lie here */
	thaw_node_weights_release(&r->model_shared);
	if (!r->lent) {
		thaw_dataset_close(&r->train);
		thaw_dataset_close(&r->test);
	}
	thaw_free(r->metrics_path);
}

static thaw_status build_phase(struct run *r)
{
	struct thaw_graph *model = r->model->graph;
	struct thaw_flat_params *params;
	THAW_TRY(thaw_graph_unfreeze(model, r->phases[r->at.phase].unfreeze));
	thaw_graph_batch_statistics(model, strcmp(r->options.bn, "lane") == 0);
	THAW_TRY(thaw_flat_params_create(&params, model, r->optimizer, r->options.layer_decay, r->comm));
	thaw_flat_params_destroy(r->params); /* the phase before's: its parameters were taken over */
	r->params = params;

	THAW_TRY(thaw_graph_lower(&r->graph, model));
	r->gradient = thaw_alloc((size_t)r->graph->param_count, sizeof(*r->gradient));
	if (!r->gradient)
		return THAW_RESOURCE;

	int64_t batch = 1, side = r->preprocess.size;
	for (int lane = 0; lane < r->options.lanes; lane++) /* the largest lane's, so that all ranks executor alike */
		batch = run_lane_batch(r, lane) > batch ? run_lane_batch(r, lane) : batch;
	struct thaw_shape image = thaw_shape_of(batch, side, side, 3);
	THAW_TRY(thaw_executor_create(&r->tail_executor, r->graph, &image, THAW_TAIL, true));
	image.dim[0] = THAW_EVAL_BATCH;
	THAW_TRY(thaw_executor_create(&r->eval_executor, r->graph, &image, THAW_TAIL, false));
	THAW_TRY(thaw_executor_create(&r->trunk_executor, r->graph, &image, THAW_TRUNK, false));
	const struct thaw_allreduce_update use = {.context = r, .apply = run_update, .values = r->params->values};
	THAW_TRY(thaw_allreduce_create(&r->allreduce, r->comm, r->options.lanes, &r->params->shards, SLOTS, &use));
	return thaw_overlap_create(&r->overlap, r->params, r->graph, r->tail_executor, r->allreduce);
}

thaw_status run_enter_phase(struct run *r, int64_t phase)
{
	close_phase(r);
	r->at.phase = phase;
	THAW_TRY(thaw_comm_agree(r->comm, build_phase(r)));
	THAW_TRY(shard(r, &r->graph_shared, r->graph, r->trunk_executor));
	return thaw_comm_agree(r->comm, run_open_features(r));
}

int64_t run_total_steps(const struct run *r)
{
	int64_t epochs = 0;
	for (int i = 0; i < r->phase_count; i++)
		epochs += r->phases[i].epochs;
	return epochs * r->steps_per_epoch;
}
