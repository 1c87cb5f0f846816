/* The feature cache: entries can be read back, within the size limit and across restarts, but not when damaged. */
#include "tests/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "src/train/cache.h"

#define ENTRIES  10
#define FEATURES 37 /* not a whole number of cache lines */

/* How many of the next calls of flock fail, and with what. */
static int flock_failures, flock_error;

int flock(int fd, int operation)
{
	if (flock_failures == 0)
		return (int)syscall(SYS_flock, fd, operation);
	flock_failures--;
	errno = flock_error;
	return -1;
}

/* Whether fcntl's locks fail, too. */
static bool fcntl_fails;

int fcntl(int fd, int command, ...)
{
	va_list args;
	va_start(args, command);
	void *argument = va_arg(args, void *);
	va_end(args);
	errno = ENOLCK;
	return command == F_OFD_SETLK && fcntl_fails ? -1 : (int)syscall(SYS_fcntl, fd, command, argument);
}

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

/* A dataset of samples without pixels: time and content of each are what the test sets. */
static struct {
	int64_t modified;
	int content;
} stored[ENTRIES];

static thaw_status fingerprint_stored(const struct thaw_dataset *d, int64_t i, bool whole, struct thaw_fingerprint *f)
{
	(void)d;
	*f = thaw_fingerprint_of(&stored[i].content, sizeof(stored[i].content), stored[i].modified);
	if (!whole)
		f->content = 0;
	return THAW_OK;
}

static const struct thaw_dataset images = {.count = ENTRIES, .fingerprint = fingerprint_stored};

static struct thaw_fingerprint image_of(int64_t entry)
{
	return thaw_dataset_fingerprint(&images, entry, true);
}

static bool has(struct thaw_cache *c, int64_t entry)
{
	return thaw_cache_has(c, entry, &images, entry);
}

static void put(struct thaw_cache *c, int64_t entry)
{
	float features[FEATURES];
	for (int i = 0; i < FEATURES; i++)
		features[i] = value(entry, i);
	struct thaw_fingerprint image = image_of(entry);
	thaw_cache_put(c, entry, &image, features);
}

static void expect(struct thaw_cache *c, int64_t entry, float tolerance)
{
	float features[FEATURES];
	assert_true(has(c, entry));
	assert_int_equal(thaw_cache_get(c, entry, features), THAW_OK);
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
			assert_false(has(c, i));
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
		assert_int_equal(has(c, i), i < 3);
	expect(c, 2, 0.0f);
	thaw_cache_destroy(c);
	o.bytes = 0;
	c = open_cache(&o);
	put(c, 1);
	assert_false(has(c, 1));
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
	float kept[FEATURES], lost[FEATURES], back[FEATURES];
	for (int i = 0; i < FEATURES; i++)
		kept[i] = lost[i] = value(3, i);
	struct thaw_fingerprint image = image_of(3);
	thaw_cache_put(c, 3, &image, kept);
	thaw_cache_put(c, 4, &image, lost);
	assert_false(has(c, 4));
	expect(c, 3, 0.01f);
	assert_int_equal(thaw_cache_get(c, 3, back), THAW_OK);
	assert_memory_equal(kept, back, sizeof(back));
	assert_memory_equal(kept, lost, sizeof(lost));
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
	assert_false(has(c, 2));
	thaw_cache_destroy(c);
	o.digest = 43;
	c = open_cache(&o);
	assert_false(has(c, 7));
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
	assert_false(has(c, 1));
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
	assert_false(has(c, 5));
	expect(c, 6, 0.0f);
	put(c, 5);
	expect(c, 5, 0.0f);
	expect(c, 6, 0.0f);
	thaw_cache_destroy(c);
}

#define SMALL 3 /* entries of a file that is damaged in all ways */

static struct thaw_cache_options small_options(const char *path)
{
	struct thaw_cache_options o = options_of(path);
	o.entries = SMALL;
	return o;
}

/* The bytes of a file with two entries of three. */
static char *make_small(const char *path, size_t *size)
{
	struct thaw_cache_options o = small_options(path);
	struct thaw_cache *c = open_cache(&o);
	put(c, 2);
	put(c, 0);
	thaw_cache_destroy(c);
	return scratch_get(path, size);
}

