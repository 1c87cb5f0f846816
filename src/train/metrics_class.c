/* Metrics of one class per image: counts, so that they are exact. */
#include "src/train/metrics.h"
#include "thaw/ops.h"

#define TOP_K 5

enum { TOP1 = METRIC_FIXED, TOP5, PER_CLASS };

/* The predicted class, and how many classes score higher than the label; on a tie the smaller index wins, as in
 * thaw_cross_entropy. */
static int predict(const float *logits, int classes, int32_t label, int *ahead)
{
	int top = 0;
	*ahead = 0;
	for (int c = 0; c < classes; c++) {
		top = logits[c] > logits[top] ? c : top;
		*ahead += logits[c] > logits[label] || (logits[c] == logits[label] && c < label);
	}
	return top;
}

static int size(int classes)
{
	return PER_CLASS - METRIC_FIXED + CLASS_SUMS * classes;
}

static void add(const struct thaw_measure *m, double *sums, const float *outputs, int64_t sample)
{
	int classes = m->dataset->classes, ahead;
	int32_t label = m->dataset->labels[sample];
	int top = predict(outputs, classes, label, &ahead);
	double loss = 0.0;
	int64_t correct = 0;
	if (m->sigmoid)
		loss = thaw_binary_cross_entropy(outputs, 1, classes, &label);
	else
		thaw_cross_entropy(outputs, 1, classes, &label, 0.0f, NULL, &loss, &correct);
	sums[METRIC_LOSS] += loss;
	sums[TOP1] += ahead == 0;
	sums[TOP5] += ahead < TOP_K;
	sums[thaw_class_sum(PER_CLASS, classes, CLASS_IMAGES, label)] += 1.0;
	sums[thaw_class_sum(PER_CLASS, classes, CLASS_CORRECT, label)] += ahead == 0;
	sums[thaw_class_sum(PER_CLASS, classes, CLASS_PREDICTED, top)] += 1.0;
}

static double main_value(const struct thaw_measure *m, const double *sums)
{
	(void)m;
	return thaw_fraction(sums[TOP1], sums[METRIC_IMAGES]);
}

static json_t *json(const struct thaw_measure *m, const double *sums)
{
	double images = sums[METRIC_IMAGES];
	int classes = m->dataset->classes;
	json_t *per_class = thaw_per_class_json(sums, PER_CLASS, m->dataset);
	if (!per_class)
		return NULL;
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:o}", "images", (json_int_t)images, "top1",
			 main_value(m, sums), "top5", thaw_fraction(sums[TOP5], images), "balanced_accuracy",
			 thaw_balanced_accuracy(sums, PER_CLASS, classes), "macro_f1",
			 thaw_macro_f1(sums, PER_CLASS, classes), "loss", thaw_fraction(sums[METRIC_LOSS], images),
			 "damaged", (json_int_t)sums[METRIC_DAMAGED], "per_class", per_class);
}

const struct thaw_metrics_kind thaw_metrics_class = {"top1", size, add, main_value, json};
