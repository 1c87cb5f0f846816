#include "src/advise/curve.h"

#include <math.h>

#include "src/advise/probe.h"
#include "src/advise/stratified_split.h"
#include "src/base/try.h"
#include "thaw/allreduce.h"
#include "thaw/memory.h"

/* Fractions of the images, and the number of random draws of each: small draws vary most. */
static const struct {
	double share;
	int draws;
} levels[THAW_CURVE_POINTS] = {{0.125, 4}, {0.25, 3}, {0.5, 2}, {1.0, 1}};

#define MAX_DRAWS 4

/* Layout of the results of one probe. */
enum { RESULT_ACCURACY, RESULT_TESTS, RESULT_IMAGES, RESULTS };

/* One probe to fit and test. */
struct task {
	const struct thaw_feature_table *table;
	double share;
	uint64_t seed, number;
};

static thaw_status probe_part(const struct task *t, const int64_t *taken, int64_t taken_count, const int64_t *rest,
			      int64_t rest_count, double *result)
{
	struct thaw_feature_rows train = {0}, test = {0};
	struct thaw_probe probe = {0};
	thaw_status status;
	THAW_TRY_OUT(thaw_feature_rows_copy(&train, t->table, taken, taken_count));
	THAW_TRY_OUT(thaw_feature_rows_copy(&test, t->table, rest, rest_count));
	THAW_TRY_OUT(thaw_probe_fit(&probe, &train.table));
	double loss;
	result[RESULT_ACCURACY] = probe.accuracy;
	if (rest_count > 0)
		THAW_TRY_OUT(thaw_probe_evaluate(&probe, &test.table, &result[RESULT_ACCURACY], &loss));
	result[RESULT_TESTS] = (double)(rest_count > 0 ? rest_count : taken_count);
	result[RESULT_IMAGES] = (double)taken_count;
out:
	thaw_probe_release(&probe);
	thaw_feature_rows_release(&train);
	thaw_feature_rows_release(&test);
	return status;
}

static thaw_status run_task(const struct task *t, double *result)
{
	int64_t count = t->table->count, taken_count, rest_count;
	int64_t *taken = thaw_alloc((size_t)count, sizeof(*taken)), *rest = thaw_alloc((size_t)count, sizeof(*rest));
	thaw_status status = taken && rest ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_stratified_split(t->table->labels, count, t->table->classes, t->share, t->seed, t->number,
					       taken, &taken_count, rest, &rest_count);
	if (status == THAW_OK)
		status = probe_part(t, taken, taken_count, rest, rest_count, result);
	thaw_free(taken);
	thaw_free(rest);
	return status;
}

/* Runs this rank's part of the probes. results (cuts,levels,draws,RESULTS) stay 0 for probes of other ranks. */
static thaw_status run_tasks(struct thaw_comm *comm, const struct thaw_activations *activations, int classes,
			     uint64_t seed, double *results)
{
	int task_number = 0;
	for (int c = 0; c < activations->cut_count; c++) {
		const struct thaw_feature_table table = {activations->count, activations->width[c],
							 activations->features[c], activations->labels, classes};
		for (int level = 0; level < THAW_CURVE_POINTS && activations->width[c] > 0; level++)
			for (int draw = 0; draw < levels[level].draws; draw++) {
				const struct task task = {&table, levels[level].share, seed,
							  (uint64_t)(level * MAX_DRAWS + draw)};
				double *result =
					results + ((c * THAW_CURVE_POINTS + level) * MAX_DRAWS + draw) * RESULTS;
				if (task_number++ % comm->size == comm->rank)
					THAW_TRY(run_task(&task, result));
			}
	}
	return THAW_OK;
}

/* The mean over draws. Its error combines the sampling error of the test images and the spread of the draws. */
static struct thaw_curve_point point_of(const double *results, int draws)
{
	struct thaw_curve_point p = {0};
	double spread = 0.0, tests = 0.0;
	for (int d = 0; d < draws; d++) {
		p.accuracy += results[d * RESULTS + RESULT_ACCURACY] / draws;
		p.images += results[d * RESULTS + RESULT_IMAGES] / draws;
		tests += results[d * RESULTS + RESULT_TESTS] / draws;
	}
	for (int d = 0; d < draws; d++)
		spread += pow(results[d * RESULTS + RESULT_ACCURACY] - p.accuracy, 2.0);
	double sure = (p.accuracy * tests + 1.0) / (tests + 2.0); /* Laplace smoothing: no error of 0 */
	p.error = sqrt(sure * (1.0 - sure) / tests + (draws > 1 ? spread / (draws - 1) / draws : 0.0));
	return p;
}

static void fill_curve(struct thaw_curve *curve, const double *results)
{
	*curve = (struct thaw_curve){0};
	for (int level = 0; level < THAW_CURVE_POINTS; level++) {
		const double *r = results + level * MAX_DRAWS * RESULTS;
		if (r[RESULT_IMAGES] == 0.0)
			continue;
		struct thaw_curve_point p = point_of(r, levels[level].draws);
		if (curve->points > 0 && p.images <= curve->point[curve->points - 1].images)
			continue; /* small classes: the same number of images, and the first has more draws */
		curve->point[curve->points++] = p;
	}
	thaw_curve_extrapolate(curve);
}

thaw_status thaw_curves_measure(struct thaw_curve *curve, struct thaw_comm *comm,
				const struct thaw_activations *activations, int classes, uint64_t seed)
{
	const int each = THAW_CURVE_POINTS * MAX_DRAWS * RESULTS, all = activations->cut_count * each;
	double *mine = thaw_alloc((size_t)comm->size * (size_t)all, sizeof(*mine));
	double *total = thaw_alloc((size_t)all, sizeof(*total));
	thaw_status status = mine && total ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		status = run_tasks(comm, activations, classes, seed, mine + comm->rank * all);
	status = thaw_comm_agree(comm, status);
	if (status == THAW_OK)
		status = thaw_allreduce_doubles(comm, comm->size, all, mine, total);
	for (int c = 0; c < activations->cut_count && status == THAW_OK; c++)
		fill_curve(&curve[c], total + c * each);
	thaw_free(mine);
	thaw_free(total);
	return status;
}

void thaw_curve_extrapolate(struct thaw_curve *curve)
{
	double w = 0.0, x = 0.0, y = 0.0, xx = 0.0, xy = 0.0;
	curve->extrapolated = curve->points >= 2;
	if (!curve->extrapolated)
		return;
	for (int i = 0; i < curve->points; i++) {
		const struct thaw_curve_point *p = &curve->point[i];
		double wrong = fmax(1.0 - p->accuracy, p->error);
		double weight = pow(wrong / p->error, 2.0); /* one over the variance of the logarithm */
		double lx = log(p->images), ly = log(wrong);
		w += weight;
		x += weight * lx;
		y += weight * ly;
		xx += weight * lx * lx;
		xy += weight * lx * ly;
	}
	double variance = xx - x * x / w, slope = variance > 0.0 ? fmin((xy - x * y / w) / variance, 0.0) : 0.0;
	double images = 2.0 * curve->point[curve->points - 1].images, off = log(images) - x / w;
	double wrong = exp(y / w + slope * off);
	double relative_error = sqrt(1.0 / w + (variance > 0.0 ? off * off / variance : 0.0));
	curve->twice = (struct thaw_curve_point){images, 1.0 - fmin(wrong, 1.0), wrong * relative_error};
}
