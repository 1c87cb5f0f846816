/* Exact classification metrics: counts and sums that add up over images, lanes and ranks. */
#ifndef THAW_SRC_TRAIN_METRICS_H
#define THAW_SRC_TRAIN_METRICS_H

#include <jansson.h>

#include "src/train/features.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/train.h"

/* The sums, each a double: METRIC_FIXED of them, then images per class, then hits per class. */
enum { METRIC_IMAGES, METRIC_LOSS, METRIC_TOP1, METRIC_TOP5, METRIC_DAMAGED, METRIC_FIXED };

int thaw_metrics_size(int classes);

/* Adds n images with these logits (n,classes) to sums[thaw_metrics_size]. */
void thaw_metrics_add(double *sums, const float *logits, int64_t n, int classes, const int32_t *labels);

/* images, top1, top5, loss, damaged, per_class {name: {images, accuracy}}. New reference, NULL without memory. */
json_t *thaw_metrics_json(const double *sums, int classes, char *const *names);

#define THAW_EVAL_BATCH 16 /* images per forward pass of an evaluation; part of what decides its bits */

/* What an evaluation runs with. The executor is a tail executor for inference with room for THAW_EVAL_BATCH images. */
struct thaw_evaluation {
	struct thaw_comm *comm;
	struct thaw_executor *executor;
	const struct thaw_dataset *dataset;
	struct thaw_features *features;
	int lanes, classes;
	struct thaw_damage *damage; /* of the dataset */
	const struct thaw_callbacks *callbacks;
};

/* sums[thaw_metrics_size] over the whole dataset, the same on every rank. Collective.
 * THAW_UNFINISHED on all ranks when one was asked to stop. Images that turn out damaged are named on the log. */
thaw_status thaw_evaluation_run(const struct thaw_evaluation *e, double *sums);

#endif
