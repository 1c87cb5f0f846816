/* What the metrics of several tasks share. */
#include "src/train/metrics.h"
#include "thaw/report.h"

double thaw_fraction(double part, double whole)
{
	return whole > 0.0 ? part / whole : 0.0;
}

double thaw_balanced_accuracy(const double *sums, int first, int classes)
{
	double sum = 0.0, present = 0.0;
	for (int c = 0; c < classes; c++) {
		double n = sums[thaw_class_sum(first, classes, CLASS_IMAGES, c)];
		sum += thaw_fraction(sums[thaw_class_sum(first, classes, CLASS_CORRECT, c)], n);
		present += n > 0.0;
	}
	return thaw_fraction(sum, present);
}

double thaw_macro_f1(const double *sums, int first, int classes)
{
	double sum = 0.0, present = 0.0;
	for (int c = 0; c < classes; c++) {
		double both = sums[thaw_class_sum(first, classes, CLASS_IMAGES, c)] +
			      sums[thaw_class_sum(first, classes, CLASS_PREDICTED, c)];
		sum += thaw_fraction(2.0 * sums[thaw_class_sum(first, classes, CLASS_CORRECT, c)], both);
		present += both > 0.0;
	}
	return thaw_fraction(sum, present);
}

int thaw_metrics_set_class(json_t *object, const char *name, json_t *entry)
{
	json_t *text = thaw_report_string(name); /* folder names need not be UTF-8, JSON strings must be */
	int failed = json_object_set_new(object, text ? json_string_value(text) : NULL, entry);
	json_decref(text);
	return failed;
}

json_t *thaw_per_class_json(const double *sums, int first, const struct thaw_dataset *d)
{
	json_t *per_class = json_object();
	for (int c = 0; per_class && c < d->classes; c++) {
		double n = sums[thaw_class_sum(first, d->classes, CLASS_IMAGES, c)];
		double correct = sums[thaw_class_sum(first, d->classes, CLASS_CORRECT, c)];
		json_t *one = json_pack("{s:I, s:f}", "images", (json_int_t)n, "accuracy", thaw_fraction(correct, n));
		if (thaw_metrics_set_class(per_class, d->class_names[c], one) != 0) {
			json_decref(per_class);
			return NULL;
		}
	}
	return per_class;
}