/* Writes good[size] over the file and cuts it to `left` bytes. Not by scratch_put, whose truncation to 0 makes some
 * file systems wait for the disk. */
static void put_cut(const char *path, const char *good, size_t size, size_t left)
{
	int file = open(path, O_WRONLY);
	assert_true(file >= 0);
	assert_int_equal(pwrite(file, good, size, 0), size);
	assert_int_equal(ftruncate(file, (off_t)left), 0);
	close(file);
}

/* Opens a file that may be damaged: each entry is right or absent. Then all are stored, and the file is whole. */
static void expect_healed(const char *path)
{
	struct thaw_cache_options o = small_options(path);
	for (int pass = 0; pass < 2; pass++) {
		struct thaw_cache *c = open_cache(&o);
		for (int64_t i = 0; i < SMALL; i++) {
			if (has(c, i))
				expect(c, i, 0.0f);
			else if (pass == 0)
				put(c, i);
			else
				fail_msg("entry %d is absent after it was stored again", (int)i);
		}
		for (int64_t i = 0; i < SMALL; i++)
			expect(c, i, 0.0f);
		thaw_cache_destroy(c);
	}
}

static void every_flipped_bit_is_healed(void **state)
{
	char path[SCRATCH_PATH + 32];
	size_t size;
	char *good = make_small(file_in(state, path, sizeof(path)), &size);
	for (size_t byte = 0; byte < size; byte++) {
		bool padding = (byte > 128 && byte < 4096) || (byte > 4096 + SMALL * 64 && byte < 8192);
		for (int bit = 0; bit < 8; bit += padding ? 8 : 1) {
			good[byte] ^= (char)(1 << bit);
			put_cut(path, good, size, size);
			good[byte] ^= (char)(1 << bit);
			expect_healed(path);
		}
	}
	free(good);
}

static void every_truncated_file_is_healed(void **state)
{
	char path[SCRATCH_PATH + 32];
	size_t size;
	char *good = make_small(file_in(state, path, sizeof(path)), &size);
	for (size_t left = 0; left < size; left++) {
		put_cut(path, good, size, left);
		expect_healed(path);
	}
	free(good);
}

/* Bytes that belong to another place or another entry are not used, although nothing in them is damaged. */
static void moved_places_and_records_are_refused(void **state)
{
	char path[SCRATCH_PATH + 32];
	size_t size, place = 48, record = 192;
	char *good = make_small(file_in(state, path, sizeof(path)), &size), *moved = malloc(size);
	memcpy(moved, good, size);
	memcpy(moved + 4096, good + 4096 + 2 * place, place); /* entry 0 shares the record of entry 2 */
	scratch_put(path, moved, size);
	struct thaw_cache_options o = small_options(path);
	struct thaw_cache *c = open_cache(&o);
	assert_int_equal(thaw_cache_found(c), THAW_CACHE_DAMAGED);
	thaw_cache_destroy(c);
	memcpy(moved, good, size);
	memcpy(moved + 4096 + place, good + 4096 + 2 * place, place); /* entry 1 has it instead of entry 2 */
	memset(moved + 4096 + 2 * place, 0, place);
	scratch_put(path, moved, size);
	c = open_cache(&o);
	assert_int_equal(thaw_cache_found(c), THAW_CACHE_DAMAGED);
	thaw_cache_destroy(c);
	memcpy(moved, good, size);
	memcpy(moved + 8192, good + 8192 + record, record);
	memcpy(moved + 8192 + record, good + 8192, record); /* exchanged */
	scratch_put(path, moved, size);
	c = open_cache(&o);
	assert_int_equal(thaw_cache_found(c), THAW_CACHE_REUSED);
	assert_false(has(c, 0));
	assert_false(has(c, 2));
	assert_int_equal(thaw_cache_lost(c).damaged, 2);
	thaw_cache_destroy(c);
	expect_healed(path);
	free(good);
	free(moved);
}

