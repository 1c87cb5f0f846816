/* Phases: builds and releases what one phase trains with. */
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/train/recompute.h"
#include "src/train/run.h"
#include "thaw/memory.h"

/* All but the parameters, which the model uses until the next phase takes them over. */
void run_close_phase(struct run *r)
{
	struct run_phase *p = &r->phase;
	thaw_features_destroy(p->train_features);
	thaw_features_destroy(p->test_features);
	run_close_caches(r);
	thaw_overlap_release(&p->overlap);
	thaw_undo_destroy(p->undo);
	thaw_allreduce_destroy(p->allreduce);
	thaw_executor_destroy(p->trunk_executor);
	thaw_executor_destroy(p->tail_executor);
	thaw_executor_destroy(p->eval_executor);
	thaw_graph_destroy(p->graph);
	thaw_node_weights_release(&p->graph_weights);
	thaw_free(p->gradient);
	*p = (struct run_phase){.params = p->params};
}

/* Marks what the phase trains. */
static thaw_status mark_trained(const struct run *r, int phase)
{
	struct thaw_graph *g = r->model->graph;
	THAW_TRY(thaw_graph_unfreeze(g, r->phases[phase].unfreeze));
	thaw_graph_tune(g, &r->tune);
	thaw_graph_batch_statistics(g, r->options.bn == THAW_BN_LANE);
	return THAW_OK;
}

/* Whether what other phases trained stays frozen in this one, and yet is part of its checkpoints. */
static thaw_status mark_kept(const struct run *r, int phase, bool *trainable)
{
	struct thaw_graph *g = r->model->graph;
	for (int i = 0; i < phase; i++) {
		THAW_TRY(mark_trained(r, i));
		for (int k = 0; k < g->param_count; k++)
			trainable[k] |= g->params[k].trainable;
	}
	return THAW_OK;
}

thaw_status run_unfreeze(const struct run *r, int phase, bool kept)
{
	struct thaw_graph *g = r->model->graph;
	bool *trainable = thaw_alloc((size_t)g->param_count, sizeof(*trainable));
	thaw_status status = trainable ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && kept)
		status = mark_kept(r, phase, trainable);
	if (status == THAW_OK)
		status = mark_trained(r, phase);
	for (int k = 0; status == THAW_OK && k < g->param_count; k++)
		g->params[k].trainable |= trainable[k];
	thaw_free(trainable);
	return status;
}

static thaw_status create_params(struct run *r)
{
	struct run_phase *p = &r->phase;
	struct thaw_flat_params *params;
	struct thaw_graph *g = r->model->graph;
	thaw_graph_set_precision(g, r->options.precision);
	THAW_TRY(run_unfreeze(r, (int)r->at.phase, true));
	THAW_TRY(thaw_flat_params_create(&params, g, r->optimizer, r->options.layer_decay, r->comm));
	thaw_flat_params_destroy(p->params); /* of the previous phase: the new ones have taken over its parameters */
	p->params = params;
	THAW_TRY(run_unfreeze(r, (int)r->at.phase, false));
	thaw_flat_params_freeze(params);
	return run_find_lone_norm(r, &p->lone_norm);
}

static struct thaw_size larger(struct thaw_size a, struct thaw_size b)
{
	return (int64_t)a.height * a.width >= (int64_t)b.height * b.width ? a : b;
}

struct thaw_size run_largest_size(const struct run *r)
{
	struct thaw_size size = r->preprocess.size;
	if (r->preprocess.native.stride > 0)
		size = larger(size, r->test_sizes.largest);
	if (run_phase_options(r)->fixres)
		return size;
	if (run_trains_native(r))
		return larger(size, r->train_sizes.largest);
	return larger(larger(size, r->sizes.from), r->sizes.to);
}

