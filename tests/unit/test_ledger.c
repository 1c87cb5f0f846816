/* The ledger: which runs it finds, the calibration, and the coverage of calibrated ranges. */
#include "tests/scratch.h"

#include <math.h>
#include <sys/stat.h>

#include "thaw/ledger.h"
#include "thaw/random.h"

#define CLOSE 1e-12

/* A result.json: predicted 0.8, range 0.7 to 0.85. */
#define RESULT(top1, more)                                                                                            \
	"{\"status\": \"done\", \"top1\": " top1 ", \"network\": \"resnet18\", \"as_planned\": true, \"hours\": 0.5," \
	" \"predicted\": {\"accuracy\": 0.8, \"low\": 0.7, \"high\": 0.85}" more "}"

/* Makes SCRATCH/run with this result.json. */
static void put_run(const struct scratch *s, const char *run, const char *result)
{
	char path[SCRATCH_PATH];
	assert_int_equal(mkdir(scratch_file(s, run), 0777), 0);
	snprintf(path, sizeof(path), "%s/result.json", run);
	scratch_put(scratch_file(s, path), result, strlen(result));
}

static void put_folder(const struct scratch *s, const char *name)
{
	assert_int_equal(mkdir(scratch_file(s, name), 0777), 0);
}

static void runs_that_followed_a_plan_are_found(void **state)
{
	const struct scratch *s = *state;
	put_run(s, "b", RESULT("0.9", ", \"predicted_hours\": 0.25"));
	put_folder(s, "study");
	put_run(s, "study/a", RESULT("0.85", ""));
	put_folder(s, "study/deep");
	put_run(s, "study/deep/er", RESULT("0.8", ""));               /* too deep */
	put_run(s, "other", "{\"status\": \"done\", \"top1\": 0.5}"); /* without a plan */
	put_folder(s, "unfinished");
	assert_int_equal(symlink("b", scratch_file(s, "latest")), 0);

	struct thaw_ledger *l;
	assert_int_equal(thaw_ledger_read(s->path, &l), THAW_OK);
	assert_int_equal(l->count, 2);
	assert_int_equal(l->skipped, 0);
	assert_string_equal(l->entries[0].path, scratch_file(s, "b"));
	assert_string_equal(l->entries[1].path, scratch_file(s, "study/a"));
	assert_string_equal(l->entries[0].network, "resnet18");
	assert_true(l->entries[0].top1 == 0.9 && !l->entries[0].inside);
	assert_true(l->entries[1].top1 == 0.85 && l->entries[1].inside); /* ranges include their ends */
	assert_true(l->entries[0].expected.low == 0.7 && l->entries[0].uncalibrated.high == 0.85);
	assert_true(l->entries[0].predicted_hours == 0.25 && l->entries[0].hours == 0.5);
	assert_true(isnan(l->entries[1].predicted_hours));
	thaw_ledger_destroy(l);

	assert_int_equal(thaw_ledger_read(scratch_file(s, "b"), &l), THAW_OK); /* the run itself */
	assert_int_equal(l->count, 1);
	thaw_ledger_destroy(l);
}

static void skipped_results_are_counted(void **state)
{
	const struct scratch *s = *state;
	put_run(s, "good", RESULT("0.9", ", \"uncalibrated\": {\"accuracy\": 0.75, \"low\": 0.7, \"high\": 0.8}"));
	put_run(s, "cut", "{\"status\": \"do");
	put_run(s, "empty", "");
	put_run(s, "list", "[]");
	put_run(s, "no-number", RESULT("\"high\"", ""));
	put_run(s, "percent", RESULT("90", ""));
	put_run(s, "no-range", "{\"predicted\": 1, \"top1\": 0.5, \"network\": \"x\", \"as_planned\": true}");
	put_run(s, "unplanned",
		"{\"predicted\": {\"accuracy\": 0.8, \"low\": 0.7, \"high\": 0.85}, \"top1\": 0.5,"
		" \"network\": \"x\", \"as_planned\": false}");
	put_run(s, "disordered",
		"{\"predicted\": {\"accuracy\": 0.6, \"low\": 0.7, \"high\": 0.85}, \"top1\": 0.5,"
		" \"network\": \"x\", \"as_planned\": true}");
	put_folder(s, "folder");
	put_folder(s, "folder/result.json");

	struct thaw_ledger *l;
	assert_int_equal(thaw_ledger_read(s->path, &l), THAW_OK);
	assert_int_equal(l->count, 1);
	assert_int_equal(l->skipped, 9);
	assert_true(l->entries[0].expected.accuracy == 0.8 && l->entries[0].uncalibrated.accuracy == 0.75);
	thaw_ledger_destroy(l);
}

