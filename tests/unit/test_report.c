/* JSON files of a run: lines, whole files, rewinding, text that is not UTF-8. */
#include "tests/scratch.h"

#include <signal.h>
#include <sys/resource.h>

#include "thaw/report.h"

static void line(const char *path, int64_t step)
{
	json_t *object = json_pack("{s:I, s:f}", "step", (json_int_t)step, "loss", 0.5);
	assert_int_equal(thaw_report_line(path, object), THAW_OK);
	json_decref(object);
}

static void assert_text(const char *path, const char *text)
{
	size_t size;
	char *bytes = scratch_get(path, &size);
	assert_string_equal(bytes, text);
	free(bytes);
}

static void lines_are_appended(void **state)
{
	const char *path = scratch_file(*state, "metrics.jsonl");
	line(path, 1);
	line(path, 2);
	assert_text(path, "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":0.5}\n");
	json_t *object = json_object();
	assert_int_equal(thaw_report_line(scratch_file(*state, "no/metrics.jsonl"), object), THAW_IO);
	json_decref(object);
	assert_int_equal(thaw_report_line(path, NULL), THAW_SOFTWARE);
}

/* Doubles are read back bit for bit. */
static void doubles_are_read_back_bit_for_bit(void **state)
{
	const char *path = scratch_file(*state, "metrics.jsonl");
	json_t *object = json_pack("{s:f}", "loss", 0.1 + 0.2);
	assert_int_equal(thaw_report_line(path, object), THAW_OK);
	json_decref(object);
	object = json_load_file(path, 0, NULL);
	assert_true(json_real_value(json_object_get(object, "loss")) == 0.1 + 0.2);
	json_decref(object);
}

static void rewinding_removes_later_and_partial_lines(void **state)
{
	const char *path = scratch_file(*state, "metrics.jsonl");
	assert_int_equal(thaw_report_rewind(path, 5), THAW_OK);
	assert_int_equal(access(path, F_OK), -1);
	static const struct {
		const char *before;
		int64_t lines;
		const char *after;
	} cases[] = {
		{"{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n", 2, "{\"step\":1}\n{\"step\":2}\n"},
		{"{\"step\":1}\n{\"step\":2}\n", 2, "{\"step\":1}\n{\"step\":2}\n"},
		{"{\"step\":1}\n{\"step\":2", 2, "{\"step\":1}\n"},
		{"{\"step\":1}\n{\"step\":2}", 5, "{\"step\":1}\n"},
		{"{\"step\":1}\n", 0, ""},
		{"{\"step\":1}\n", 4, "{\"step\":1}\n"},
		{"", 3, ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		scratch_put(path, cases[i].before, strlen(cases[i].before));
		assert_int_equal(thaw_report_rewind(path, cases[i].lines), THAW_OK);
		assert_text(path, cases[i].after);
	}
}

static void a_file_is_indented_json(void **state)
{
	const char *path = scratch_file(*state, "summary.json");
	json_t *object = json_pack("{s:i, s:[i,i]}", "a", 1, "b", 2, 3);
	assert_int_equal(thaw_report_file(path, object), THAW_OK);
	json_decref(object);
	assert_text(path, "{\n  \"a\": 1,\n  \"b\": [\n    2,\n    3\n  ]\n}\n");
	assert_int_equal(thaw_report_file(path, NULL), THAW_SOFTWARE);
	assert_int_equal(scratch_count(*state), 1);
}

/* A disk that fills up while an object is written: THAW_IO, not an invalid object, and no file is left behind. */
static void a_full_disk_leaves_no_file(void **state)
{
	enum { LINES = 100000, ROOM = 4096 }; /* more text than the file's buffer; bytes */
	const char *path = scratch_file(*state, "summary.json");
	json_t *object = json_array();
	for (int i = 0; i < LINES; i++)
		json_array_append_new(object, json_integer(i));
	struct rlimit before, small;
	getrlimit(RLIMIT_FSIZE, &before);
	small = (struct rlimit){ROOM, before.rlim_max};
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	thaw_status status = thaw_report_file(path, object);
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, handler);
	json_decref(object);
	assert_int_equal(status, THAW_IO);
	assert_int_equal(scratch_count(*state), 0);
}

/* A line that does not fit on the disk leaves no part in the file. */
static void a_full_disk_leaves_no_partial_line(void **state)
{
	const char *path = scratch_file(*state, "metrics.jsonl");
	line(path, 1);
	size_t size;
	char *whole = scratch_get(path, &size);
	struct rlimit before, small;
	getrlimit(RLIMIT_FSIZE, &before);
	small = (struct rlimit){size + size / 2, before.rlim_max};
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	json_t *object = json_pack("{s:i, s:f}", "step", 2, "loss", 0.5);
	thaw_status status = thaw_report_line(path, object);
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, handler);
	json_decref(object);
	assert_int_equal(status, THAW_IO);
	assert_text(path, whole);
	free(whole);
}

static void invalid_utf8_is_replaced(void **state)
{
	(void)state;
	static const struct {
		const char *text, *valid;
	} cases[] = {
		{"plain", "plain"},
		{"", ""},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x88", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x88"},
		{"a\xff"
		 "b",
		 "a\xef\xbf\xbd"
		 "b"},
		{"\xc3", "\xef\xbf\xbd"},                                                 /* truncated */
		{"\xf0\x9f\x90", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 /* truncated */
		{"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},                                 /* overlong NUL */
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 /* surrogate */
		{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* over U+10FFFF */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *string = thaw_report_string(cases[i].text);
		assert_non_null(string);
		assert_string_equal(json_string_value(string), cases[i].valid);
		json_decref(string);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_are_appended, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(doubles_are_read_back_bit_for_bit, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(rewinding_removes_later_and_partial_lines, scratch_make,
						scratch_remove),
		cmocka_unit_test_setup_teardown(a_file_is_indented_json, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_full_disk_leaves_no_file, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_full_disk_leaves_no_partial_line, scratch_make, scratch_remove),
		cmocka_unit_test(invalid_utf8_is_replaced),
	};
	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
