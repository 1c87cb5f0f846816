/* What thaw check measures of an image, and the scores that follow from it. */
#include "tests/scratch.h"

#include <math.h>
#include <sys/stat.h>

#include "src/check/facts.h"
#include "src/check/features.h"
#include "src/check/findings.h"
#include "src/check/image_pass.h"
#include "thaw/memory.h"
#include "thaw/random.h"

enum { SIDE = 64 };

/* A BMP file of width x height pixels; rgb(x, y, c) is the value of a channel. */
static void put_bmp(const char *path, int width, int height, uint8_t (*rgb)(int x, int y, int c))
{
	size_t row = ((size_t)width * 3 + 3) / 4 * 4, size = 54 + row * (size_t)height;
	uint8_t *file = calloc(size, 1);
	const uint32_t header[] = {(uint32_t)size, 0, 54, 40, (uint32_t)width, (uint32_t)height, 1 | 24 << 16};
	memcpy(file, "BM", 2);
	memcpy(file + 2, header, sizeof(header));
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++)
			for (int c = 0; c < 3; c++)
				file[54 + row * (size_t)(height - 1 - y) + (size_t)x * 3 + (size_t)c] =
					rgb(x, y, 2 - c);
	scratch_put(path, file, size);
	free(file);
}

static uint8_t texture(int x, int y, int c)
{
	return (uint8_t)(128 + 60 * sin(x * 0.9 + c) * cos(y * 0.7) + 60 * sin((x * y) % 17));
}
static uint8_t grey_texture(int x, int y, int c)
{
	(void)c;
	return texture(x, y, 0);
}
static uint8_t black(int x, int y, int c)
{
	(void)x, (void)y, (void)c;
	return 0;
}
static uint8_t dark(int x, int y, int c)
{
	return texture(x, y, c) / 12;
}
static uint8_t bright(int x, int y, int c)
{
	return (uint8_t)(255 - texture(x, y, c) / 16);
}
static uint8_t soft(int x, int y, int c)
{
	return (uint8_t)(128 + 100 * sin(x * 0.05 + y * 0.04 + c));
}
static uint8_t two_shades(int x, int y, int c)
{
	(void)c;
	return x / 8 % 2 == y / 8 % 2 ? 60 : 180;
}

/* Writes the image, reads it through a dataset and measures it. */
static struct thaw_image_facts measure(const struct scratch *s, int width, int height, uint8_t (*rgb)(int, int, int))
{
	struct thaw_image_facts f = {0};
	struct thaw_dataset d;
	const struct thaw_dataset_options options = {.lenient = true};
	mkdir(scratch_file(s, "d"), 0700);
	mkdir(scratch_file(s, "d/a"), 0700);
	put_bmp(scratch_file(s, "d/a/1.bmp"), width, height, rgb);
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "d"), THAW_SPLIT_ALL, &options), THAW_OK);
	assert_int_equal(thaw_measure_image(&d, 0, &f), THAW_OK);
	thaw_dataset_close(&d);
	return f;
}

static bool flagged(enum thaw_issue issue, const struct thaw_image_facts *f, const struct thaw_usual *u)
{
	return thaw_issue_score(issue, f, u) < THAW_FLAG;
}

static void each_fault_is_flagged_and_no_other(void **state)
{
	static const struct {
		int width, height;
		uint8_t (*rgb)(int x, int y, int c);
		enum thaw_issue issue, also; /* THAW_ISSUES: none */
	} cases[] = {
		{SIDE, SIDE, texture, THAW_ISSUES, THAW_ISSUES},
		{SIDE, SIDE, grey_texture, THAW_ISSUE_GREY, THAW_ISSUES},
		{SIDE, SIDE, black, THAW_ISSUE_BLANK, THAW_ISSUE_GREY},
		{SIDE, SIDE, dark, THAW_ISSUE_DARK, THAW_ISSUES},
		{SIDE, SIDE, bright, THAW_ISSUE_BRIGHT, THAW_ISSUES},
		{SIDE, SIDE, soft, THAW_ISSUE_BLURRED, THAW_ISSUES},
		{SIDE, SIDE, two_shades, THAW_ISSUE_PLAIN, THAW_ISSUE_GREY},
		{SIDE / 5, SIDE / 5, texture, THAW_ISSUE_TINY, THAW_ISSUES},
		{4 * SIDE, SIDE, texture, THAW_ISSUE_SHAPE, THAW_ISSUES},
		{SIDE, 4 * SIDE, texture, THAW_ISSUE_SHAPE, THAW_ISSUES},
	};
	struct thaw_image_facts usual_facts = measure(*state, SIDE, SIDE, texture);
	struct thaw_usual usual;
	assert_int_equal(thaw_usual_measure(&usual, &usual_facts, 1), THAW_OK);
	assert_true(usual.colour);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct thaw_image_facts f = measure(*state, cases[i].width, cases[i].height, cases[i].rgb);
		assert_int_equal(f.width, cases[i].width);
		for (int k = 0; k < THAW_ISSUES; k++) {
			bool optional = (int)cases[i].also == k || (cases[i].rgb != texture && k == THAW_ISSUE_PLAIN) ||
					(cases[i].rgb != texture && k == THAW_ISSUE_BLURRED);
			if ((int)cases[i].issue == k)
				assert_true(flagged((enum thaw_issue)k, &f, &usual));
			else if (!optional && flagged((enum thaw_issue)k, &f, &usual))
				fail_msg("case %d: issue %d is flagged", (int)i, k);
		}
	}
}

