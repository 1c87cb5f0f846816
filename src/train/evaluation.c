/* Evaluates over lanes: each image once, in batches that do not depend on the rank count. */
#include "src/train/evaluation.h"

#include <stdio.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/train/label_scores.h"
#include "src/train/metrics.h"
#include "thaw/allreduce.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"

#define ROUNDS_BETWEEN_STOP_CHECKS 8
#define REQUESTS_AHEAD             8 /* batches; more than a loader works on at a time */

static bool has_own_sizes(const struct thaw_evaluation *e)
{
	return e->sizes && thaw_own_sizes_known(e->sizes);
}

/* The batches of this rank's lanes, one after the other, requested a few ahead of those that are computed. */
struct requests {
	const struct thaw_evaluation *e;
	int first_lane, end_lane; /* of this rank */
	int64_t *batches;         /* [lanes of this rank] how many they have */
	int lane;                 /* whose batches are requested */
	int64_t batch;            /* the next one of the lane */
	int64_t *order, *first;   /* of the lane, with own sizes: as thaw_batches_arrange has them */
	int64_t count;            /* requested and not computed yet */
};

/* Opens *q, with the number of batches of this rank. */
static thaw_status open_requests(struct requests *q, const struct thaw_evaluation *e, int64_t *total)
{
	static const struct thaw_own_sizes none = {0};
	int first = thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank);
	int end = thaw_lanes_first(e->lanes, e->comm->size, e->comm->rank + 1);
	*q = (struct requests){.e = e, .first_lane = first, .end_lane = end, .lane = first - 1};
	q->batches = thaw_alloc((size_t)(end - first), sizeof(*q->batches));
	for (int own = 0; q->batches && own < end - first; own++) {
		int64_t images = thaw_lane_count(e->dataset->count, e->lanes, first + own);
		int64_t batches =
			thaw_batches_count(has_own_sizes(e) ? e->sizes : &none, images, first + own, THAW_EVAL_BATCH);
		if (batches < 0)
			return THAW_RESOURCE;
		q->batches[own] = batches;
		*total += batches;
	}
	return q->batches ? THAW_OK : THAW_RESOURCE;
}

static int64_t lane_batches(const struct requests *q, int lane)
{
	return lane < q->first_lane ? 0 : q->batches[lane - q->first_lane];
}

static void leave_lane(struct requests *q)
{
	thaw_free(q->order);
	thaw_free(q->first);
	q->order = q->first = NULL;
}

static void close_requests(struct requests *q)
{
	leave_lane(q);
	thaw_free(q->batches);
}

/* Consecutive images are in a batch, or images of one size. */
static thaw_status enter_lane(struct requests *q)
{
	const struct thaw_evaluation *e = q->e;
	int64_t images = thaw_lane_count(e->dataset->count, e->lanes, q->lane);
	q->batch = 0;
	if (!has_own_sizes(e))
		return THAW_OK;
	q->order = thaw_alloc((size_t)images, sizeof(*q->order));
	q->first = thaw_alloc((size_t)lane_batches(q, q->lane) + 1, sizeof(*q->first));
	if (!q->order || !q->first)
		return THAW_RESOURCE;
	for (int64_t k = 0; k < images; k++)
		q->order[k] = thaw_lane_sample(k, e->lanes, q->lane);
	return thaw_batches_arrange(e->sizes, q->order, images, q->lane, THAW_EVAL_BATCH, NULL, q->first);
}

static thaw_status submit(struct requests *q)
{
	const struct thaw_evaluation *e = q->e;
	int64_t samples[THAW_EVAL_BATCH], begin = q->batch * THAW_EVAL_BATCH;
	struct thaw_feature_request request = {.samples = samples, .lane = q->lane, .size = e->size};
	if (q->order) {
		request.samples = q->order + q->first[q->batch];
		request.count = q->first[q->batch + 1] - q->first[q->batch];
		request.size = thaw_own_size(e->sizes, q->lane, request.samples[0]);
	} else {
		request.count =
			min_int64(THAW_EVAL_BATCH, thaw_lane_count(e->dataset->count, e->lanes, q->lane) - begin);
		for (int64_t k = 0; k < request.count; k++)
			samples[k] = thaw_lane_sample(begin + k, e->lanes, q->lane);
	}
	q->batch++;
	q->count++;
	return thaw_features_submit(e->features, &request);
}

/* Requests batches until enough of them wait. */
static thaw_status request_ahead(struct requests *q)
{
	while (q->count < REQUESTS_AHEAD) {
		while (q->batch == lane_batches(q, q->lane)) {
			leave_lane(q);
			if (q->lane + 1 >= q->end_lane)
				return THAW_OK;
			q->lane++;
			THAW_TRY(enter_lane(q));
		}
		THAW_TRY(submit(q));
	}
	return THAW_OK;
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

/* Runs the batches of this rank's lanes, unless it has failed before. All ranks go through the same number of rounds of
 * one batch each. rows (lanes, n). */
static thaw_status run_rounds(const struct thaw_evaluation *e, struct thaw_label_scores *scores, int n, double *rows,
			      thaw_status status)
{
	struct requests requests;
	int64_t rounds = 0, done = 0; /* done: batches of the current lane */
	thaw_status opened = open_requests(&requests, e, &rounds), all = e->comm->max(e->comm, &rounds, 1);
	int lane = requests.first_lane;
	if (status == THAW_OK)
		status = opened;
	for (int64_t round = 0; all == THAW_OK && round < rounds; round++) {
		if (status == THAW_OK)
			status = request_ahead(&requests);
		if (status == THAW_OK && requests.count > 0) {
			for (; done == lane_batches(&requests, lane); done = 0)
				lane++;
			status = run_batch(e, scores, rows + (int64_t)lane * n);
			requests.count--;
			done++;
		}
		if (round % ROUNDS_BETWEEN_STOP_CHECKS == ROUNDS_BETWEEN_STOP_CHECKS - 1) {
			all = thaw_comm_agree(e->comm, status);
			if (all == THAW_OK)
				all = agree_to_stop(e);
		}
	}
	close_requests(&requests);
	return all == THAW_OK ? status : all;
}

thaw_status thaw_evaluation_run(const struct thaw_evaluation *e, double *sums)
{
	int n = thaw_metrics_size(e->measure);
	double *rows = thaw_alloc((size_t)e->lanes * (size_t)n, sizeof(*rows));
	struct thaw_label_scores scores = {0};
	bool scored = e->dataset->task == THAW_TASK_LABELS;
	thaw_status status = rows ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && scored)
		status = thaw_label_scores_open(&scores, e->dataset, e->lanes, e->comm);
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