static thaw_status create_executors(struct run *r)
{
	struct run_phase *p = &r->phase;
	int64_t batch = 1;
	struct thaw_size size = run_largest_size(r); /* smaller ones need no more memory */
	for (int lane = 0; lane < r->options.lanes;
	     lane++) /* the largest lane's on every rank: same executor, same bits */
		batch = max_int64(batch, run_lane_batch(r, lane));
	struct thaw_shape image = thaw_shape_of(batch, size.height, size.width, 3);
	THAW_TRY(thaw_recompute_choose(p->graph, &image, r->options.recompute, r->comm));
	THAW_TRY(thaw_executor_create(&p->tail_executor, p->graph, &image, THAW_TAIL, true));
	if (p->graph->recomputed > 0)
		run_log(r, "blocks computed again in each backward pass: %d; values between layers take %.1f MiB",
			p->graph->recomputed, (double)thaw_executor_bytes(p->tail_executor) / (1 << 20));
	image.dim[0] = THAW_EVAL_BATCH;
	THAW_TRY(thaw_executor_create(&p->eval_executor, p->graph, &image, THAW_TAIL, false));
	THAW_TRY(thaw_executor_create(&p->trunk_executor, p->graph, &image, THAW_TRUNK, false));
	thaw_executor_on_node(p->tail_executor, run_abandons, r);
	thaw_executor_on_node(p->eval_executor, run_abandons, r);
	thaw_executor_on_node(p->trunk_executor, run_abandons, r);
	return THAW_OK;
}

static thaw_status build(struct run *r)
{
	struct run_phase *p = &r->phase;
	THAW_TRY(create_params(r));
	THAW_TRY(thaw_graph_lower(&p->graph, r->model->graph));
	p->gradient = thaw_alloc((size_t)p->graph->param_count, sizeof(*p->gradient));
	if (!p->gradient)
		return THAW_RESOURCE;
	THAW_TRY(create_executors(r));
	if (r->comm->size > 1)
		THAW_TRY(thaw_undo_create(&p->undo, p->params, r->comm));
	const struct thaw_allreduce_update update = {.context = r, .update = run_update, .values = p->params->values};
	THAW_TRY(thaw_allreduce_create(&p->allreduce, r->comm, r->options.lanes, &p->params->shards, SLOTS, &update));
	return thaw_overlap_create(&p->overlap, p->params, p->graph, p->tail_executor, p->allreduce);
}

static thaw_status open_features(struct run *r)
{
	struct run_phase *p = &r->phase;
	THAW_TRY(run_open_caches(r));
	struct thaw_feature_parts parts = {
		.dataset = &r->train,
		.loader = r->train_loader,
		.damage = r->train_damage,
		.contents = r->contents[0],
		.trunk = p->trunk_executor,
		.cache = p->train_cache,
		.lanes = r->options.lanes,
		.first_lane = r->first_lane,
		.views = run_phase_options(r)->fixres ? 1 : r->options.views,
		.cached_floats = thaw_executor_features(p->trunk_executor),
	};
	THAW_TRY(thaw_features_create(&p->train_features, &parts));
	parts.dataset = &r->test;
	parts.loader = r->test_loader;
	parts.damage = r->test_damage;
	parts.contents = r->contents[1];
	parts.cache = p->test_cache;
	parts.views = 1;
	return thaw_features_create(&p->test_features, &parts);
}

thaw_status run_move_to_node_memory(struct run *r, struct thaw_node_weights *weights, struct thaw_graph *graph,
				    struct thaw_executor *executor)
{
	bool separate;
	THAW_TRY(thaw_node_weights_create(weights, r->comm, graph, executor, &separate));
	if (separate && !r->logged_private_weights)
		run_log(r, "the ranks of a node hold separate copies of the frozen weights: %s", thaw_error_message());
	r->logged_private_weights |= separate;
	return THAW_OK;
}

thaw_status run_open_params(struct run *r, int64_t phase)
{
	run_close_phase(r);
	r->at.phase = phase;
	return thaw_comm_agree(r->comm, create_params(r));
}

thaw_status run_enter_phase(struct run *r, int64_t phase)
{
	run_close_phase(r);
	r->at.phase = phase;
	THAW_TRY(thaw_comm_agree(r->comm, build(r)));
	THAW_TRY(run_move_to_node_memory(r, &r->phase.graph_weights, r->phase.graph, r->phase.trunk_executor));
	THAW_TRY(thaw_comm_agree(r->comm, open_features(r)));
	return run_report_caches(r);
}