static void measures_are_what_they_say(void **state)
{
	struct thaw_image_facts f = measure(*state, SIDE, SIDE, two_shades);
	assert_float_equal(f.dark, 180 / 255.0, 0.01);
	assert_float_equal(f.light, 60 / 255.0, 0.01);
	assert_float_equal(f.contrast, 60 / 255.0, 1e-4);
	assert_float_equal(f.information, 1, 1e-5); /* two shades, half of the pixels each */
	assert_true(f.bytes != 0 && f.pixels != 0 && f.grey && !f.misnamed && !f.cmyk && !f.turned);
	f.reading = THAW_READ_DAMAGED;
	struct thaw_usual usual = {0};
	assert_true(flagged(THAW_ISSUE_DAMAGED, &f, &usual));
	assert_false(flagged(THAW_ISSUE_EMPTY, &f, &usual));
	assert_true(isnan(thaw_issue_score(THAW_ISSUE_BLANK, &f, &usual)));
}

static void a_large_image_is_flagged(void **state)
{
	struct thaw_image_facts f = {.width = 10000, .height = 8000};
	struct thaw_usual usual = {.pixels = 1e6, .short_side = 8000, .aspect = 1.3};
	(void)state;
	assert_true(flagged(THAW_ISSUE_LARGE, &f, &usual));
	usual.pixels = 2e6; /* 64 times as many are allowed */
	assert_false(flagged(THAW_ISSUE_LARGE, &f, &usual));
}

static thaw_status number(const struct thaw_dataset *d, int64_t sample, void *record)
{
	(void)d;
	*(int64_t *)record = 3 * sample;
	return sample == 13 ? thaw_fail(THAW_RESOURCE, "thirteen") : THAW_OK;
}

static void a_pass_has_the_records_in_order(void **state)
{
	static const int64_t some[] = {5, 2, 9, 2}, failing[] = {1, 13, 2};
	struct thaw_comm comm = thaw_comm_alone();
	struct thaw_image_pass pass = {
		.samples = some, .count = 4, .threads = 3, .work = number, .record_size = sizeof(int64_t)};
	void *records;
	(void)state;
	assert_int_equal(thaw_image_pass_run(&comm, &pass, &records), THAW_OK);
	for (int i = 0; i < 4; i++)
		assert_int_equal(((int64_t *)records)[i], 3 * some[i]);
	thaw_free(records);
	pass.samples = failing;
	pass.count = 3;
	assert_int_equal(thaw_image_pass_run(&comm, &pass, &records), THAW_RESOURCE);
	assert_string_equal(thaw_error_message(), "thirteen");
	pass.count = 0;
	assert_int_equal(thaw_image_pass_run(&comm, &pass, &records), THAW_OK);
	thaw_free(records);
}

static void labels_of_confident_other_classes_are_flagged(void **state)
{
	enum { N = 12, CLASSES = 3 };
	float p[N][CLASSES], score[N];
	int32_t labels[N], suggested[N];
	(void)state;
	for (int i = 0; i < N; i++) {
		labels[i] = i % CLASSES;
		for (int c = 0; c < CLASSES; c++)
			p[i][c] = c == labels[i] ? 0.8f : 0.1f;
	}
	memcpy(p[4], (float[]){0.85f, 0.1f, 0.05f}, sizeof(p[4])); /* class 1; as sure as class 0 is of its own */
	memcpy(p[8], (float[]){0.36f, 0.32f, 0.32f},
	       sizeof(p[8])); /* class 2; class 0 is more probable, but not sure */
	assert_int_equal(thaw_label_scores(&p[0][0], labels, N, CLASSES, score, suggested), THAW_OK);
	for (int i = 0; i < N; i++)
		assert_true((score[i] < THAW_FLAG) == (i == 4));
	assert_int_equal(suggested[4], 0);
	assert_float_equal(score[4], 0.1 / 0.95, 1e-5);
	/* A class of few images says little. */
	for (int i = 0; i < N; i++)
		labels[i] = i == 0 ? 2 : i % 2;
	assert_int_equal(thaw_label_scores(&p[0][0], labels, N, CLASSES, score, suggested), THAW_OK);
	assert_true(isnan(score[0]));
}

static void an_image_unlike_all_others_is_an_outlier(void **state)
{
	enum { N = 300, WIDTH = 8 };
	static float x[N][WIDTH];
	float score[N];
	const struct thaw_feature_table t = {.count = N, .width = WIDTH, .features = &x[0][0]};
	struct thaw_random random = thaw_random_stream(1, THAW_STREAM_AUGMENT, 0, 0);
	(void)state;
	for (int i = 0; i < N; i++)
		for (int j = 0; j < WIDTH; j++)
			x[i][j] = (j == i % 3 ? 1.0f : 0.0f) + 0.1f * (float)thaw_random_u32(&random) / 4294967296.0f;
	for (int j = 0; j < WIDTH; j++)
		x[77][j] = j == 6 ? 1 : 0;
	assert_int_equal(thaw_outlier_scores(&t, score), THAW_OK);
	for (int i = 0; i < N; i++)
		assert_true((score[i] < THAW_FLAG) == (i == 77));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_fault_is_flagged_and_no_other, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(measures_are_what_they_say, scratch_make, scratch_remove),
		cmocka_unit_test(a_large_image_is_flagged),
		cmocka_unit_test(a_pass_has_the_records_in_order),
		cmocka_unit_test(labels_of_confident_other_classes_are_flagged),
		cmocka_unit_test(an_image_unlike_all_others_is_an_outlier),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
