/* Metrics of ordered grades: accuracy, mean absolute error in grades, and Cohen's kappa with quadratic weights. */
#include "src/ops/losses.h"
#include "src/train/metrics.h"

enum {
	CORRECT = METRIC_FIXED,
	ERROR,   /* sum of |grade - predicted| */
	SQUARES, /* of (grade - predicted)^2 */
	GRADES,  /* of grades, their squares, predictions, their squares */
	GRADE_SQUARES,
	PREDICTIONS,
	PREDICTION_SQUARES,
	PER_CLASS
};

static int size(int classes)
{
	return PER_CLASS - METRIC_FIXED + CLASS_SUMS * classes;
}

static void add(const struct thaw_measure *m, double *sums, const float *outputs, int64_t sample)
{
	int classes = m->dataset->classes;
	int32_t grade = m->dataset->labels[sample], predicted = thaw_grade_predict(outputs, classes - 1);
	const struct thaw_loss_input in = {.outputs = outputs, .count = classes - 1, .label = grade};
	double y = grade, p = predicted, error = p - y;
	sums[METRIC_LOSS] += thaw_loss_grades(&in, NULL).loss;
	sums[CORRECT] += grade == predicted;
	sums[ERROR] += error < 0.0 ? -error : error;
	sums[SQUARES] += error * error;
	sums[GRADES] += y;
	sums[GRADE_SQUARES] += y * y;
	sums[PREDICTIONS] += p;
	sums[PREDICTION_SQUARES] += p * p;
	sums[thaw_class_sum(PER_CLASS, classes, CLASS_IMAGES, grade)] += 1.0;
	sums[thaw_class_sum(PER_CLASS, classes, CLASS_CORRECT, grade)] += grade == predicted;
	sums[thaw_class_sum(PER_CLASS, classes, CLASS_PREDICTED, predicted)] += 1.0;
}

/* 1 - (observed disagreement) / (that of independent grades and predictions of the same frequencies). The weights
 * (i - j)^2 of the latter are summed over all pairs of images: sum y^2 + sum p^2 - 2 sum y sum p / n. 0 where neither
 * grades nor predictions differ. */
static double kappa(const struct thaw_measure *m, const double *sums)
{
	(void)m;
	double n = sums[METRIC_IMAGES];
	double chance = sums[GRADE_SQUARES] + sums[PREDICTION_SQUARES] -
			2.0 * thaw_fraction(sums[GRADES] * sums[PREDICTIONS], n);
	return chance > 0.0 ? 1.0 - sums[SQUARES] / chance : 0.0;
}

static json_t *json(const struct thaw_measure *m, const double *sums)
{
	double images = sums[METRIC_IMAGES];
	json_t *per_class = thaw_per_class_json(sums, PER_CLASS, m->dataset);
	if (!per_class)
		return NULL;
	return json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:o}", "task", thaw_task_name(THAW_TASK_GRADE),
			 "images", (json_int_t)images, "accuracy", thaw_fraction(sums[CORRECT], images),
			 "balanced_accuracy", thaw_balanced_accuracy(sums, PER_CLASS, m->dataset->classes), "mae",
			 thaw_fraction(sums[ERROR], images), "kappa", kappa(m, sums), "loss",
			 thaw_fraction(sums[METRIC_LOSS], images), "damaged", (json_int_t)sums[METRIC_DAMAGED],
			 "per_class", per_class);
}

const struct thaw_metrics_kind thaw_metrics_grade = {"kappa", size, add, kappa, json};
