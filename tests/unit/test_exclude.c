/* Lists of excluded images, and datasets without them. */
#include "tests/scratch.h"

#include <sys/stat.h>

#include "thaw/dataset.h"
#include "thaw/exclude.h"
#include "thaw/memory.h"

static thaw_status read_text(struct thaw_exclude *e, const struct scratch *s, const char *text)
{
	scratch_put(scratch_file(s, "list"), text, strlen(text));
	return thaw_exclude_read(e, scratch_file(s, "list"));
}

static void a_list_has_names_and_reasons(void **state)
{
	struct thaw_exclude e;
	const char *first;
	assert_int_equal(read_text(&e, *state,
				   "# a comment\n\nb/2.jpg\tnear-duplicate of a/1.jpg\r\na/1 2.jpg\nb/2.jpg\n\\#x\n"
				   "a\\nb\\tc\\\\d"),
			 THAW_OK);
	assert_int_equal(e.count, 4);
	assert_true(thaw_exclude_has(&e, "b/2.jpg"));
	assert_true(thaw_exclude_has(&e, "a/1 2.jpg"));
	assert_true(thaw_exclude_has(&e, "#x"));
	assert_false(thaw_exclude_has(&e, "a"));
	assert_false(thaw_exclude_has(NULL, "a"));
	assert_int_equal(thaw_exclude_unknown(&e, &first), 1);
	assert_string_equal(first, "a\nb\tc\\d");
	uint64_t digest = e.digest;
	thaw_exclude_free(&e);
	assert_int_equal(read_text(&e, *state, "\\#x\na\\nb\\tc\\\\d\na/1 2.jpg\nb/2.jpg\tanother reason\n"), THAW_OK);
	assert_true(e.digest == digest); /* of the names only */
	thaw_exclude_free(&e);
	assert_int_equal(read_text(&e, *state, ""), THAW_OK);
	assert_int_equal(e.count, 0);
	assert_true(e.digest == 0);
	thaw_exclude_free(&e);
}

static void names_are_escaped_and_read_back(void **state)
{
	static const char *const names[] = {"a.jpg", "#1",  "a#b", "a\nb",     "a\tb",
					    "a\rb",  "a\\", "\\n", "\xff\xfe", " x "};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct thaw_exclude e;
		char *name = thaw_exclude_escape(names[i]);
		assert_null(strchr(name, '\n'));
		assert_int_equal(read_text(&e, *state, name), THAW_OK);
		assert_int_equal(e.count, 1);
		assert_string_equal(e.name[0], names[i]);
		thaw_exclude_free(&e);
		thaw_free(name);
	}
}

static void other_files_are_refused(void **state)
{
	struct thaw_exclude e = {0};
	assert_int_equal(read_text(&e, *state, "good\nbad\\x\n"), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "list:2: "));
	assert_int_equal(read_text(&e, *state, "\treason without a name\n"), THAW_DATA);
	assert_int_equal(read_text(&e, *state, "ends with a backslash\\"), THAW_DATA);
	scratch_put(scratch_file(*state, "zero"), "a\0b", 3);
	assert_int_equal(thaw_exclude_read(&e, scratch_file(*state, "zero")), THAW_DATA);
	assert_int_equal(thaw_exclude_read(&e, scratch_file(*state, "missing")), THAW_IO);
	assert_null(e.name);
}

/* D/{a,b}/{0..4}.jpg, which are never decoded. */
static void make_folder(const struct scratch *s)
{
	char name[32];
	mkdir(scratch_file(s, "d"), 0700);
	for (const char *c = "ab"; *c; c++) {
		snprintf(name, sizeof(name), "d/%c", *c);
		mkdir(scratch_file(s, name), 0700);
		for (int i = 0; i < 5; i++) {
			snprintf(name, sizeof(name), "d/%c/%d.jpg", *c, i);
			scratch_put(scratch_file(s, name), "x", 1);
		}
	}
}

static thaw_status open_without(struct thaw_dataset *d, struct scratch *s, struct thaw_exclude *e,
				enum thaw_split split)
{
	const struct thaw_dataset_options options = {.test_share = 0.25, .seed = 3, .exclude = e};
	return thaw_dataset_open(d, scratch_file(s, "d"), split, &options);
}

