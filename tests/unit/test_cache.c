/* The feature cache: entries can be read back, within the size limit and across restarts, but not when damaged. */
#include "tests/scratch.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "src/train/cache.h"

#define ENTRIES  10
#define FEATURES 37 /* not a whole number of cache lines */

static float value(int64_t entry, int i)
{
	return (float)entry + (float)i / 7.0f;
}

static struct thaw_cache_options options_of(const char *path)
{
	struct thaw_cache_options o = {
		.entries = ENTRIES,
		.features = FEATURES,
		.dtype = THAW_F32,
		.bytes = 1 << 20,
		.path = path,
		.digest = 42,
	};
	return o;
}

static struct thaw_cache *open_cache(const struct thaw_cache_options *o)
{
	struct thaw_cache *c = NULL;
	assert_int_equal(thaw_cache_create(&c, o), THAW_OK);
	return c;
}

static void put(struct thaw_cache *c, int64_t entry)
{
	float features[FEATURES];
	for (int i = 0; i < FEATURES; i++)
		features[i] = value(entry, i);
	thaw_cache_put(c, entry, features);
}

static void expect(struct thaw_cache *c, int64_t entry, float tolerance)
{
	float features[FEATURES];
	assert_true(thaw_cache_has(c, entry));
	thaw_cache_get(c, entry, features);
	for (int i = 0; i < FEATURES; i++)
		assert_true(features[i] - value(entry, i) <= tolerance && value(entry, i) - features[i] <= tolerance);
}

static char *file_in(void **state, char *path, size_t size)
{
	snprintf(path, size, "%s/lane.features", ((struct scratch *)*state)->path);
	return path;
}

static void entries_can_be_read_back(void **state)
{
	(void)state;
	struct thaw_cache_options o = options_of(NULL);
	struct thaw_cache *c = open_cache(&o);
	for (int64_t i = ENTRIES - 1; i >= 0; i -= 2)
		put(c, i);
	for (int64_t i = 0; i < ENTRIES; i++)
		if (i % 2)
			expect(c, i, 0.0f);
		else
			assert_false(thaw_cache_has(c, i));
	thaw_cache_destroy(c);
}

static void the_size_limit_is_kept(void **state)
{
	(void)state;
	struct thaw_cache_options o = options_of(NULL);
	o.bytes = thaw_cache_full_bytes(&o) / ENTRIES * 3;
	struct thaw_cache *c = open_cache(&o);
	for (int64_t i = 0; i < ENTRIES; i++)
		put(c, i);
	for (int64_t i = 0; i < ENTRIES; i++)
		assert_int_equal(thaw_cache_has(c, i), i < 3);
	expect(c, 2, 0.0f);
	thaw_cache_destroy(c);
	o.bytes = 0;
	c = open_cache(&o);
	put(c, 1);
	assert_false(thaw_cache_has(c, 1));
	thaw_cache_destroy(c);
}

/* The caller gets the same rounded values whether the entry is stored or not. */
static void half_precision_rounds_the_same(void **state)
{
	(void)state;
	struct thaw_cache_options o = options_of(NULL);
	o.dtype = THAW_F16;
	o.bytes = thaw_cache_full_bytes(&o) / ENTRIES;
	struct thaw_cache *c = open_cache(&o);
	float stored[FEATURES], lost[FEATURES], back[FEATURES];
	for (int i = 0; i < FEATURES; i++)
		stored[i] = lost[i] = value(3, i);
	thaw_cache_put(c, 3, stored);
	thaw_cache_put(c, 4, lost);
	assert_false(thaw_cache_has(c, 4));
	expect(c, 3, 0.01f);
	thaw_cache_get(c, 3, back);
	assert_memory_equal(stored, back, sizeof(back));
	assert_memory_equal(stored, lost, sizeof(lost));
	thaw_cache_destroy(c);
}

static void a_file_is_reused(void **state)
{
	char path[SCRATCH_PATH + 32];
	struct thaw_cache_options o = options_of(file_in(state, path, sizeof(path)));
	struct thaw_cache *c = open_cache(&o);
	put(c, 7);
	put(c, 1);
	thaw_cache_destroy(c);
	c = open_cache(&o);
	expect(c, 7, 0.0f);
	expect(c, 1, 0.0f);
	put(c, 2);
	expect(c, 1, 0.0f);
	expect(c, 2, 0.0f);
	thaw_cache_destroy(c);
	o.bytes = thaw_cache_full_bytes(&o) / ENTRIES * 2; /* a smaller limit: the third record is beyond it */
	c = open_cache(&o);
	expect(c, 7, 0.0f);
	assert_false(thaw_cache_has(c, 2));
	thaw_cache_destroy(c);
	o.digest = 43;
	c = open_cache(&o);
	assert_false(thaw_cache_has(c, 7));
	thaw_cache_destroy(c);
}

/* Eight floats take as much space in half precision as in full (one cache line): only the file's header differs. */
static void a_file_of_another_precision_is_not_used(void **state)
{
	char path[SCRATCH_PATH + 32];
	struct thaw_cache_options o = options_of(file_in(state, path, sizeof(path)));
	o.features = 8;
	o.bytes = thaw_cache_full_bytes(&o);
	struct thaw_cache *c = open_cache(&o);
	put(c, 1);
	thaw_cache_destroy(c);
	o.dtype = THAW_F16;
	assert_int_equal(thaw_cache_full_bytes(&o), o.bytes);
	c = open_cache(&o);
	assert_false(thaw_cache_has(c, 1));
	thaw_cache_destroy(c);
}

static void a_damaged_record_is_replaced(void **state)
{
	char path[SCRATCH_PATH + 32];
	struct thaw_cache_options o = options_of(file_in(state, path, sizeof(path)));
	struct thaw_cache *c = open_cache(&o);
	put(c, 5);
	put(c, 6);
	thaw_cache_destroy(c);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	int file = open(path, O_RDWR);
	off_t records = st.st_size - (off_t)thaw_cache_full_bytes(&o);
	assert_int_equal(pwrite(file, "x", 1, records + 3), 1);
	close(file);
	c = open_cache(&o);
	assert_false(thaw_cache_has(c, 5));
	expect(c, 6, 0.0f);
	put(c, 5);
	expect(c, 5, 0.0f);
	expect(c, 6, 0.0f);
	thaw_cache_destroy(c);
}

static void failures_say_why(void **state)
{
	char path[SCRATCH_PATH + 32];
	struct thaw_cache_options o = options_of(file_in(state, path, sizeof(path)));
	struct thaw_cache *c = open_cache(&o), *second;
	assert_int_equal(thaw_cache_create(&second, &o), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "in use"));
	thaw_cache_destroy(c);
	o.path = "/nonexistent/x";
	assert_int_equal(thaw_cache_create(&c, &o), THAW_IO);
	if (access("/dev/full", W_OK) == 0) {
		o.path = "/dev/full"; /* allocation fails there */
		assert_int_equal(thaw_cache_create(&c, &o), THAW_IO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_can_be_read_back),
		cmocka_unit_test(the_size_limit_is_kept),
		cmocka_unit_test(half_precision_rounds_the_same),
		cmocka_unit_test_setup_teardown(a_file_is_reused, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_file_of_another_precision_is_not_used, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_damaged_record_is_replaced, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(failures_say_why, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
