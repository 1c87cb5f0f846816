/* Evaluation over lanes: each image once, in batches that do not depend on the rank count. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "src/train/metrics.h"
#include "thaw/allreduce.h"
#include "thaw/lanes.h"

#define ROUNDS_BETWEEN_STOP_CHECKS 8

/* The batches of a lane: how many, and the samples of one. */
static int64_t lane_batches(const struct thaw_evaluation *e, int lane)
{
	return (thaw_lane_count(e->dataset->count, e->lanes, lane) + THAW_EVAL_BATCH - 1) / THAW_EVAL_BATCH;
}

static thaw_status submit(const struct thaw_evaluation *e, int lane, int64_t batch)
{
	int64_t samples[THAW_EVAL_BATCH], count = 0;
	int64_t first = batch * THAW_EVAL_BATCH, all = thaw_lane_count(e->dataset->count, e->lanes, lane);
	for (int64_t k = first; k < all && count < THAW_EVAL_BATCH; k++)
		samples[count++] = thaw_lane_sample(k, e->lanes, lane);
	struct thaw_feature_request request = {.samples = samples, .count = count, .lane = lane};
	return thaw_features_submit(e->features, &request);
}

static thaw_status run_batch(const struct thaw_evaluation *e, double *sums)
{
	struct thaw_feature_batch batch;
	THAW_TRY(thaw_features_load_next(e->features, e->executor, &batch));
	const float *logits = thaw_executor_forward(e->executor, batch.count, NULL);
	thaw_metrics_add(sums, logits, batch.count, e->classes, batch.labels);
	sums[METRIC_DAMAGED] += (double)batch.damaged;
	return THAW_OK;
}

/* Ranks carry different numbers of batches; they agree on stopping at rounds that all of them reach. */
static thaw_status agree_to_stop(const struct thaw_evaluation *e)
{
	bool asked = e->callbacks && e->callbacks->stop && e->callbacks->stop(e->callbacks->context);
	int64_t stop = asked;
	THAW_TRY(e->comm->max(e->comm, &stop, 1));
	return stop ? thaw_fail(THAW_UNFINISHED, "asked to stop during an evaluation") : THAW_OK;
}

/* A class without images to measure is no reason to lose the rest, but its numbers say nothing. */
static thaw_status report_damage(const struct thaw_evaluation *e)
{
	char line[256];
	int lost;
	THAW_TRY(thaw_damage_report(e->damage, e->comm, e->callbacks, &lost));
	if (lost < 0 || e->comm->rank != 0 || !e->callbacks || !e->callbacks->log)
		return THAW_OK;
	snprintf(line, sizeof(line), "class \"%.100s\" is not measured: all its images are damaged",
		 e->dataset->class_names[lost]);
	e->callbacks->log(e->callbacks->context, line);
	return THAW_OK;
}

thaw_status thaw_evaluation_run(const struct thaw_evaluation *e, double *sums)
{
	int n = thaw_metrics_size(e->classes);
	int first = thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank);
	int end = thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank + 1);
	int most_lanes = (e->lanes + e->comm->size - 1) / e->comm->size;
	int64_t rounds = most_lanes * lane_batches(e, 0); /* lane 0 is never the shorter one */
	double *lanes = thaw_alloc((size_t)e->lanes * (size_t)n, sizeof(*lanes));
	if (!lanes)
		return THAW_RESOURCE;

	thaw_status status = THAW_OK;
	for (int lane = first; lane < end && status == THAW_OK; lane++)
		for (int64_t b = 0; b < lane_batches(e, lane) && status == THAW_OK; b++)
			status = submit(e, lane, b);

	int lane = first;
	int64_t batch = 0;
	for (int64_t round = 0; round < rounds; round++) {
		while (lane < end && batch == lane_batches(e, lane)) {
			lane++;
			batch = 0;
		}
		if (lane < end && status == THAW_OK) {
			status = run_batch(e, lanes + (int64_t)lane * n);
			batch++;
		}
		if (round % ROUNDS_BETWEEN_STOP_CHECKS == ROUNDS_BETWEEN_STOP_CHECKS - 1) {
			status = thaw_comm_agree(e->comm, status);
			if (status == THAW_OK)
				status = agree_to_stop(e);
			if (status != THAW_OK)
				break;
		}
	}
	thaw_features_drop(e->features); /* after a stop */
	status = thaw_comm_agree(e->comm, status);
	if (status == THAW_OK)
		status = report_damage(e);
	if (status == THAW_OK)
		status = thaw_allreduce_doubles(e->comm, e->lanes, n, lanes, sums);
	thaw_free(lanes);
	return status;
}

/* The parts of an evaluation that is not part of a run. */
struct lone_evaluation {
	struct thaw_evaluation e; /* first */
	struct thaw_executor *trunk;
	struct thaw_loader *loader;
};

