/* Subsets of datasets. */
#include "tests/scratch.h"

#include "thaw/dataset.h"

enum { COUNT = 6, SIDE = 4, PIXELS = SIDE * SIDE };

/* Sample i is of class i % 3; all its pixels are 10 * i. */
static struct thaw_dataset open_whole(const struct scratch *s)
{
	uint8_t images[16 + COUNT * PIXELS] = {0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, SIDE, 0, 0, 0, SIDE};
	uint8_t labels[8 + COUNT] = {0, 0, 8, 1, 0, 0, 0, COUNT};
	struct thaw_dataset_options options = {.seed = 1};
	struct thaw_dataset d;
	for (int i = 0; i < COUNT; i++) {
		memset(images + 16 + i * PIXELS, 10 * i, PIXELS);
		labels[8 + i] = (uint8_t)(i % 3);
	}
	scratch_put(scratch_file(s, "train-images-idx3-ubyte"), images, sizeof(images));
	scratch_put(scratch_file(s, "train-labels-idx1-ubyte"), labels, sizeof(labels));
	scratch_put(scratch_file(s, "t10k-images-idx3-ubyte"), images, sizeof(images));
	scratch_put(scratch_file(s, "t10k-labels-idx1-ubyte"), labels, sizeof(labels));
	scratch_put(scratch_file(s, "labels.txt"), "ant\nbee\ncat\n", 12);
	if (thaw_dataset_open(&d, s->path, THAW_SPLIT_TRAIN, &options) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return d;
}

/* Checks that the subset has samples[count] of the whole. */
static void check_samples(const struct thaw_dataset *part, const struct thaw_dataset *whole, const int64_t *samples,
			  int64_t count)
{
	assert_int_equal(part->count, count);
	assert_int_equal(part->classes, whole->classes);
	for (int c = 0; c < part->classes; c++)
		assert_string_equal(part->class_names[c], whole->class_names[c]);
	for (int64_t i = 0; i < count; i++) {
		struct thaw_encoded_image encoded;
		char name[64], expected[64];
		assert_int_equal(part->labels[i], whole->labels[samples[i]]);
		part->name(part, i, name, sizeof(name));
		whole->name(whole, samples[i], expected, sizeof(expected));
		assert_string_equal(name, expected);
		assert_int_equal(part->read(part, i, &encoded), THAW_OK);
		assert_int_equal(encoded.image.pixels[0], 10 * samples[i]);
		thaw_encoded_image_free(&encoded);
	}
}

static void a_subset_has_the_given_samples_in_order(void **state)
{
	static const int64_t samples[] = {4, 0, 5, 4};
	struct thaw_dataset whole = open_whole(*state), part;
	assert_int_equal(thaw_dataset_subset(&part, &whole, samples, 4), THAW_OK);
	check_samples(&part, &whole, samples, 4);
	assert_true(thaw_dataset_digest(&part) != thaw_dataset_digest(&whole));
	thaw_dataset_close(&part);
	assert_null(part.labels);
	thaw_dataset_close(&part);                                       /* zeroed is fine */
	check_samples(&whole, &whole, (int64_t[]){0, 1, 2, 3, 4, 5}, 6); /* the parent is unchanged */
	thaw_dataset_close(&whole);
}

/* The subset of all samples has the same digest. */
static void all_samples_have_the_same_digest(void **state)
{
	static const int64_t samples[] = {0, 1, 2, 3, 4, 5};
	struct thaw_dataset whole = open_whole(*state), part;
	assert_int_equal(thaw_dataset_subset(&part, &whole, samples, 6), THAW_OK);
	assert_true(thaw_dataset_digest(&part) == thaw_dataset_digest(&whole));
	thaw_dataset_close(&part);
	thaw_dataset_close(&whole);
}

static void a_subset_may_be_empty(void **state)
{
	struct thaw_dataset whole = open_whole(*state), part;
	assert_int_equal(thaw_dataset_subset(&part, &whole, NULL, 0), THAW_OK);
	check_samples(&part, &whole, NULL, 0);
	thaw_dataset_close(&part);
	thaw_dataset_close(&whole);
}

static void a_subset_of_a_subset_has_its_samples(void **state)
{
	static const int64_t outer[] = {5, 3, 1, 0}, inner[] = {2, 0}, both[] = {1, 5};
	struct thaw_dataset whole = open_whole(*state), part, part_of_part;
	assert_int_equal(thaw_dataset_subset(&part, &whole, outer, 4), THAW_OK);
	assert_int_equal(thaw_dataset_subset(&part_of_part, &part, inner, 2), THAW_OK);
	check_samples(&part_of_part, &whole, both, 2);
	thaw_dataset_close(&part_of_part);
	check_samples(&part, &whole, outer, 4);
	thaw_dataset_close(&part);
	thaw_dataset_close(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_subset_has_the_given_samples_in_order, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(all_samples_have_the_same_digest, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_subset_may_be_empty, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_subset_of_a_subset_has_its_samples, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
