/* Metrics of all tasks against values of scikit-learn 1.9, on one rank and on several. */
#include "tests/scratch.h"

#include <math.h>

#include "src/train/label_scores.h"
#include "src/train/metrics.h"
#include "tests/unit/comm_threads.h"
#include "thaw/lanes.h"

static void assert_near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		fail_msg("got %.12g, want %.12g within %.1g", got, want, tolerance);
}

static double number(const json_t *object, const char *key)
{
	assert_true(json_is_number(json_object_get(object, key)));
	return json_number_value(json_object_get(object, key));
}

static char *names[] = {"a", "b", "c", "d"};

/* ---- Labels ------------------------------------------------------------------------------------------------------ */

enum { LABELS = 3, IMAGES = 9, LANES = 4, SUMS = 64 };

/* The last two images: one whose labels are not known, one that is damaged. No image has the third label. Scores are
 * equal for images that differ. */
static const float scores[IMAGES][LABELS] = {{2, -1, 0.5f},       {0.5f, 0.25f, 0.5f}, {-1, 1.5f, -0.25f},
					     {0.5f, -2, 3},       {3, 0.25f, -1.5f},   {-0.5f, 0.75f, 0.25f},
					     {1.25f, -0.75f, -2}, {5, 5, 5},           {9, 9, 9}};
static float truth[IMAGES * LABELS] = {1, 0, 0, 0, 1, 0, 1, 1,   0,   1,   0, 0, 1, 0,
				       0, 0, 1, 0, 0, 0, 0, NAN, NAN, NAN, 1, 1, 1};

struct label_job {
	const float *thresholds;
	thaw_status status[RANKS_MAX];
	double sums[RANKS_MAX][SUMS];
};

static struct thaw_dataset labelled(void)
{
	static int32_t zeros[IMAGES];
	return (struct thaw_dataset){.count = IMAGES,
				     .task = THAW_TASK_LABELS,
				     .classes = LABELS,
				     .class_names = names,
				     .labels = zeros,
				     .targets = truth};
}

static void measure_labels(struct thaw_comm *comm, void *argument)
{
	struct label_job *j = argument;
	struct thaw_label_scores s;
	const struct thaw_dataset d = labelled();
	const struct thaw_measure m = {.dataset = &d, .thresholds = j->thresholds};
	thaw_status status = thaw_label_scores_open(&s, &d, LANES, comm);
	for (int64_t i = 0; i < IMAGES - 1 && status == THAW_OK; i++)
		if (i % LANES >= s.first_lane && i % LANES < s.end_lane)
			thaw_label_scores_put(&s, i, scores[i]);
	if (status == THAW_OK)
		status = thaw_label_scores_measure(&s, comm, &m, j->sums[comm->rank]);
	thaw_label_scores_close(&s);
	j->status[comm->rank] = status;
}

static json_t *label_metrics(int ranks, struct label_job *j)
{
	const struct thaw_dataset d = labelled();
	const struct thaw_measure m = {.dataset = &d, .thresholds = j->thresholds};
	memset(j->sums, 0, sizeof(j->sums));
	ranks_run(ranks, measure_labels, j);
	for (int rank = 0; rank < ranks; rank++) {
		assert_int_equal(j->status[rank], THAW_OK);
		assert_memory_equal(j->sums[rank], j->sums[0], sizeof(j->sums[0]));
	}
	json_t *metrics = thaw_metrics_json(&m, j->sums[0]);
	assert_non_null(metrics);
	return metrics;
}

/* average_precision_score; the threshold of the second label is the sigmoid of -0.25, half way between 0.25 and -0.75.
 */
