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

/* Number of batches of a lane. */
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
		for (int64_t b = 0; b < lane_batches(e, lane); b++)
			THAW_TRY(submit(e, lane, b));
	return THAW_OK;
}

/* Runs the batches of this rank's lanes after submit_all, which returned `status`. All ranks go through the same number
 * of rounds of one batch each. rows (lanes, n). */
static thaw_status run_rounds(const struct thaw_evaluation *e, struct thaw_label_scores *scores, int n, double *rows,
			      thaw_status status)
{
	int first = thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank);
	int end = thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank + 1);
	int most_lanes = (e->lanes + e->comm->size - 1) / e->comm->size;
	int64_t rounds = most_lanes * lane_batches(e, 0); /* no lane is longer than lane 0 */
	int lane = first;
	int64_t batch = 0;
	for (int64_t round = 0; round < rounds; round++) {
		while (lane < end && batch == lane_batches(e, lane)) {
			lane++;
			batch = 0;
		}
		if (lane < end && status == THAW_OK) {
			status = run_batch(e, scores, rows + (int64_t)lane * n);
			batch++;
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