static void a_folder_without_runs_gives_no_calibration(void **state)
{
	const struct scratch *s = *state;
	struct thaw_ledger *l = NULL;
	struct thaw_calibration c;
	assert_int_equal(thaw_ledger_read(scratch_file(s, "nowhere"), &l), THAW_IO);
	assert_null(l);
	assert_non_null(strstr(thaw_error_message(), "nowhere"));
	assert_int_equal(thaw_ledger_read(s->path, &l), THAW_OK);
	assert_int_equal(l->count, 0);
	assert_int_equal(thaw_ledger_calibrate(l, &c), THAW_OK);
	assert_true(c.runs == 0 && !c.learned && c.bias == 0.0 && c.factor == 1.0);
	json_t *json = thaw_ledger_json(l, &c);
	assert_true(json_is_null(json_object_get(json, "inside")));
	json_decref(json);
	thaw_ledger_destroy(l);
}

/* A run predicted to reach 0.8, range 0.78 to 0.81. */
static struct thaw_ledger_entry run_that_reached(double top1)
{
	const struct thaw_expected e = {.accuracy = 0.8, .low = 0.78, .high = 0.81};
	return (struct thaw_ledger_entry){.path = "run",
					  .network = "resnet18",
					  .expected = e,
					  .uncalibrated = e,
					  .top1 = top1,
					  .inside = top1 >= e.low && top1 <= e.high,
					  .predicted_hours = NAN};
}

static struct thaw_calibration learn(struct thaw_ledger_entry *entries, int count)
{
	struct thaw_calibration c;
	assert_int_equal(thaw_ledger_calibrate(&(struct thaw_ledger){entries, count, 0}, &c), THAW_OK);
	return c;
}

/* Off by 0, 0.02, -0.02, 0.06, -0.01: 0.05 in all, so the bias is 0.05 / (5 + 5); without it -0.005, 0.015, -0.025,
 * 0.055, -0.015, which are 0.25, 1.5, 1.25, 5.5, 0.75 half-widths of 0.02 below and 0.01 above. 80 % of 5 + 1 is the
 * largest of them. */
static void a_calibration_equals_one_computed_by_hand(void **state)
{
	(void)state;
	struct thaw_ledger_entry e[] = {run_that_reached(0.8), run_that_reached(0.82), run_that_reached(0.78),
					run_that_reached(0.86), run_that_reached(0.79)};
	struct thaw_calibration c = learn(e, 5);
	assert_true(c.learned && c.runs == 5 && fabs(c.inside - 0.6) < CLOSE);
	assert_true(fabs(c.bias - 0.005) < CLOSE);
	assert_true(fabs(c.factor - 5.5) < CLOSE);

	struct thaw_expected x = {.accuracy = 0.9, .low = 0.85, .high = 0.95}; /* 0.905 - 0.275; 1.18 is cut */
	thaw_calibration_apply(&c, &x);
	assert_true(fabs(x.accuracy - 0.905) < CLOSE && fabs(x.low - 0.63) < CLOSE && x.high == 1.0);
	x = (struct thaw_expected){0.5, 0.5, 0.5}; /* 5.5 times the least half-width */
	thaw_calibration_apply(&c, &x);
	assert_true(fabs(x.low - (0.505 - 0.0275)) < CLOSE && fabs(x.high - (0.505 + 0.0275)) < CLOSE);
	x = (struct thaw_expected){0.0, 0.0, 1.0};
	c.bias = -0.25;
	thaw_calibration_apply(&c, &x);
	assert_true(x.accuracy == 0.0 && x.low == 0.0 && x.high == 1.0);
}

/* Of 9 runs the 8th score decides, and ranges that were too wide become narrower: off by -0.04 to 0.04, half-widths
 * 0.1. */
static void ranges_that_were_too_wide_become_narrower(void **state)
{
	(void)state;
	struct thaw_ledger_entry e[9];
	for (int i = 0; i < 9; i++) {
		e[i] = run_that_reached(0.8 + 0.01 * (i - 4));
		e[i].uncalibrated = (struct thaw_expected){.accuracy = 0.8, .low = 0.7, .high = 0.9};
	}
	e[8].top1 = 0.99; /* one of nine may be arbitrarily wrong: 0.19 instead of 0.04 */
	struct thaw_calibration c = learn(e, 9);
	assert_true(fabs(c.bias - 0.15 / 14.0) < CLOSE);
	assert_true(fabs(c.factor - (0.04 + 0.15 / 14.0) / 0.1) < CLOSE);
}

static void too_few_runs_change_nothing(void **state)
{
	(void)state;
	struct thaw_ledger_entry e[] = {run_that_reached(0.1), run_that_reached(0.1), run_that_reached(0.1),
					run_that_reached(0.8)};
	struct thaw_calibration c = learn(e, 4);
	assert_true(c.runs == 4 && !c.learned && c.bias == 0.0 && c.factor == 1.0 && c.inside == 0.25);
	struct thaw_expected x = {0.5, 0.5, 0.75};
	thaw_calibration_apply(&c, &x);
	assert_true(x.accuracy == 0.5 && x.low == 0.5 && x.high == 0.75);
}

