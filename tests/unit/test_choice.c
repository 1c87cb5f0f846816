/* Stratified splits, learning curves, priors, budgets and the choice of a cut. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "src/advise/budget.h"
#include "src/advise/choice.h"
#include "src/advise/stratified_split.h"

static void assert_near(double actual, double expected, double tolerance)
{
	if (!(fabs(actual - expected) <= tolerance))
		fail_msg("%.9g instead of %.9g", actual, expected);
}

/* An error of exactly 0.8 n^-0.5 is extrapolated exactly. */
static void a_power_law_is_extrapolated_exactly(void **state)
{
	(void)state;
	struct thaw_curve curve = {.points = 4};
	for (int i = 0; i < curve.points; i++) {
		double images = 50.0 * (1 << i);
		curve.point[i] = (struct thaw_curve_point){images, 1.0 - 0.8 / sqrt(images), 0.01};
	}
	thaw_curve_extrapolate(&curve);
	assert_true(curve.extrapolated);
	assert_near(curve.twice.images, 800.0, 0.0);
	assert_near(curve.twice.accuracy, 1.0 - 0.8 / sqrt(800.0), 1e-9);
	assert_true(curve.twice.error > 0.0 && curve.twice.error < 0.05);
}

/* More images never increase the error; no errors at all; a single point. */
static void more_images_never_increase_the_error(void **state)
{
	(void)state;
	struct thaw_curve falling = {.points = 2, .point = {{10, 0.9, 0.02}, {20, 0.8, 0.02}}};
	thaw_curve_extrapolate(&falling);
	assert_true(falling.twice.accuracy >= 0.8 && falling.twice.accuracy <= 0.9);
	struct thaw_curve perfect = {.points = 3, .point = {{10, 1, 0.05}, {20, 1, 0.03}, {40, 1, 0.02}}};
	thaw_curve_extrapolate(&perfect);
	assert_true(perfect.twice.accuracy > 0.9 && perfect.twice.accuracy <= 1.0 && isfinite(perfect.twice.error));
	struct thaw_curve point = {.points = 1, .point = {{10, 0.5, 0.1}}};
	thaw_curve_extrapolate(&point);
	assert_false(point.extrapolated);
}

static void a_split_takes_the_same_fraction_of_each_class(void **state)
{
	(void)state;
	enum { IMAGES = 30, CLASSES = 4 };
	int32_t labels[IMAGES];
	int64_t taken[IMAGES], rest[IMAGES], other[IMAGES], counts[CLASSES] = {0}, n, m, k;
	for (int i = 0; i < IMAGES; i++)
		labels[i] = i < 16 ? 0 : i < 29 ? 1 : 2; /* class 2 has one image, class 3 has none */
	assert_int_equal(thaw_stratified_split(labels, IMAGES, CLASSES, 0.25, 7, 1, taken, &n, rest, &m), THAW_OK);
	assert_int_equal(n + m, IMAGES);
	for (int64_t i = 0; i < n; i++)
		counts[labels[taken[i]]]++;
	assert_int_equal(counts[0], 4);
	assert_int_equal(counts[1], 3);
	assert_int_equal(counts[2], 1);
	for (int64_t i = 1; i < n; i++)
		assert_true(taken[i] > taken[i - 1]);
	assert_int_equal(thaw_stratified_split(labels, IMAGES, CLASSES, 0.25, 7, 1, other, &k, rest, &m), THAW_OK);
	assert_memory_equal(taken, other, (size_t)n * sizeof(*taken));
	assert_int_equal(thaw_stratified_split(labels, IMAGES, CLASSES, 0.25, 7, 2, other, &k, rest, &m), THAW_OK);
	assert_memory_not_equal(taken, other, (size_t)n * sizeof(*taken));
}

