/* Metrics of several labels per image: mean average precision, and F1 at each label's threshold. They need the scores
 * of all images, which label_scores.c gathers; only the loss is summed image by image. */
#include "src/ops/losses.h"
#include "src/train/metrics.h"

enum { WEIGHT = METRIC_FIXED, PER_LABEL };

static int size(int classes)
{
	return PER_LABEL - METRIC_FIXED + LABEL_SUMS * classes;
}

static void add(const struct thaw_measure *m, double *sums, const float *outputs, int64_t sample)
{
	int classes = m->dataset->classes;
	const struct thaw_loss_input in = {
		.outputs = outputs, .count = classes, .targets = m->dataset->targets + sample * classes};
	const struct thaw_loss_sums one = thaw_loss_labels(&in, NULL);
	sums[METRIC_LOSS] += one.loss;
	sums[WEIGHT] += one.weight;
}

double *thaw_label_sums(double *sums, int c)
{
	return sums + PER_LABEL + LABEL_SUMS * c;
}

static const double *read_sums(const double *sums, int c)
{
	return sums + PER_LABEL + LABEL_SUMS * c;
}

static double f1(const double *s)
{
	return thaw_fraction(2.0 * s[LABEL_CORRECT], s[LABEL_PRESENT] + s[LABEL_PREDICTED]);
}

/* The mean over the labels that any image has. */
static double mean_precision(const struct thaw_measure *m, const double *sums)
{
	double sum = 0.0, present = 0.0;
	for (int c = 0; c < m->dataset->classes; c++) {
		const double *s = read_sums(sums, c);
		sum += s[LABEL_PRESENT] > 0.0 ? s[LABEL_PRECISION] : 0.0;
		present += s[LABEL_PRESENT] > 0.0;
	}
	return thaw_fraction(sum, present);
}

static double mean_f1(const struct thaw_measure *m, const double *sums)
{
	double sum = 0.0, present = 0.0;
	for (int c = 0; c < m->dataset->classes; c++) {
		const double *s = read_sums(sums, c);
		sum += f1(s);
		present += s[LABEL_PRESENT] + s[LABEL_PREDICTED] > 0.0;
	}
	return thaw_fraction(sum, present);
}

/* average_precision is null for a label that no image has. */
static json_t *label_json(const double *s)
{
	return json_pack("{s:I, s:I, s:o, s:f, s:f}", "images", (json_int_t)s[LABEL_PRESENT], "known",
			 (json_int_t)s[LABEL_KNOWN], "average_precision",
			 s[LABEL_PRESENT] > 0.0 ? json_real(s[LABEL_PRECISION]) : json_null(), "threshold",
			 s[LABEL_THRESHOLD], "f1", f1(s));
}

static json_t *json(const struct thaw_measure *m, const double *sums)
{
	const struct thaw_dataset *d = m->dataset;
	json_t *labels = json_object();
	for (int c = 0; labels && c < d->classes; c++) {
		if (thaw_metrics_set_class(labels, d->class_names[c], label_json(read_sums(sums, c))) != 0) {
			json_decref(labels);
			labels = NULL;
		}
	}
	if (!labels)
		return NULL;
	return json_pack("{s:s, s:I, s:f, s:f, s:f, s:I, s:o}", "task", thaw_task_name(THAW_TASK_LABELS), "images",
			 (json_int_t)sums[METRIC_IMAGES], "map", mean_precision(m, sums), "macro_f1", mean_f1(m, sums),
			 "loss", thaw_fraction(sums[METRIC_LOSS], sums[WEIGHT]), "damaged",
			 (json_int_t)sums[METRIC_DAMAGED], "per_label", labels);
}

const struct thaw_metrics_kind thaw_metrics_labels = {"map", size, add, mean_precision, json};