static void labels_have_average_precision(void **state)
{
	static struct label_job j;
	(void)state;
	for (int ranks = 1; ranks <= LANES; ranks++) {
		json_t *metrics = label_metrics(ranks, &j);
		const json_t *per_label = json_object_get(metrics, "per_label");
		const json_t *a = json_object_get(per_label, "a"), *b = json_object_get(per_label, "b");
		assert_near(number(a, "average_precision"), 0.7928571428571428, 1e-12);
		assert_near(number(b, "average_precision"), 0.9166666666666665, 1e-12);
		assert_true(json_is_null(json_object_get(json_object_get(per_label, "c"), "average_precision")));
		assert_near(number(metrics, "map"), (0.7928571428571428 + 0.9166666666666665) / 2, 1e-12);
		assert_near(number(a, "f1"), 0.7272727272727273, 1e-12);
		assert_near(number(b, "f1"), 0.8571428571428571, 1e-12);
		assert_near(number(a, "threshold"), 1 / (1 + exp(1.5)), 1e-7);
		assert_near(number(b, "threshold"), 1 / (1 + exp(0.25)), 1e-7);
		assert_near(number(a, "images"), 4, 0);
		assert_near(number(a, "known"), 7, 0);
		json_decref(metrics);
	}
}

/* At 0.5, so at the score 0: of the first label 5 are predicted, 3 of them rightly. */
static void given_thresholds_are_used(void **state)
{
	static struct label_job j;
	const float half[LABELS] = {0.5f, 0.5f, 0.5f};
	(void)state;
	j.thresholds = half;
	json_t *metrics = label_metrics(2, &j);
	const json_t *per_label = json_object_get(metrics, "per_label");
	assert_near(number(json_object_get(per_label, "a"), "f1"), 2.0 * 3 / (5 + 4), 1e-12);
	assert_near(number(json_object_get(per_label, "b"), "f1"), 2.0 * 3 / (4 + 3), 1e-12);
	assert_near(number(json_object_get(per_label, "c"), "f1"), 0, 0);
	assert_near(number(metrics, "macro_f1"), (2.0 / 3 + 6.0 / 7) / 3, 1e-12);
	json_decref(metrics);
	j.thresholds = NULL;
}

/* ---- Classes, grades ----------------------------------------------------------------------------------------------
 */

enum { GRADES = 4, GRADED = 10 };

static json_t *metrics_of(const struct thaw_measure *m, const float *outputs, double *sums)
{
	int64_t samples[GRADED];
	for (int64_t i = 0; i < m->dataset->count; i++)
		samples[i] = i;
	assert_true(thaw_metrics_size(m) <= SUMS);
	memset(sums, 0, SUMS * sizeof(*sums));
	thaw_metrics_add(m, sums, outputs, samples, m->dataset->count);
	json_t *metrics = thaw_metrics_json(m, sums);
	assert_non_null(metrics);
	return metrics;
}

/* cohen_kappa_score(weights="quadratic"), accuracy_score, balanced_accuracy_score, mean_absolute_error. */
static void grades_have_kappa(void **state)
{
	int32_t grades[GRADED] = {0, 1, 2, 3, 2, 1, 0, 3, 2, 2};
	const int predicted[GRADED] = {0, 2, 2, 3, 1, 1, 1, 0, 2, 3};
	float outputs[GRADED * (GRADES - 1)];
	double sums[SUMS];
	const struct thaw_dataset d = {
		.count = GRADED, .task = THAW_TASK_GRADE, .classes = GRADES, .class_names = names, .labels = grades};
	const struct thaw_measure m = {.dataset = &d};
	(void)state;
	for (int i = 0; i < GRADED; i++)
		for (int k = 0; k < GRADES - 1; k++)
			outputs[i * (GRADES - 1) + k] = predicted[i] > k ? 4.0f : -4.0f;
	json_t *metrics = metrics_of(&m, outputs, sums);
	assert_near(number(metrics, "kappa"), 0.38095238095238093, 1e-12);
	assert_near(number(metrics, "accuracy"), 0.5, 1e-12);
	assert_near(number(metrics, "balanced_accuracy"), 0.5, 1e-12);
	assert_near(number(metrics, "mae"), 0.7, 1e-12);
	assert_near(thaw_metrics_main(&m, sums), 0.38095238095238093, 1e-12);
	json_decref(metrics);
}