static void budgets_are_parsed(void **state)
{
	(void)state;
	struct thaw_budget b;
	assert_int_equal(thaw_budget_parse(&b, NULL), THAW_OK);
	assert_true(isinf(b.hours) && isinf(b.core_hours));
	assert_int_equal(thaw_budget_parse(&b, "90m"), THAW_OK);
	assert_near(b.hours, 1.5, 1e-12);
	assert_true(isinf(b.core_hours));
	assert_int_equal(thaw_budget_parse(&b, "30 core-hours"), THAW_OK);
	assert_near(b.core_hours, 30.0, 0.0);
	assert_true(isinf(b.hours));
	static const char *const wrong[] = {"", "h", "0h", "-2h", "2", "2d", "inf h", "nan h", "2h 3m", "core-hours"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(thaw_budget_parse(&b, wrong[i]), THAW_USAGE);
}

/* Evidence for a network with four cuts: a probe with this accuracy on this many images. */
struct made {
	struct thaw_cut cut[4];
	struct thaw_curve curve[4];
	struct thaw_pilots pilots;
	struct thaw_evidence evidence;
};

static void make(struct made *m, double accuracy, double images, double leep)
{
	static const double shares[] = {0.0, 0.25, 0.5, 1.0};
	memset(m, 0, sizeof(*m));
	for (int c = 0; c < 4; c++)
		m->cut[c].share = shares[c];
	m->curve[0].points = 1;
	m->curve[0].point[0] =
		(struct thaw_curve_point){images, accuracy, sqrt((accuracy * (1 - accuracy) + 0.01) / images)};
	double error = thaw_base_error(&m->curve[0]);
	m->evidence = (struct thaw_evidence){
		.cut_count = 4,
		.cut = m->cut,
		.curve = m->curve,
		.pilots = &m->pilots,
		.prior = {error, thaw_prior_known(leep, error), thaw_prior_few((int64_t)images)}};
}

static void add_pilot(struct made *m, int cut, int rate, double accuracy)
{
	m->pilots.pilot[m->pilots.count++] =
		(struct thaw_pilot){.cut = cut, .rate = rate, .trial = {.top1 = accuracy, .images = 250}};
	m->pilots.test_images = 250;
}

static struct thaw_choice choice_of(const struct made *m)
{
	struct thaw_choice choice;
	thaw_choose(&choice, &m->evidence);
	for (int c = 0; c < 4; c++) {
		const struct thaw_expected *e = &choice.expected[c];
		assert_true(e->low >= 0.0 && e->low <= e->accuracy && e->accuracy <= e->high && e->high <= 1.0);
	}
	return choice;
}

static void the_prior_depends_on_images_error_and_leep(void **state)
{
	(void)state;
	struct made m;
	make(&m, 0.9, 36, -1.5);
	assert_int_equal(choice_of(&m).best, 2); /* few images: half of the network, the middle rate */
	assert_int_equal(choice_of(&m).rate[2], 1);
	make(&m, 0.9, 1000, -1.5);
	assert_int_equal(choice_of(&m).best, 3);
	make(&m, 0.6, 1000, -1.5);
	assert_int_equal(choice_of(&m).rate[3], 2); /* a large error: the highest rate */
	make(&m, 0.9, 1000, -0.3);
	assert_int_equal(choice_of(&m).best, 0); /* the network knows these classes */
	make(&m, 0.5, 36, -0.3);
	assert_int_equal(choice_of(&m).best, 2); /* LEEP alone is not enough */
}

static void pilots_correct_the_prior(void **state)
{
	(void)state;
	struct made m;
	make(&m, 0.6, 1000, -1.5);
	add_pilot(&m, 0, 0, 0.6);
	add_pilot(&m, 3, 2, 0.1); /* everything falls apart at that rate */
	add_pilot(&m, 2, 2, 0.7);
	struct thaw_choice choice = choice_of(&m);
	assert_false(choice.best == 3 && choice.rate[3] == 2);
	make(&m, 0.6, 1000, -1.5);
	struct thaw_expected before = choice_of(&m).expected[3];
	add_pilot(&m, 0, 0, 0.6);
	add_pilot(&m, 3, 2, 0.85);
	struct thaw_expected after = choice_of(&m).expected[3];
	assert_true(after.accuracy > before.accuracy);
	assert_true(after.high - after.low < before.high - before.low);
}

/* Probes with accuracy 0 or 1. */
static void accuracies_of_0_and_1_give_valid_ranges(void **state)
{
	(void)state;
	struct made m;
	static const double accuracies[] = {0.0, 1.0};
	for (int i = 0; i < 2; i++)
		for (double images = 2; images < 3000; images *= 10) {
			make(&m, accuracies[i], images, -2.0);
			choice_of(&m);
			add_pilot(&m, 0, 0, accuracies[i]);
			add_pilot(&m, 3, 1, accuracies[i]);
			choice_of(&m);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_power_law_is_extrapolated_exactly),
		cmocka_unit_test(more_images_never_increase_the_error),
		cmocka_unit_test(a_split_takes_the_same_fraction_of_each_class),
		cmocka_unit_test(budgets_are_parsed),
		cmocka_unit_test(the_prior_depends_on_images_error_and_leep),
		cmocka_unit_test(pilots_correct_the_prior),
		cmocka_unit_test(accuracies_of_0_and_1_give_valid_ranges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