static bool has(const struct thaw_dataset *d, const char *wanted)
{
	char name[64];
	for (int64_t i = 0; i < d->count; i++) {
		d->name(d, i, name, sizeof(name));
		if (strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

/* Excluded images are in neither part of a random split, as if they had been removed. */
static void a_folder_is_as_if_they_were_removed(void **state)
{
	struct thaw_exclude e;
	struct thaw_dataset train, test, removed;
	make_folder(*state);
	assert_int_equal(read_text(&e, *state, "a/1.jpg\nb/3.jpg\nb/9.jpg\n"), THAW_OK);
	assert_int_equal(open_without(&train, *state, &e, THAW_SPLIT_TRAIN), THAW_OK);
	assert_int_equal(open_without(&test, *state, &e, THAW_SPLIT_TEST), THAW_OK);
	assert_int_equal(train.count, 6);
	assert_int_equal(test.count, 2);
	assert_false(has(&train, "a/1.jpg") || has(&test, "a/1.jpg") || has(&train, "b/3.jpg") ||
		     has(&test, "b/3.jpg"));
	const char *first;
	assert_int_equal(thaw_exclude_unknown(&e, &first), 1);
	assert_string_equal(first, "b/9.jpg");
	remove(scratch_file(*state, "d/a/1.jpg"));
	remove(scratch_file(*state, "d/b/3.jpg"));
	assert_int_equal(open_without(&removed, *state, NULL, THAW_SPLIT_TRAIN), THAW_OK);
	assert_true(thaw_dataset_digest(&removed) == thaw_dataset_digest(&train));
	thaw_dataset_close(&removed);
	thaw_dataset_close(&train);
	thaw_dataset_close(&test);
	thaw_exclude_free(&e);
	assert_int_equal(read_text(&e, *state, "a/0.jpg\na/2.jpg\na/3.jpg\na/4.jpg\n"), THAW_OK);
	assert_int_equal(open_without(&train, *state, &e, THAW_SPLIT_TRAIN), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "every image of the class \"a\" is excluded"));
	thaw_exclude_free(&e);
}

/* IDX files: 6 images of 2 x 2 pixels, of class i % 2. */
static void make_idx(const struct scratch *s)
{
	uint8_t images[16 + 24] = {0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 2, 0, 0, 0, 2},
			    labels[8 + 6] = {0, 0, 8, 1, 0, 0, 0, 6};
	for (int i = 0; i < 6; i++) {
		memset(images + 16 + 4 * i, 10 * i, 4);
		labels[8 + i] = (uint8_t)(i % 2);
	}
	mkdir(scratch_file(s, "d"), 0700);
	scratch_put(scratch_file(s, "d/train-images-idx3-ubyte"), images, sizeof(images));
	scratch_put(scratch_file(s, "d/train-labels-idx1-ubyte"), labels, sizeof(labels));
	scratch_put(scratch_file(s, "d/t10k-images-idx3-ubyte"), images, sizeof(images));
	scratch_put(scratch_file(s, "d/t10k-labels-idx1-ubyte"), labels, sizeof(labels));
}

static void images_of_a_file_are_excluded_by_number(void **state)
{
	struct thaw_exclude e;
	struct thaw_dataset d;
	struct thaw_encoded_image image;
	char name[64], list[128];
	make_idx(*state);
	assert_int_equal(open_without(&d, *state, NULL, THAW_SPLIT_TRAIN), THAW_OK);
	d.name(&d, 2, name, sizeof(name));
	thaw_dataset_close(&d);
	snprintf(list, sizeof(list), "%s\n", name);
	assert_int_equal(read_text(&e, *state, list), THAW_OK);
	assert_int_equal(open_without(&d, *state, &e, THAW_SPLIT_TRAIN), THAW_OK);
	thaw_exclude_free(&e); /* the dataset does not need it any more */
	assert_int_equal(d.count, 5);
	assert_false(has(&d, name));
	assert_int_equal(d.labels[2], 1);
	assert_int_equal(d.read(&d, 2, &image), THAW_OK);
	assert_int_equal(image.image.pixels[0], 30);
	thaw_encoded_image_free(&image);
	thaw_dataset_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_list_has_names_and_reasons, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(names_are_escaped_and_read_back, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(other_files_are_refused, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_folder_is_as_if_they_were_removed, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(images_of_a_file_are_excluded_by_number, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
