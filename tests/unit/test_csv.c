/* CSV files as spreadsheets, pandas and people write them. */
#include "tests/scratch.h"

#include "src/data/csv.h"
#include "thaw/digest.h"
#include "thaw/file.h"

enum { TEXT = 8192 };

/* records: "LINE:FIELD|FIELD" of each record, separated by spaces; or "!" and a part of the message. */
struct csv_case {
	const char *name, *text, *records;
};

static const struct csv_case cases[] = {
	{"plain", "a,b\n1,2\n", "1:a|b 2:1|2"},
	{"no line feed at the end", "a,b\n1,2", "1:a|b 2:1|2"},
	{"CRLF", "a,b\r\n1,2\r\n3,4\r\n", "1:a|b 2:1|2 3:3|4"},
	{"CR", "a,b\r1,2\r3,4", "1:a|b 2:1|2 3:3|4"},
	{"a byte order mark",
	 "\xef\xbb\xbf"
	 "a,b\n1,2\n",
	 "1:a|b 2:1|2"},
	{"semicolons", "a;b\n1,5;2\n", "1:a|b 2:1,5|2"},
	{"tabs", "a\tb\n\t2\n", "1:a|b 2:|2"},
	{"sep=", "sep=;\r\na;b,c,d\r\n1;2\r\n", "2:a|b,c,d 3:1|2"},
	{"separators in quotes of the header", "\"a,b,c\";d\n1;2\n", "1:a,b,c|d 2:1|2"},
	{"quotes", "a,b\n\"x,y\",\"say \"\"hi\"\"\"\n", "1:a|b 2:x,y|say_\"hi\""},
	{"line feeds in quotes", "a,b\n\"x\ny\",2\n3,4\n", "1:a|b 2:x~y|2 4:3|4"},
	{"empty lines", "\n\na,b\n\n1,2\n  \n3,4\n\n", "3:a|b 5:1|2 7:3|4"},
	{"rows of separators only", "a,b\n,\n1,2\n", "1:a|b 3:1|2"},
	{"empty fields", "a,b,c\n,,3\n1,,\n", "1:a|b|c 2:||3 3:1||"},
	{"spaces around fields", "a, b\n 1 ,2 \n", "1:a|b 2:1|2"},
	{"one column", "a\n1\n2\n", "1:a 2:1 3:2"},
	{"fewer fields", "a,b\n1\n", "1:a|b 2:1"},
	{"Latin-1", "a,b\n\xe4,2\n", "1:a|b 2:\xe4|2"},
	{"nothing", "", ""},
	{"spaces only", " \n \n", ""},
	{"quotes that are not closed", "a,b\n1,2\n\"x,3\n4,5\n", "!not closed: f.csv: line 3"},
	{"quotes inside a field", "a,b\n1,5\" disc\n", "!quotes in the wrong place: f.csv: line 2"},
	{"text after quotes", "a,b\n1,\"x\"y\n", "!quotes in the wrong place: f.csv: line 2"},
	{"UTF-16",
	 "\xff\xfe"
	 "a",
	 "!UTF-16"},
};

struct collected {
	char text[TEXT];
	size_t used;
	int records;
	thaw_status fail;
};

static thaw_status collect(void *context, const struct csv_record *record)
{
	struct collected *c = context;
	c->used += (size_t)snprintf(c->text + c->used, TEXT - c->used, "%s%lld:", c->used ? " " : "",
				    (long long)record->line);
	for (int i = 0; i < record->count; i++)
		c->used += (size_t)snprintf(c->text + c->used, TEXT - c->used, "%s%s", i ? "|" : "", record->field[i]);
	for (char *at = strchr(c->text, '\n'); at; at = strchr(at, '\n'))
		*at = '~';
	c->records++;
	return c->fail ? thaw_fail(c->fail, "enough") : THAW_OK;
}

static thaw_status read_text(struct scratch *s, const void *text, size_t size, struct collected *c)
{
	uint64_t digest = 1;
	const struct csv_visitor visitor = {collect, c};
	assert_int_equal(chdir(s->path), 0);
	scratch_put("f.csv", text, size);
	thaw_status status = thaw_csv_read("f.csv", &visitor, &digest);
	if (status == THAW_OK && size > 0)
		assert_int_equal(digest, thaw_digest(text, size, 0));
	return status;
}

static void texts(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct collected c = {.used = 0};
		thaw_status status = read_text(*state, cases[i].text, strlen(cases[i].text), &c);
		for (char *at = strstr(c.text, "say "); at; at = NULL)
			at[3] = '_';
		const char *wanted = cases[i].records;
		if (wanted[0] == '!' ? status != THAW_DATA || !strstr(thaw_error_message(), wanted + 1)
				     : status != THAW_OK || strcmp(c.text, wanted) != 0)
			fail_msg("%s: %d %s, message %s", cases[i].name, status, c.text, thaw_error_message());
	}
}

static void nul_bytes(void **state)
{
	struct collected c = {.used = 0};
	assert_int_equal(read_text(*state, "a,b\n1,\0\n", 8, &c), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "line 2 has a NUL byte"));
}

/* A quote that is not closed takes what follows: the limit ends it. */
static void huge_records(void **state)
{
	size_t size = 3 * CSV_RECORD_LIMIT;
	char *text = malloc(size);
	struct collected c = {.used = 0};
	memset(text, 'x', size);
	memcpy(text, "a,b\n1,\"", 7);
	assert_int_equal(read_text(*state, text, size, &c), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "record of more than"));
	assert_non_null(strstr(thaw_error_message(), "line 2"));
	memset(text, ',', size);
	assert_int_equal(read_text(*state, text, size, &c), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "record of more than"));
	free(text);
}

struct counted {
	int64_t records;
};

static thaw_status count_record(void *context, const struct csv_record *record)
{
	struct counted *c = context;
	char name[32];
	snprintf(name, sizeof(name), "images/%08lld.jpg", (long long)c->records);
	assert_int_equal(record->line, ++c->records);
	assert_int_equal(record->count, 2);
	assert_string_equal(record->field[0], name);
	return THAW_OK;
}

/* Records and line ends across the blocks in which the file is read. */
static void long_files(void **state)
{
	enum { ROWS = 120000 };
	char *text = malloc((size_t)ROWS * 24), *at = text;
	const char *path = scratch_file(*state, "long.csv");
	struct counted c = {0};
	const struct csv_visitor visitor = {count_record, &c};
	uint64_t digest;
	for (int i = 0; i < ROWS; i++)
		at += sprintf(at, "images/%08d.jpg,%d\r\n", i, i % 7);
	scratch_put(path, text, (size_t)(at - text));
	free(text);
	assert_int_equal(thaw_csv_read(path, &visitor, &digest), THAW_OK);
	assert_int_equal(c.records, ROWS);
}

static void failures_end_it(void **state)
{
	struct collected c = {.fail = THAW_CONFIG};
	assert_int_equal(read_text(*state, "a,b\n1,2\n", 8, &c), THAW_CONFIG);
	assert_int_equal(c.records, 1);
}

static void not_files(void **state)
{
	struct scratch *s = *state;
	uint64_t digest;
	const struct csv_visitor visitor = {collect, NULL};
	assert_int_equal(thaw_csv_read(scratch_file(s, "none.csv"), &visitor, &digest), THAW_IO);
	assert_int_equal(thaw_csv_read(s->path, &visitor, &digest), THAW_IO);
	assert_int_equal(thaw_csv_read("/dev/null", &visitor, &digest), THAW_DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(texts, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(nul_bytes, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(huge_records, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(long_files, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(failures_end_it, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(not_files, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
