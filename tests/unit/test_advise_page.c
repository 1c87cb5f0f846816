/* The page of thaw advise: a complete page against tests/golden/advice_page.txt, and pages with missing parts.
 *
 * With a JSON file as argument, prints the page of that file. Use this to update the golden page. */
#include "tests/scratch.h"

#include <jansson.h>

#include "src/cli/advise_page.h"

#define GOLDEN_JSON "tests/golden/advice_page.json"
#define GOLDEN_TEXT "tests/golden/advice_page.txt"
#define WIDTH       100
#define LONG_NAME   400

static json_t *load(const char *path)
{
	json_error_t error;
	json_t *advice = json_load_file(path, 0, &error);
	if (!advice)
		fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
	assert_non_null(advice);
	return advice;
}

/* Returns the page, from malloc. Takes the reference to `advice`. */
static char *page(json_t *advice)
{
	char *text = NULL;
	size_t size = 0;
	assert_non_null(advice);
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	advise_page_print(advice, out);
	assert_int_equal(fclose(out), 0);
	json_decref(advice);
	return text;
}

/* True for every page: plain ASCII, limited width, no nan or inf, no trailing blanks. */
static void assert_clean(const char *text)
{
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		assert_in_range(length, 0, WIDTH);
		if (length > 0 && line[length - 1] == ' ')
			fail_msg("blank at the end of: %.*s", (int)length, line);
		for (size_t i = 0; i < length; i++)
			assert_in_range(line[i], ' ', '~');
		line += length;
		assert_int_equal(*line, '\n');
		line++;
	}
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "inf"));
	assert_null(strstr(text, "null"));
	assert_null(strstr(text, "\n\n\n"));
}

static void assert_page(json_t *advice, const char *expected)
{
	char *text = page(advice);
	assert_clean(text);
	assert_string_equal(text, expected);
	free(text);
}

/* Number of lines that contain the word. */
static int count_lines(const char *text, const char *word)
{
	int count = 0;
	for (const char *at = text; (at = strstr(at, word)) != NULL; at += 1 + strcspn(at + 1, "\n"))
		count++;
	return count;
}

static void the_page_equals_the_golden_page(void **state)
{
	(void)state;
	size_t size;
	char *golden = scratch_get(GOLDEN_TEXT, &size);
	assert_page(load(GOLDEN_JSON), golden);
	free(golden);
}

static void without_measurements_only_words_are_printed(void **state)
{
	(void)state;
	json_t *advice =
		json_pack("{s:s, s:s, s:i, s:i, s:n, s:n, s:[], s:[], s:[], s:n, s:n, s:[s,s]}", "network", "resnet18",
			  "data", "one", "images", 30, "classes", 1, "similarity", "quadrant", "depths", "pilots",
			  "plans", "plan", "command", "words", "The data have only one class.", "No plan was made.");
	assert_page(advice, "Advice for resnet18 on one\n"
			    "30 images in 1 class\n"
			    "\n"
			    "- The data have only one class.\n"
			    "- No plan was made.\n");
}

/* Replaces each value of the golden advice, at any depth, in turn: by null, another type, an extreme number, nothing.
 */
static void without_each(json_t *whole, json_t *part)
{
	const char *key;
	size_t i;
	json_t *value, *members = json_copy(part); /* iterated over, because the order of `part` changes */
	json_object_foreach(members, key, value)
	{
		json_t *instead[] = {json_null(),      json_string("other"), json_array(),
				     json_integer(-1), json_real(1e300),     NULL};
		for (size_t k = 0; k < sizeof(instead) / sizeof(*instead); k++) {
			if (instead[k])
				json_object_set_new(part, key, instead[k]);
			else
				json_object_del(part, key);
			char *text = page(json_incref(whole));
			assert_clean(text);
			free(text);
		}
		json_object_set(part, key, value);
		without_each(whole, value);
	}
	json_array_foreach(part, i, value) without_each(whole, value);
	json_decref(members);
}

static void missing_and_unusual_members_are_harmless(void **state)
{
	(void)state;
	json_t *advice = load(GOLDEN_JSON), *value;
	void *next;
	const char *key;
	without_each(advice, advice);
	json_object_foreach_safe(advice, next, key, value) json_object_set_new(advice, key, json_null());
	assert_page(advice, "Advice\n");
	assert_page(json_object(), "Advice\n");
	assert_page(json_null(), "Advice\n");
}

/* Advice with a curve through these points: {images per class, accuracy}. */
static json_t *curve(int count, const double (*points)[2], double twice)
{
	json_t *probe = json_array();
	for (int i = 0; i < count; i++)
		json_array_append_new(probe,
				      json_pack("{s:f, s:f}", "per_class", points[i][0], "accuracy", points[i][1]));
	json_t *depth = json_pack("{s:s, s:o, s:o}", "unfreeze", "head", "probe", probe, "twice",
				  twice >= 0 ? json_pack("{s:f}", "accuracy", twice) : json_null());
	return json_pack("{s:[o]}", "depths", depth);
}