static thaw_status open_parts(struct lone_evaluation *l, const struct thaw_graph *graph,
			      const struct thaw_preprocess *preprocess, int decode_threads)
{
	struct thaw_evaluation *e = &l->e;
	struct thaw_shape image = thaw_shape_of(THAW_EVAL_BATCH, preprocess->size, preprocess->size, 3);
	THAW_TRY(thaw_executor_create(&l->trunk, graph, &image, THAW_TRUNK, false));
	THAW_TRY(thaw_executor_pack(l->trunk, NULL, true));
	THAW_TRY(thaw_executor_create(&e->executor, graph, &image, THAW_TAIL, false));
	THAW_TRY(thaw_loader_create(&l->loader, e->dataset, preprocess, NULL, decode_threads, 2));
	THAW_TRY(thaw_damage_create(&e->damage, e->dataset));
	struct thaw_feature_parts parts = {
		.dataset = e->dataset,
		.loader = l->loader,
		.damage = e->damage,
		.trunk = l->trunk,
		.lanes = e->lanes,
		.first_lane = thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank),
		.size = preprocess->size,
	};
	return thaw_features_create(&e->features, &parts);
}

static thaw_status evaluate_with(struct lone_evaluation *l, const struct thaw_graph *graph,
				 const struct thaw_preprocess *preprocess, int decode_threads, double *sums)
{
	struct thaw_evaluation *e = &l->e;
	thaw_status status = thaw_comm_agree(e->comm, open_parts(l, graph, preprocess, decode_threads));
	if (status == THAW_OK)
		status = thaw_evaluation_run(e, sums);
	thaw_features_destroy(e->features);
	thaw_loader_destroy(l->loader);
	thaw_damage_destroy(e->damage);
	thaw_executor_destroy(e->executor);
	thaw_executor_destroy(l->trunk);
	return status;
}

static thaw_status check_sums(const struct thaw_evaluation *e, const double *sums)
{
	if (e->dataset->count > 0 && sums[METRIC_IMAGES] == 0.0)
		return thaw_fail(THAW_DATA, "none of the %lld images can be read: --data: the lines before name them",
				 (long long)e->dataset->count);
	if (!isfinite(sums[METRIC_LOSS]))
		return thaw_fail(THAW_DATA, "the network's outputs are no numbers: --model: its weights are damaged or "
					    "were trained at too high a learning rate");
	return THAW_OK;
}

/* Other images or weights on another node: the ranks would wait for each other for ever, or add up what does not
 * belong together. */
static thaw_status compare_ranks(struct thaw_comm *comm, const struct thaw_model *model,
				 const struct thaw_dataset *dataset)
{
	char data[32], weights[32];
	snprintf(data, sizeof(data), "%016llx", (unsigned long long)thaw_dataset_digest(dataset));
	snprintf(weights, sizeof(weights), "%016llx", (unsigned long long)model->digest);
	THAW_TRY(thaw_comm_same(comm, data, "images", "give every rank the same --data"));
	return thaw_comm_same(comm, weights, "model file", "give every rank the same --model");
}

thaw_status thaw_evaluate(struct thaw_comm *comm, const struct thaw_model *model, const struct thaw_dataset *dataset,
			  int lanes, int size, int decode_threads, const struct thaw_callbacks *callbacks,
			  json_t **result)
{
	struct thaw_preprocess preprocess = thaw_preprocess_at(&model->preprocess, size);
	struct lone_evaluation lone = {
		.e = {.comm = comm,
		      .dataset = dataset,
		      .lanes = lanes,
		      .classes = (int)model->classes,
		      .callbacks = callbacks},
	};
	int classes = lone.e.classes;
	if (dataset->classes != model->classes)
		return thaw_fail(
			THAW_CONFIG,
			"the model knows %d classes, the data have %d: --data: use the data it was trained for",
			(int)model->classes, dataset->classes);
	struct thaw_graph *graph = thaw_graph_copy(model->graph);
	double *sums = thaw_alloc((size_t)thaw_metrics_size(classes), sizeof(*sums));
	thaw_status status = graph && sums ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK) /* the trunk: everything up to the classifier, an image at a time */
		status = thaw_graph_unfreeze(graph, "head");
	if (status == THAW_OK)
		status = thaw_pass_fold(graph);
	if (status == THAW_OK)
		status = thaw_pass_fuse(graph);
	status = thaw_comm_agree(comm, status);
	if (status == THAW_OK)
		status = compare_ranks(comm, model, dataset);
	if (status == THAW_OK)
		status = evaluate_with(&lone, graph, &preprocess, decode_threads, sums);
	if (status == THAW_OK)
		status = check_sums(&lone.e, sums);
	if (status == THAW_OK) {
		*result = thaw_metrics_json(sums, classes, dataset->class_names);
		status = *result ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory for a report");
	}
	thaw_graph_destroy(graph);
	thaw_free(sums);
	return status;
}