/* balanced_accuracy_score and f1_score(average="macro"). */
static void classes_have_balanced_accuracy(void **state)
{
	enum { N = 7, CLASSES = 3 };
	int32_t labels[N] = {0, 0, 0, 0, 1, 1, 2};
	const int predicted[N] = {0, 0, 1, 0, 1, 0, 1};
	float outputs[N * CLASSES] = {0};
	double sums[SUMS];
	const struct thaw_dataset d = {.count = N, .classes = CLASSES, .class_names = names, .labels = labels};
	const struct thaw_measure m = {.dataset = &d};
	(void)state;
	for (int i = 0; i < N; i++)
		outputs[i * CLASSES + predicted[i]] = 1.0f;
	json_t *metrics = metrics_of(&m, outputs, sums);
	assert_near(number(metrics, "top1"), 4.0 / 7, 1e-12);
	assert_near(number(metrics, "balanced_accuracy"), 0.4166666666666667, 1e-12);
	assert_near(number(metrics, "macro_f1"), 0.3833333333333333, 1e-12);
	json_decref(metrics);
}

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */

/* r2_score, mean_absolute_error and the root of mean_squared_error. The second quantity is large beside its variance;
 * two of its values are not known. */
static void numbers_have_r2(void **state)
{
	enum { N = 5, QUANTITIES = 2 };
	float t[N * QUANTITIES] = {3.5f, 1000001, -1, 1000002, 2, 1000004, 7.25f, NAN, 0, NAN};
	const float y[N * QUANTITIES] = {2.5f, 1000002, 0, 1000002, 2.125f, 1000003, 8, 5, -0.5f, 5};
	int32_t zeros[N] = {0};
	double sums[SUMS];
	const struct thaw_dataset d = {.count = N,
				       .task = THAW_TASK_VALUE,
				       .classes = QUANTITIES,
				       .class_names = names,
				       .labels = zeros,
				       .targets = t};
	struct thaw_measure m = {.dataset = &d};
	(void)state;
	assert_int_equal(thaw_measure_open(&m), THAW_OK);
	json_t *metrics = metrics_of(&m, y, sums);
	const json_t *a = json_object_get(json_object_get(metrics, "per_value"), "a");
	const json_t *b = json_object_get(json_object_get(metrics, "per_value"), "b");
	assert_near(number(a, "r2"), 0.9329828199052133, 1e-9);
	assert_near(number(a, "mae"), 0.675, 1e-9);
	assert_near(number(a, "rmse"), 0.7520804478245662, 1e-9);
	assert_near(number(b, "r2"), 0.5714285714285714, 1e-9);
	assert_near(number(b, "images"), 3, 0);
	assert_near(number(metrics, "r2"), (0.9329828199052133 + 0.5714285714285714) / 2, 1e-9);
	json_decref(metrics);
	thaw_measure_close(&m);
}

/* Outputs of a training are standardised: the metrics are in the units of the data. */
static void standardised_outputs_are_scaled_back(void **state)
{
	enum { N = 3 };
	float t[N] = {10, 20, 40};
	const float y[N] = {-1, 0, 1}; /* 10, 20, 30 */
	const double mean[1] = {20}, deviation[1] = {10};
	int32_t zeros[N] = {0};
	double sums[SUMS];
	const struct thaw_dataset d = {
		.count = N, .task = THAW_TASK_VALUE, .classes = 1, .class_names = names, .labels = zeros, .targets = t};
	struct thaw_measure m = {.dataset = &d, .mean = mean, .deviation = deviation};
	(void)state;
	assert_int_equal(thaw_measure_open(&m), THAW_OK);
	json_t *metrics = metrics_of(&m, y, sums);
	assert_near(number(json_object_get(json_object_get(metrics, "per_value"), "a"), "mae"), 10.0 / 3, 1e-9);
	json_decref(metrics);
	thaw_measure_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_have_average_precision),
		cmocka_unit_test(given_thresholds_are_used),
		cmocka_unit_test(grades_have_kappa),
		cmocka_unit_test(classes_have_balanced_accuracy),
		cmocka_unit_test(numbers_have_r2),
		cmocka_unit_test(standardised_outputs_are_scaled_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