static void a_curve_of_one_point_has_no_chart(void **state)
{
	(void)state;
	static const double point[][2] = {{5, 0.5}};
	char *text = page(curve(1, point, -1));
	assert_clean(text);
	assert_null(strchr(text, '|')); /* no chart of a single point */
	assert_non_null(strstr(text, "          50.0 "));
	free(text);
	text = page(curve(1, point, 0.6));
	assert_clean(text);
	assert_int_equal(count_lines(text, "|"), 15);
	assert_non_null(strstr(text, "|   A\n"));
	assert_non_null(strstr(text, " a\n"));
	free(text);
	assert_clean(text = page(curve(0, NULL, 0.6)));
	free(text);
}

/* Equal accuracies, also at the ends of the scale, are drawn in one row, on an axis within 0 to 100 %. */
static void equal_accuracies_share_a_row(void **state)
{
	(void)state;
	static const double values[] = {0, 0.5, 1};
	for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++) {
		const double points[][2] = {{5, values[v]}, {10, values[v]}, {10, values[v]}, {0, values[v]}};
		char *text = page(curve(4, points, values[v]));
		assert_clean(text);
		assert_int_equal(count_lines(text, "|"), 13);
		assert_int_equal(count_lines(text, "AA"), 1);
		assert_null(strstr(text, "-1 %"));
		assert_null(strstr(text, "101"));
		free(text);
	}
}

/* Names of any length fit their columns. The words of the command are not broken; its lines are continued by
 * backslashes. */
static void names_of_any_length_fit_their_columns(void **state)
{
	(void)state;
	json_t *advice = load(GOLDEN_JSON), *value;
	char name[LONG_NAME + 1], command[LONG_NAME + 64];
	size_t i;
	memset(name, 'n', LONG_NAME);
	memcpy(name, "from:\xC3\xA4\x1B", 8);
	name[LONG_NAME] = '\0';
	static const char *const members[] = {"network", "data"};
	for (i = 0; i < sizeof(members) / sizeof(*members); i++)
		json_object_set_new(advice, members[i], json_string(name));
	json_array_foreach(json_object_get(advice, "depths"), i, value)
		json_object_set_new(value, "unfreeze", json_string(name));
	json_array_foreach(json_object_get(advice, "pilots"), i, value)
		json_object_set_new(value, "unfreeze", json_string(name));
	json_array_foreach(json_object_get(advice, "plans"), i, value)
		json_object_set_new(json_object_get(value, "train"), "unfreeze", json_string(name));
	json_array_foreach(json_object_get(json_object_get(advice, "similarity"), "layers"), i, value)
		json_object_set_new(value, "name", json_string(name));
	json_object_set_new(json_object_get(advice, "similarity"), "from", json_string(name));
	json_object_set_new(json_object_get(advice, "quadrant"), "textbook", json_string(name));
	json_array_append_new(json_object_get(advice, "words"), json_string(name));
	char *text = page(json_incref(advice));
	assert_clean(text);
	free(text);
	snprintf(command, sizeof(command), "thaw train --data 'a  b %s' --out \"c' d\"", name + 8);
	json_object_set_new(advice, "command", json_string(command));
	text = page(advice);
	char *at = strstr(text, "'a  b nnn");
	assert_non_null(at);
	assert_int_equal(strncmp(strchr(at + 1, '\''), "' \\\n      --out \"c' d\"\n", 23), 0);
	free(text);
}

/* Long tables end with the number of omitted rows; the chosen plan is always shown. */
static void long_tables_end_with_a_count(void **state)
{
	(void)state;
	json_t *advice = load(GOLDEN_JSON);
	static const char *const lists[] = {"depths", "pilots", "plans"};
	for (size_t l = 0; l < sizeof(lists) / sizeof(*lists); l++) {
		json_t *list = json_object_get(advice, lists[l]);
		for (int i = 0; i < 40; i++) {
			json_t *copy = json_deep_copy(json_array_get(list, 0));
			json_object_set_new(copy, "lr", json_real(i + 1));
			json_array_append_new(list, copy);
		}
	}
	json_object_set_new(advice, "plan", json_integer(43));
	char *text = page(advice);
	assert_clean(text);
	assert_non_null(strstr(text, "and 21 more depths"));
	assert_non_null(strstr(text, "more pilot runs"));
	assert_non_null(strstr(text, "and 35 more plans"));
	assert_non_null(strstr(text, "Z  head"));
	assert_int_equal(count_lines(text, "\n> "), 2);
	free(text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_equals_the_golden_page),
		cmocka_unit_test(without_measurements_only_words_are_printed),
		cmocka_unit_test(missing_and_unusual_members_are_harmless),
		cmocka_unit_test(a_curve_of_one_point_has_no_chart),
		cmocka_unit_test(equal_accuracies_share_a_row),
		cmocka_unit_test(names_of_any_length_fit_their_columns),
		cmocka_unit_test(long_tables_end_with_a_count),
	};
	if (argc == 2) {
		fputs(page(load(argv[1])), stdout);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
