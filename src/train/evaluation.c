/* Evaluates over lanes: each image once, in batches that do not depend on the rank count. */
#include "src/train/evaluation.h"

#include <stdio.h>

#include "src/base/try.h"
#include "src/train/label_scores.h"
#include "src/train/metrics.h"
#include "thaw/allreduce.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"

#define ROUNDS_BETWEEN_STOP_CHECKS 8

static bool has_own_sizes(const struct thaw_evaluation *e)
{
	return e->sizes && thaw_own_sizes_known(e->sizes);
}

/* Number of batches of a lane, one of this rank's with own sizes; -1 if out of memory. */
static int64_t lane_batches(const struct thaw_evaluation *e, int lane)
{
	static const struct thaw_own_sizes none = {0};
	int64_t images = thaw_lane_count(e->dataset->count, e->lanes, lane);
	return thaw_batches_count(has_own_sizes(e) ? e->sizes : &none, images, lane, THAW_EVAL_BATCH);
}

static thaw_status submit(const struct thaw_evaluation *e, int lane, const int64_t *samples, int64_t count)
{
	struct thaw_feature_request request = {.samples = samples, .count = count, .lane = lane, .size = e->size};
	if (has_own_sizes(e))
		request.size = thaw_own_size(e->sizes, lane, samples[0]);
	return thaw_features_submit(e->features, &request);
}

/* The batches of a lane: consecutive images, or images of one size. */
static thaw_status submit_lane(const struct thaw_evaluation *e, int lane)
{
	static const struct thaw_own_sizes none = {0};
	int64_t images = thaw_lane_count(e->dataset->count, e->lanes, lane), batches = lane_batches(e, lane);
	int64_t *order = thaw_alloc((size_t)images, sizeof(*order));
	int64_t *first = batches < 0 ? NULL : thaw_alloc((size_t)batches + 1, sizeof(*first));
	thaw_status status = order && first ? THAW_OK : THAW_RESOURCE;
	for (int64_t k = 0; k < images && status == THAW_OK; k++)
		order[k] = thaw_lane_sample(k, e->lanes, lane);
	if (status == THAW_OK)
		status = thaw_batches_arrange(has_own_sizes(e) ? e->sizes : &none, order, images, lane, THAW_EVAL_BATCH,
					      NULL, first);
	for (int64_t b = 0; b < batches && status == THAW_OK; b++)
		status = submit(e, lane, order + first[b], first[b + 1] - first[b]);
	thaw_free(order);
	thaw_free(first);
	return status;
}

/* scores: NULL: none are kept. */
static thaw_status run_batch(const struct thaw_evaluation *e, struct thaw_label_scores *scores, double *sums)
{
	struct thaw_feature_batch batch;
	THAW_TRY(thaw_features_load_next(e->features, e->executor, &batch));
	const float *logits = thaw_executor_forward(e->executor, batch.count, NULL);
	if (!logits)
		return thaw_fail(THAW_UNFINISHED, "asked to stop during an evaluation");
	thaw_metrics_add(e->measure, sums, logits, batch.samples, batch.count);
	for (int64_t i = 0; i < batch.count && scores; i++)
		thaw_label_scores_put(scores, batch.samples[i], logits + i * e->dataset->classes);
	sums[METRIC_DAMAGED] += (double)batch.damaged;
	return THAW_OK;
}

/* Ranks have different numbers of batches; they agree on stopping in rounds that all of them reach. */
static thaw_status agree_to_stop(const struct thaw_evaluation *e)
{
	int64_t stop = e->callbacks && e->callbacks->stop && e->callbacks->stop(e->callbacks->context);
	THAW_TRY(e->comm->max(e->comm, &stop, 1));
	return stop ? thaw_fail(THAW_UNFINISHED, "asked to stop during an evaluation") : THAW_OK;
}

/* A class without readable images does not end the evaluation, but the log says that it is not measured. */
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

static thaw_status submit_all(const struct thaw_evaluation *e, int first, int end)
{
	for (int lane = first; lane < end; lane++)
		THAW_TRY(submit_lane(e, lane));
	return THAW_OK;
}

/* Runs the batches of this rank's lanes after submit_all, which returned `status`. All ranks go through the same number
 * of rounds of one batch each. rows (lanes, n). */
static thaw_status run_rounds(const struct thaw_evaluation *e, struct thaw_label_scores *scores, int n, double *rows,
			      thaw_status status)
{
	int first = thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank);
	int end = thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank + 1);
	int lane = first - 1;
	int64_t left = 0, rounds = 0; /* left: batches of the current lane */
	for (int own = first; own < end; own++)
		rounds += lane_batches(e, own);
	THAW_TRY(e->comm->max(e->comm, &rounds, 1));
	for (int64_t round = 0; round < rounds; round++) {
		while (left == 0 && ++lane < end)
			left = lane_batches(e, lane);
		if (lane < end && status == THAW_OK) {
			status = run_batch(e, scores, rows + (int64_t)lane * n);
			left--;
		}
		if (round % ROUNDS_BETWEEN_STOP_CHECKS == ROUNDS_BETWEEN_STOP_CHECKS - 1) {
			THAW_TRY(thaw_comm_agree(e->comm, status));
			THAW_TRY(agree_to_stop(e));
		}
	}
	return status;
}

thaw_status thaw_evaluation_run(const struct thaw_evaluation *e, double *sums)
{
	int n = thaw_metrics_size(e->measure);
	int first = thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank);
	int end = thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank + 1);
	double *rows = thaw_alloc((size_t)e->lanes * (size_t)n, sizeof(*rows));
	struct thaw_label_scores scores = {0};
	bool scored = e->dataset->task == THAW_TASK_LABELS;
	thaw_status status = rows ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && scored)
		status = thaw_label_scores_open(&scores, e->dataset, e->lanes, e->comm);
	if (status == THAW_OK)
		status = submit_all(e, first, end);
	status = run_rounds(e, scored ? &scores : NULL, n, rows, status);
	thaw_features_drop(e->features); /* after a stop or a failure */
	status = thaw_comm_agree(e->comm, status);
	if (status == THAW_OK)
		status = report_damage(e);
	if (status == THAW_OK)
		status = thaw_allreduce_doubles(e->comm, e->lanes, n, rows, sums);
	if (status == THAW_OK && scored)
		status = thaw_label_scores_measure(&scores, e->comm, e->measure, sums);
	thaw_label_scores_close(&scores);
	thaw_free(rows);
	return status;
}