static void ranges_of_zero_width_can_be_calibrated(void **state)
{
	(void)state;
	struct thaw_ledger_entry e[6];
	for (int i = 0; i < 6; i++) {
		e[i] = run_that_reached(0.8);
		e[i].uncalibrated = (struct thaw_expected){0.8, 0.8, 0.8};
	}
	assert_true(learn(e, 6).factor == 0.0); /* all predictions exact */
	for (int i = 0; i < 6; i++)
		e[i].top1 = i % 2 ? 0.79 : 0.81;
	assert_true(fabs(learn(e, 6).factor - 2.0) < 1e-9);
}

/* Draws the error of a prediction, in half-widths. */
struct work {
	double (*off)(struct thaw_random *r);
};

static double normal(struct thaw_random *r)
{
	return 0.4 + 1.5 * (double)thaw_random_normal(r);
}

/* Most are a little better than predicted, some much worse. */
static double skewed(struct thaw_random *r)
{
	return 0.5 + log(1.0 - (double)thaw_random_unit(r));
}

/* A random run; ranges differ in width. */
static struct thaw_ledger_entry draw_run(struct thaw_random *r, const struct work *work)
{
	double accuracy = (double)thaw_random_range(r, 0.4f, 0.8f), below = (double)thaw_random_range(r, 0.01f, 0.04f);
	struct thaw_ledger_entry e = {.path = "run", .network = "resnet18"};
	e.expected = e.uncalibrated = (struct thaw_expected){accuracy, accuracy - below, accuracy + 0.75 * below};
	double halves = work->off(r);
	e.top1 = accuracy + halves * (halves < 0.0 ? below : 0.75 * below);
	return e;
}

static bool holds(const struct thaw_calibration *c, const struct thaw_ledger_entry *next)
{
	struct thaw_expected x = next->uncalibrated;
	thaw_calibration_apply(c, &x);
	return next->top1 >= x.low && next->top1 <= x.high;
}

/* A calibrated range contains the next run in 80 % of the cases, for any distribution of errors. */
static void calibrated_ranges_hold_in_80_percent(void **state)
{
	enum { LEDGERS = 1000, MOST = 60 };
	const struct work *work = *state;
	struct thaw_ledger_entry e[MOST];
	int held = 0;
	for (uint64_t i = 0; i < LEDGERS; i++) {
		struct thaw_random r = thaw_random_stream(1, THAW_STREAM_ORDER, 0, i);
		int count = THAW_LEDGER_MIN_RUNS + (int)thaw_random_below(&r, MOST - THAW_LEDGER_MIN_RUNS);
		for (int k = 0; k < count; k++)
			e[k] = draw_run(&r, work);
		struct thaw_calibration c = learn(e, count);
		struct thaw_ledger_entry next = draw_run(&r, work);
		held += holds(&c, &next);
	}
	print_message("# held %d of %d\n", held, LEDGERS);
	assert_in_range(held, 770, 840); /* 800 +- three standard deviations and the rounding of the quantile */
}

static void the_json_has_all_entries(void **state)
{
	(void)state;
	struct thaw_ledger_entry e[] = {run_that_reached(0.8), run_that_reached(0.9)};
	e[1].predicted_hours = 2.0;
	const struct thaw_ledger l = {e, 2, 3};
	struct thaw_calibration c = learn(e, 2);
	json_t *json = thaw_ledger_json(&l, &c);
	int runs, learned, skipped;
	double inside, bias, factor;
	assert_int_equal(json_unpack(json, "{s:i, s:f, s:b, s:f, s:f, s:i}", "runs", &runs, "inside", &inside,
				     "learned", &learned, "bias", &bias, "factor", &factor, "skipped", &skipped),
			 0);
	assert_true(runs == 2 && inside == 0.5 && !learned && bias == 0.0 && factor == 1.0 && skipped == 3);
	const json_t *entries = json_object_get(json, "entries"), *first = json_array_get(entries, 0);
	assert_int_equal(json_array_size(entries), 2);
	assert_string_equal(json_string_value(json_object_get(first, "path")), "run");
	assert_true(json_is_true(json_object_get(first, "inside")));
	assert_true(json_is_null(json_object_get(first, "predicted_hours")));
	assert_true(json_real_value(json_object_get(json_array_get(entries, 1), "predicted_hours")) == 2.0);
	json_decref(json);
}

int main(void)
{
	struct work works[] = {{normal}, {skewed}};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(runs_that_followed_a_plan_are_found, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(skipped_results_are_counted, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_folder_without_runs_gives_no_calibration, scratch_make,
						scratch_remove),
		cmocka_unit_test(a_calibration_equals_one_computed_by_hand),
		cmocka_unit_test(ranges_that_were_too_wide_become_narrower),
		cmocka_unit_test(too_few_runs_change_nothing),
		cmocka_unit_test(ranges_of_zero_width_can_be_calibrated),
		{"test_coverage_normal", calibrated_ranges_hold_in_80_percent, NULL, NULL, &works[0]},
		{"test_coverage_skewed", calibrated_ranges_hold_in_80_percent, NULL, NULL, &works[1]},
		cmocka_unit_test(the_json_has_all_entries),
	};
	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
