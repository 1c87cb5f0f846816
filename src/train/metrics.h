/* Exact classification metrics: counts and sums that add up over images, lanes and ranks. */
#ifndef THAW_SRC_TRAIN_METRICS_H
#define THAW_SRC_TRAIN_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/* The sums, all double: METRIC_FIXED of them, then images per class, then correct images per class. */
enum { METRIC_IMAGES, METRIC_LOSS, METRIC_TOP1, METRIC_TOP5, METRIC_DAMAGED, METRIC_FIXED };

int thaw_metrics_size(int classes);

/* Adds n images with these logits (n,classes) to sums[thaw_metrics_size]. The loss is the cross-entropy of their
 * softmax, or, if `sigmoid`, thaw_binary_cross_entropy. */
void thaw_metrics_add(double *sums, const float *logits, int64_t n, int classes, const int32_t *labels, bool sigmoid);

/* images, top1, top5, loss, damaged, per_class {name: {images, accuracy}}. A new reference; NULL if out of memory. */
json_t *thaw_metrics_json(const double *sums, int classes, char *const *names);

#endif
