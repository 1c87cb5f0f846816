/* thaw_evaluate: evaluates a model outside of a run. */
#include <math.h>

#include "src/base/try.h"
#include "src/train/evaluation.h"
#include "src/train/metrics.h"
#include "src/train/warnings.h"
#include "thaw/allreduce.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"

/* An evaluation with the parts that a run would otherwise own. */
struct standalone {
	struct thaw_evaluation e;
	struct thaw_executor *trunk;
	struct thaw_loader *loader;
	struct thaw_own_sizes sizes;
};

/* Between two operators and while images are awaited: a launcher may kill a process soon after it has asked it to stop.
 */
static bool stop_requested(void *context)
{
	const struct standalone *s = context;
	return s->e.callbacks->stop(s->e.callbacks->context);
}

static void watch_for_stop(struct standalone *s)
{
	if (!s->e.callbacks || !s->e.callbacks->stop)
		return;
	thaw_executor_on_node(s->trunk, stop_requested, s);
	thaw_executor_on_node(s->e.executor, stop_requested, s);
	thaw_loader_on_wait(s->loader, stop_requested, s);
}

static thaw_status open_parts(struct standalone *s, const struct thaw_graph *graph,
			      const struct thaw_preprocess *preprocess, int decode_threads)
{
	struct thaw_evaluation *e = &s->e;
	int first_lane = thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank);
	struct thaw_size size = preprocess->size;
	if (preprocess->native.stride > 0) {
		THAW_TRY(thaw_own_sizes_read(&s->sizes, e->dataset, &preprocess->native, e->lanes, first_lane,
					     thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank + 1)));
		size = s->sizes.largest.height > 0 ? s->sizes.largest : size;
	}
	e->sizes = &s->sizes;
	e->size = preprocess->size;
	struct thaw_shape image = thaw_shape_of(THAW_EVAL_BATCH, size.height, size.width, 3);
	THAW_TRY(thaw_executor_create(&s->trunk, graph, &image, THAW_TRUNK, false));
	THAW_TRY(thaw_executor_pack(s->trunk, NULL, true));
	THAW_TRY(thaw_executor_create(&e->executor, graph, &image, THAW_TAIL, false));
	THAW_TRY(thaw_loader_create(&s->loader, e->dataset, preprocess, NULL, decode_threads, 2));
	THAW_TRY(thaw_damage_create(&e->damage, e->dataset));
	watch_for_stop(s);
	struct thaw_feature_parts parts = {
		.dataset = e->dataset,
		.loader = s->loader,
		.damage = e->damage,
		.trunk = s->trunk,
		.lanes = e->lanes,
		.first_lane = first_lane,
	};
	return thaw_features_create(&e->features, &parts);
}

static thaw_status evaluate(struct standalone *s, const struct thaw_graph *graph,
			    const struct thaw_preprocess *preprocess, int decode_threads, double *sums)
{
	struct thaw_evaluation *e = &s->e;
	thaw_status status = thaw_comm_agree(e->comm, open_parts(s, graph, preprocess, decode_threads));
	if (status == THAW_OK)
		status = thaw_evaluation_run(e, sums);
	thaw_features_destroy(e->features);
	thaw_loader_destroy(s->loader);
	thaw_damage_destroy(e->damage);
	thaw_executor_destroy(e->executor);
	thaw_executor_destroy(s->trunk);
	thaw_own_sizes_release(&s->sizes);
	return status;
}

static thaw_status check_sums(const struct thaw_evaluation *e, const double *sums, double max_damaged)
{
	int64_t damaged = (int64_t)sums[METRIC_DAMAGED], limit = thaw_damage_limit(e->dataset, max_damaged);
	if (e->dataset->count > 0 && sums[METRIC_IMAGES] == 0.0)
		return thaw_fail(THAW_DATA, "none of the %lld images can be read: --data: the log names them",
				 (long long)e->dataset->count);
	if (damaged > limit)
		return thaw_fail_damaged(e->dataset, damaged, limit);
	if (!isfinite(sums[METRIC_LOSS]))
		return thaw_fail(THAW_DATA,
				 "the network's outputs are not finite (inf or nan): --model: its weights are "
				 "damaged or were trained at too high a learning rate");
	return THAW_OK;
}

/* With other images or weights on another node, the ranks would deadlock or add up unrelated results. */
static thaw_status compare_ranks(struct thaw_comm *comm, const struct thaw_model *model,
				 const struct thaw_dataset *dataset)
{
	THAW_TRY(thaw_comm_same_digest(comm, thaw_dataset_digest(dataset), "set of images",
				       "give every rank the same --data"));
	return thaw_model_same(comm, model);
}

/* Freezes everything up to the classifier: it runs as the trunk, one image at a time. */
static thaw_status prepare_graph(struct thaw_graph *graph)
{
	THAW_TRY(thaw_graph_unfreeze(graph, "head"));
	THAW_TRY(thaw_pass_fold(graph));
	return thaw_pass_fuse(graph);
}

/* [classes] thresholds of labels without those of a training. */
static float *default_thresholds(const struct thaw_model *model)
{
	float *half = thaw_alloc((size_t)model->classes, sizeof(*half));
	for (int64_t c = 0; half && c < model->classes; c++)
		half[c] = 0.5f;
	return half;
}

thaw_status thaw_evaluate(struct thaw_comm *comm, const struct thaw_model *model, const struct thaw_dataset *dataset,
			  int lanes, int decode_threads, double max_damaged, const struct thaw_callbacks *callbacks,
			  json_t **result)
{
	struct thaw_measure measure = {.dataset = dataset, .sigmoid = model->sigmoid_from != NULL};
	struct standalone s = {
		.e = {.comm = comm, .dataset = dataset, .lanes = lanes, .measure = &measure, .callbacks = callbacks},
	};
	THAW_TRY(thaw_model_check_task(model, dataset->task, "--data"));
	if (dataset->classes != model->classes)
		return thaw_fail(THAW_CONFIG,
				 "the model has %d classes, the data %d: --data: give data with the model's classes",
				 (int)model->classes, dataset->classes);
	thaw_warn_random(comm, callbacks, model, "the result means nothing: give FAMILY:FILE, or a run");
	thaw_warn_small_input(comm, callbacks, model, dataset);
	struct thaw_graph *graph = thaw_graph_copy(model->graph);
	double *sums = thaw_alloc((size_t)thaw_metrics_size(&measure), sizeof(*sums));
	float *half = default_thresholds(model);
	measure.thresholds = model->thresholds ? model->thresholds : half;
	thaw_status status = graph && sums && half ? thaw_measure_open(&measure) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = prepare_graph(graph);
	status = thaw_comm_agree(comm, status);
	if (status == THAW_OK)
		status = compare_ranks(comm, model, dataset);
	if (status == THAW_OK)
		status = evaluate(&s, graph, &model->preprocess, decode_threads, sums);
	if (status == THAW_OK)
		status = check_sums(&s.e, sums, max_damaged);
	if (status == THAW_OK) {
		*result = thaw_metrics_json(&measure, sums);
		if (dataset->task == THAW_TASK_CLASS)
			json_object_set_new(*result, "probabilities",
					    json_string(measure.sigmoid ? "sigmoid" : "softmax"));
		status = *result ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: the report");
	}
	thaw_graph_destroy(graph);
	thaw_measure_close(&measure);
	thaw_free(half);
	thaw_free(sums);
	return status;
}
