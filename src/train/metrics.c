#include "src/train/metrics.h"

#include "thaw/ops.h"
#include "thaw/report.h"

#define TOP_K 5

int thaw_metrics_size(int classes)
{
	return METRIC_FIXED + 2 * classes;
}

/* Number of classes that score higher than the label; on a tie the smaller index wins, as in thaw_cross_entropy. */
static int count_ahead(const float *logits, int classes, int32_t label)
{
	int ahead = 0;
	for (int c = 0; c < classes; c++)
		ahead += logits[c] > logits[label] || (logits[c] == logits[label] && c < label);
	return ahead;
}

void thaw_metrics_add(double *sums, const float *logits, int64_t n, int classes, const int32_t *labels, bool sigmoid)
{
	double loss = 0.0;
	int64_t correct = 0;
	thaw_cross_entropy(logits, n, classes, labels, 0.0f, NULL, &loss, &correct);
	sums[METRIC_IMAGES] += (double)n;
	sums[METRIC_LOSS] += sigmoid ? thaw_binary_cross_entropy(logits, n, classes, labels) : loss;
	for (int64_t i = 0; i < n; i++) {
		int ahead = count_ahead(logits + i * classes, classes, labels[i]);
		sums[METRIC_TOP1] += ahead == 0;
		sums[METRIC_TOP5] += ahead < TOP_K;
		sums[METRIC_FIXED + labels[i]] += 1.0;
		sums[METRIC_FIXED + classes + labels[i]] += ahead == 0;
	}
}

static double fraction(double part, double whole)
{
	return whole > 0.0 ? part / whole : 0.0;
}

json_t *thaw_metrics_json(const double *sums, int classes, char *const *names)
{
	double images = sums[METRIC_IMAGES];
	json_t *per_class = json_object();
	for (int c = 0; per_class && c < classes; c++) {
		double n = sums[METRIC_FIXED + c];
		json_t *one = json_pack("{s:I, s:f}", "images", (json_int_t)n, "accuracy",
					fraction(sums[METRIC_FIXED + classes + c], n));
		json_t *name = thaw_report_string(names[c]); /* folder names need not be UTF-8, JSON strings must be */
		int failed = json_object_set_new(per_class, name ? json_string_value(name) : NULL, one);
		json_decref(name);
		if (failed) {
			json_decref(per_class);
			return NULL;
		}
	}
	return json_pack("{s:I, s:f, s:f, s:f, s:I, s:o}", "images", (json_int_t)images, "top1",
			 fraction(sums[METRIC_TOP1], images), "top5", fraction(sums[METRIC_TOP5], images), "loss",
			 fraction(sums[METRIC_LOSS], images), "damaged", (json_int_t)sums[METRIC_DAMAGED], "per_class",
			 per_class);
}
