#include "src/train/metrics.h"

#include <math.h>

#include "src/base/try.h"
#include "thaw/memory.h"

static const struct thaw_metrics_kind *const kinds[THAW_TASKS] = {
	[THAW_TASK_CLASS] = &thaw_metrics_class,
	[THAW_TASK_LABELS] = &thaw_metrics_labels,
	[THAW_TASK_GRADE] = &thaw_metrics_grade,
	[THAW_TASK_VALUE] = &thaw_metrics_value,
};

static const struct thaw_metrics_kind *kind_of(const struct thaw_measure *m)
{
	return kinds[m->dataset->task];
}

/* Mean and standard deviation of the known values of quantity c; the latter 1 if all are equal. */
static void describe_values(const struct thaw_dataset *d, int c, double *mean, double *deviation)
{
	double sum = 0.0, squares = 0.0;
	int64_t known = 0;
	for (int64_t i = 0; i < d->count; i++) {
		double t = d->targets[i * d->classes + c];
		known += !isnan(t);
		sum += isnan(t) ? 0.0 : t;
	}
	*mean = thaw_fraction(sum, (double)known);
	for (int64_t i = 0; i < d->count; i++) {
		double t = d->targets[i * d->classes + c];
		squares += isnan(t) ? 0.0 : (t - *mean) * (t - *mean);
	}
	*deviation = squares > 0.0 ? sqrt(squares / (double)known) : 1.0;
}

thaw_status thaw_measure_open(struct thaw_measure *m)
{
	const struct thaw_dataset *d = m->dataset;
	if (d->task != THAW_TASK_VALUE)
		return THAW_OK;
	m->shift = thaw_alloc((size_t)d->classes, sizeof(*m->shift));
	m->spread = thaw_alloc((size_t)d->classes, sizeof(*m->spread));
	if (!m->shift || !m->spread)
		return THAW_RESOURCE;
	for (int c = 0; c < d->classes; c++)
		describe_values(d, c, &m->shift[c], &m->spread[c]);
	return THAW_OK;
}

void thaw_measure_close(struct thaw_measure *m)
{
	thaw_free(m->shift);
	thaw_free(m->spread);
	m->shift = m->spread = NULL;
}

int thaw_metrics_size(const struct thaw_measure *m)
{
	return METRIC_FIXED + kind_of(m)->size(m->dataset->classes);
}

void thaw_metrics_add(const struct thaw_measure *m, double *sums, const float *outputs, const int64_t *samples,
		      int64_t n)
{
	int64_t count = m->dataset->classes - (m->dataset->task == THAW_TASK_GRADE);
	double before = sums[METRIC_LOSS];
	sums[METRIC_LOSS] = 0.0; /* of this batch first */
	for (int64_t i = 0; i < n; i++)
		kind_of(m)->add(m, sums, outputs + i * count, samples[i]);
	sums[METRIC_LOSS] += before;
	sums[METRIC_IMAGES] += (double)n;
}

json_t *thaw_metrics_json(const struct thaw_measure *m, const double *sums)
{
	return kind_of(m)->json(m, sums);
}

double thaw_metrics_main(const struct thaw_measure *m, const double *sums)
{
	return kind_of(m)->main_value(m, sums);
}

const char *thaw_metrics_main_name(enum thaw_task task)
{
	return kinds[task]->main;
}
