/* Metrics of a dataset's task: sums that add up over images, lanes and ranks, and what follows from them. One file per
 * task, metrics_*.c, and one line in the table in metrics.c. */
#ifndef THAW_SRC_TRAIN_METRICS_H
#define THAW_SRC_TRAIN_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "thaw/dataset.h"

/* The sums, all double: METRIC_FIXED of them, then those of the task. */
enum { METRIC_IMAGES, METRIC_LOSS, METRIC_DAMAGED, METRIC_FIXED };

/* What is measured, and how. All pointers are borrowed except `shift` and `spread`. */
struct thaw_measure {
	const struct thaw_dataset *dataset;
	bool sigmoid; /* of classes: the loss is thaw_binary_cross_entropy, not that of the softmax */
	/* [classes] for labels: probability from which a label is predicted; NULL: those that give the best F1 on these
	 * images. */
	const float *thresholds;
	const double *mean, *deviation; /* [classes] for values: the outputs are standardised; NULL: they are not */
	/* [classes] for values: mean and standard deviation of the dataset's. */
	double *shift, *spread;
};

/* Computes what the members of `m` that are set determine. Released by thaw_measure_close, after a failure too. */
thaw_status thaw_measure_open(struct thaw_measure *m);
void thaw_measure_close(struct thaw_measure *m);

/* Number of sums. */
int thaw_metrics_size(const struct thaw_measure *m);

/* Adds the outputs (n,outputs) of samples[n] to sums[thaw_metrics_size]. Losses are without weights. */
void thaw_metrics_add(const struct thaw_measure *m, double *sums, const float *outputs, const int64_t *samples,
		      int64_t n);

/* A new reference; NULL if out of memory. For classes images, top1, top5, balanced_accuracy, macro_f1, loss, damaged
 * and per_class {name: {images, accuracy}}; for other tasks task and the metrics that docs/datasets.md lists. */
json_t *thaw_metrics_json(const struct thaw_measure *m, const double *sums);

/* The metric by which evaluations are compared, and its name in that object. Larger is better. */
double thaw_metrics_main(const struct thaw_measure *m, const double *sums);
const char *thaw_metrics_main_name(enum thaw_task task);

/* ---- For metrics_*.c --------------------------------------------------------------------------------------------- */

struct thaw_metrics_kind {
	const char *main; /* name of the main metric */
	int (*size)(int classes);
	void (*add)(const struct thaw_measure *m, double *sums, const float *outputs, int64_t sample);
	double (*main_value)(const struct thaw_measure *m, const double *sums);
	json_t *(*json)(const struct thaw_measure *m, const double *sums);
};
extern const struct thaw_metrics_kind thaw_metrics_class, thaw_metrics_labels, thaw_metrics_grade, thaw_metrics_value;

/* metrics_common.c: */
double thaw_fraction(double part, double whole); /* 0 if whole is 0 */

/* metrics_labels.c: the sums of label c that label_scores.c computes. */
enum { LABEL_KNOWN, LABEL_PRESENT, LABEL_PRECISION, LABEL_THRESHOLD, LABEL_CORRECT, LABEL_PREDICTED, LABEL_SUMS };
double *thaw_label_sums(double *sums, int c);

/* Images, correct predictions and predictions of each class. */
enum { CLASS_IMAGES, CLASS_CORRECT, CLASS_PREDICTED, CLASS_SUMS };
/* The place of such a sum of class c; `first`: of the first of all of them. */
static inline int thaw_class_sum(int first, int classes, int which, int c)
{
	return first + which * classes + c;
}
/* The mean over the classes that have images of the fraction that is predicted rightly, and the mean over the classes
 * that have images or predictions of F1. */
double thaw_balanced_accuracy(const double *sums, int first, int classes);
double thaw_macro_f1(const double *sums, int first, int classes);
/* {name: {images, accuracy}}. */
json_t *thaw_per_class_json(const double *sums, int first, const struct thaw_dataset *d);
/* Adds {name: entry} and takes the reference to `entry`. Returns what json_object_set_new does. */
int thaw_metrics_set_class(json_t *object, const char *name, json_t *entry);

#endif