static void a_file_may_be_truncated_while_it_is_used(void **state)
{
	char path[SCRATCH_PATH + 32];
	float features[FEATURES];
	struct thaw_cache_options o = options_of(file_in(state, path, sizeof(path)));
	struct thaw_cache *c = open_cache(&o);
	for (int64_t i = 0; i < 3; i++)
		put(c, i);
	thaw_cache_destroy(c);
	c = open_cache(&o);
	assert_int_equal(thaw_cache_found(c), THAW_CACHE_REUSED);
	assert_true(has(c, 0));
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(thaw_cache_get(c, 0, features), THAW_IO);
	assert_non_null(strstr(thaw_error_message(), "changed by another program"));
	for (int64_t i = 0; i < 3; i++)
		assert_false(has(c, i));
	put(c, 1);
	expect(c, 1, 0.0f);
	thaw_cache_destroy(c);
}

/* An image that was replaced gives a miss; one that was only copied, with another time and the same bytes, a hit. */
static void features_of_replaced_images_are_not_used(void **state)
{
	char path[SCRATCH_PATH + 32];
	struct thaw_cache_options o = options_of(file_in(state, path, sizeof(path)));
	for (int i = 0; i < ENTRIES; i++)
		stored[i].modified = 1000 + i, stored[i].content = i;
	struct thaw_cache *c = open_cache(&o);
	for (int64_t i = 0; i < 4; i++)
		put(c, i);
	thaw_cache_destroy(c);
	stored[0].content = 100; /* the same time */
	stored[1].content = 101, stored[1].modified = 5000;
	stored[2].modified = 5000;
	c = open_cache(&o);
	for (int64_t i = 0; i < 4; i++)
		assert_int_equal(has(c, i), i >= 2);
	assert_int_equal(thaw_cache_lost(c).changed, 2);
	put(c, 0);
	thaw_cache_destroy(c);
	c = open_cache(&o);
	expect(c, 0, 0.0f);
	assert_false(has(c, 1));
	expect(c, 2, 0.0f);
	thaw_cache_destroy(c);
	stored[3].modified = 0; /* without a time, all bytes count */
	c = open_cache(&o);
	assert_true(has(c, 3));
	thaw_cache_destroy(c);
}

static void what_a_file_contained_is_told(void **state)
{
	char path[SCRATCH_PATH + 32];
	struct thaw_cache_options o = options_of(file_in(state, path, sizeof(path)));
	static const enum thaw_cache_found wanted[] = {THAW_CACHE_NEW, THAW_CACHE_REUSED, THAW_CACHE_OTHER};
	for (int i = 0; i < 3; i++) {
		o.digest = i < 2 ? 42 : 43;
		struct thaw_cache *c = open_cache(&o);
		assert_int_equal(thaw_cache_found(c), wanted[i]);
		thaw_cache_destroy(c);
	}
	scratch_put(path, "train epoch 1/2: loss 2.3", 25);
	struct thaw_cache *c = open_cache(&o);
	assert_int_equal(thaw_cache_found(c), THAW_CACHE_DAMAGED);
	thaw_cache_destroy(c);
}

static void the_lock_of_a_job_that_ends_is_waited_for(void **state)
{
	char path[SCRATCH_PATH + 32];
	struct thaw_cache_options o = options_of(file_in(state, path, sizeof(path)));
	struct thaw_cache *c = NULL;
	flock_error = EWOULDBLOCK;
	flock_failures = 3;
	thaw_cache_destroy(open_cache(&o));
	assert_int_equal(flock_failures, 0);
	flock_error = ENOLCK;
	flock_failures = 1;
	thaw_cache_destroy(open_cache(&o));
	fcntl_fails = true; /* a file system without locks */
	flock_failures = 1;
	assert_int_equal(thaw_cache_create(&c, &o), THAW_IO);
	fcntl_fails = false;
	assert_non_null(strstr(thaw_error_message(), "cannot lock file"));
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
		cmocka_unit_test_setup_teardown(every_flipped_bit_is_healed, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(every_truncated_file_is_healed, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(moved_places_and_records_are_refused, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_file_may_be_truncated_while_it_is_used, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(features_of_replaced_images_are_not_used, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(what_a_file_contained_is_told, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(the_lock_of_a_job_that_ends_is_waited_for, scratch_make,
						scratch_remove),
		cmocka_unit_test_setup_teardown(failures_say_why, scratch_make, scratch_remove),
	};
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0); /* thousands of small files: without waiting for a disk */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
