/* Metrics of numbers, in the units of the data: mean absolute error, root mean square error and R2 of each quantity.
 * The loss is the mean over quantities of the squared error in units of the dataset's own standard deviation. */
#include <math.h>

#include "src/train/metrics.h"

/* Sums of each quantity: known values, |error|, error^2, and of the values minus `shift`, themselves and squared. */
enum { KNOWN, ERROR, SQUARES, VALUES, VALUE_SQUARES, VALUE_SUMS };

static double *sums_of(double *sums, int c)
{
	return sums + METRIC_FIXED + VALUE_SUMS * c;
}

static const double *read_sums(const double *sums, int c)
{
	return sums + METRIC_FIXED + VALUE_SUMS * c;
}

static int size(int classes)
{
	return VALUE_SUMS * classes;
}

static void add(const struct thaw_measure *m, double *sums, const float *outputs, int64_t sample)
{
	int classes = m->dataset->classes, known = 0;
	double loss = 0.0;
	for (int c = 0; c < classes; c++) {
		double *s = sums_of(sums, c), t = m->dataset->targets[sample * classes + c];
		if (isnan(t))
			continue;
		double y = m->mean ? outputs[c] * m->deviation[c] + m->mean[c] : outputs[c];
		double e = y - t, d = t - m->shift[c];
		known++;
		loss += e / m->spread[c] * (e / m->spread[c]);
		s[KNOWN] += 1.0;
		s[ERROR] += fabs(e);
		s[SQUARES] += e * e;
		s[VALUES] += d;
		s[VALUE_SQUARES] += d * d;
	}
	sums[METRIC_LOSS] += thaw_fraction(loss, known);
}

/* 1 - (squared errors) / (squared differences from the mean). Where all values are equal, 1 if there are no errors and
 * else 0. */
static double r2(const double *s)
{
	double around = s[VALUE_SQUARES] - thaw_fraction(s[VALUES] * s[VALUES], s[KNOWN]);
	if (around > 0.0)
		return 1.0 - s[SQUARES] / around;
	return s[SQUARES] > 0.0 ? 0.0 : 1.0;
}

/* The mean R2 of the quantities that are known of any image. */
static double main_value(const struct thaw_measure *m, const double *sums)
{
	double sum = 0.0, present = 0.0;
	for (int c = 0; c < m->dataset->classes; c++) {
		const double *s = read_sums(sums, c);
		sum += s[KNOWN] > 0.0 ? r2(s) : 0.0;
		present += s[KNOWN] > 0.0;
	}
	return thaw_fraction(sum, present);
}

static json_t *value_json(const double *s)
{
	return json_pack("{s:I, s:f, s:f, s:f}", "images", (json_int_t)s[KNOWN], "mae",
			 thaw_fraction(s[ERROR], s[KNOWN]), "rmse", sqrt(thaw_fraction(s[SQUARES], s[KNOWN])), "r2",
			 s[KNOWN] > 0.0 ? r2(s) : 0.0);
}

static json_t *json(const struct thaw_measure *m, const double *sums)
{
	const struct thaw_dataset *d = m->dataset;
	json_t *values = json_object();
	for (int c = 0; values && c < d->classes; c++) {
		if (thaw_metrics_set_class(values, d->class_names[c], value_json(read_sums(sums, c))) != 0) {
			json_decref(values);
			values = NULL;
		}
	}
	if (!values)
		return NULL;
	return json_pack("{s:s, s:I, s:f, s:f, s:I, s:o}", "task", thaw_task_name(THAW_TASK_VALUE), "images",
			 (json_int_t)sums[METRIC_IMAGES], "r2", main_value(m, sums), "loss",
			 thaw_fraction(sums[METRIC_LOSS], sums[METRIC_IMAGES]), "damaged",
			 (json_int_t)sums[METRIC_DAMAGED], "per_value", values);
}

const struct thaw_metrics_kind thaw_metrics_value = {"r2", size, add, main_value, json};
