/* Tar shards that are cut, grown, replaced or damaged, and their indexes. */
#include "tests/unit/found_text.h"
#include "tests/unit/tar_writer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "src/data/tar_index.h"
#include "thaw/dataset.h"
#include "thaw/image.h"

enum { BLOCK = 512 };

#define MEMBERS "a.jpg a.cls=0 b.jpg b.cls=1 c.jpg c.cls=1 d.jpg d.cls=0"

static const struct thaw_dataset_options plain = {.test_share = 0.25, .seed = 3};

static void expect_found(const struct thaw_dataset *d, const char *part, bool wanted)
{
	char text[FOUND_TEXT];
	found_text(text, "D", &d, 1);
	if ((strstr(text, part) != NULL) != wanted)
		fail_msg("%s \"%s\":\n%s", wanted ? "not" : "has", part, text);
}

static struct thaw_dataset open_all(void **state)
{
	struct scratch *s = *state;
	struct thaw_dataset d = {0};
	if (thaw_dataset_open(&d, s->path, THAW_SPLIT_ALL, &plain) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return d;
}

static void open_fails(void **state, thaw_status want, const char *text)
{
	struct scratch *s = *state;
	struct thaw_dataset d = {0};
	thaw_status status = thaw_dataset_open(&d, s->path, THAW_SPLIT_ALL, &plain);
	if (status != want || !strstr(thaw_error_message(), text))
		fail_msg("message: %s", thaw_error_message());
}

static void expect_readable(const struct thaw_dataset *d, int64_t count)
{
	assert_int_equal(d->count, count);
	for (int64_t i = 0; i < d->count; i++) {
		struct thaw_encoded_image encoded;
		assert_int_equal(d->read(d, i, &encoded), THAW_OK);
		thaw_encoded_image_free(&encoded);
	}
}

/* Offset of the n-th header, from 0. */
static off_t find_header(const char *path, int n)
{
	size_t size;
	char *bytes = scratch_get(path, &size);
	off_t at = 0;
	for (; n > 0; n--)
		at += BLOCK + (off_t)((strtoul(bytes + at + 124, NULL, 8) + BLOCK - 1) / BLOCK * BLOCK);
	free(bytes);
	return at;
}

static void append_file(const char *to, const char *from)
{
	size_t size;
	char *bytes = scratch_get(from, &size);
	int fd = open(to, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
	free(bytes);
}

static void cut_in_the_middle(void **state)
{
	const char *path = scratch_file(*state, "s.tar");
	tar_write(path, "ustar", MEMBERS);
	assert_int_equal(truncate(path, find_header(path, 6) + BLOCK + 100), 0);
	struct thaw_dataset d = open_all(state);
	expect_readable(&d, 3);
	expect_found(&d, "where their shard ends too early or cannot be read further: 1 (first: s.tar/d.jpg)", true);
	thaw_dataset_close(&d);
}

static void cut_in_a_header(void **state)
{
	const char *path = scratch_file(*state, "s.tar");
	tar_write(path, "ustar", MEMBERS);
	assert_int_equal(truncate(path, find_header(path, 6) + 100), 0);
	struct thaw_dataset d = open_all(state);
	expect_readable(&d, 3);
	expect_found(&d, "where their shard ends too early or cannot be read further: 1 (first: s.tar/c.cls)", true);
	thaw_dataset_close(&d);
}

static void cut_between_members(void **state)
{
	const char *path = scratch_file(*state, "s.tar");
	tar_write(path, "ustar", MEMBERS);
	assert_int_equal(truncate(path, find_header(path, 6)), 0);
	struct thaw_dataset d = open_all(state);
	expect_readable(&d, 3);
	expect_found(&d, "shards without an end mark, which may be cut: 1 (first: s.tar)", true);
	thaw_dataset_close(&d);
}

static void a_damaged_header(void **state)
{
	const char *path = scratch_file(*state, "s.tar");
	tar_write(path, "ustar", MEMBERS);
	int fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "?", 1, find_header(path, 4)), 1);
	close(fd);
	struct thaw_dataset d = open_all(state);
	expect_readable(&d, 3); /* a, b, d */
	expect_found(&d, "damaged headers in shards, whose members are not read", true);
	expect_found(&d, "labels without an image in their shard: 1 (first: s.tar/c.cls)", true);
	thaw_dataset_close(&d);
}

/* A file with holes is not stored as a whole; its size is not that of the member. */
static void a_member_with_holes(void **state)
{
	const char *path = scratch_file(*state, "s.tar");
	char *bytes = calloc(1 << 20, 1);
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	assert_non_null(bytes);
	assert_int_equal(archive_write_set_format_by_name(a, "pax"), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	archive_entry_set_pathname(e, "z.jpg");
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_size(e, 1 << 20);
	archive_entry_sparse_add_entry(e, 0, 4096);
	archive_entry_sparse_add_entry(e, (1 << 20) - 4096, 4096);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, bytes, 1 << 20), 1 << 20);
	archive_entry_free(e);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	free(bytes);
	tar_write(scratch_file(*state, "t"), "ustar", MEMBERS);
	append_file(path, scratch_file(*state, "t"));
	struct thaw_dataset d = open_all(state);
	expect_readable(&d, 4);
	expect_found(&d, "no images or labels, or are stored with holes: 1 (first: s.tar/z.jpg)", true);
	thaw_dataset_close(&d);
}

static void two_tar_files_in_one(void **state)
{
	const char *path = scratch_file(*state, "s.tar");
	tar_write(path, "ustar", MEMBERS);
	tar_write(scratch_file(*state, "t"), "ustar", "e.jpg e.cls=1");
	append_file(path, scratch_file(*state, "t"));
	struct thaw_dataset d = open_all(state);
	expect_readable(&d, 5);
	thaw_dataset_close(&d);
}

static void other_files(void **state)
{
	const char *path = scratch_file(*state, "s.tar");
	scratch_put(path, "\x1F\x8B\x08", 3);
	open_fails(state, THAW_DATA, "unpack it with gunzip");
	scratch_put(path, "\x28\xB5\x2F\xFD", 4);
	open_fails(state, THAW_DATA, "unpack it with unzstd");
	scratch_put(path, "nonsense that is longer than four bytes", 39);
	open_fails(state, THAW_DATA, "not a tar file");
	scratch_put(path, "", 0);
	open_fails(state, THAW_DATA, "no images in the shards");
	remove(path);
	scratch_put(scratch_file(*state, "s.tar.gz"), "\x1F\x8B\x08", 3);
	open_fails(state, THAW_DATA, "compressed tar files: decompress them");
}

static void an_empty_shard_beside_others(void **state)
{
	tar_write(scratch_file(*state, "s0.tar"), "ustar", "");
	tar_write(scratch_file(*state, "s1.tar"), "ustar", MEMBERS);
	scratch_put(scratch_file(*state, "s2.tar"), "", 0);
	scratch_put(scratch_file(*state, "s3.tar.zst"), "x", 1);
	struct thaw_dataset d = open_all(state);
	expect_readable(&d, 4);
	expect_found(&d, "shards without members: 2 (first: s0.tar)", true);
	expect_found(&d, "compressed tar files (decompress them to use them): 1 (first: s3.tar.zst)", true);
	thaw_dataset_close(&d);
}

static uint64_t digest_of(void **state)
{
	struct thaw_dataset d = open_all(state);
	uint64_t digest = thaw_dataset_digest(&d);
	thaw_dataset_close(&d);
	return digest;
}

static void an_index_says_the_same(void **state)
{
	const char *path = scratch_file(*state, "s.tar");
	tar_write(path, "pax",
		  MEMBERS " e.cls=3 f.npy=x x/a.jpg y/g.jpg>../a.jpg h.jpg h.json={\"label\":1,\"weight\":2}");
	uint64_t digest = digest_of(state);
	tar_write_index(path);
	struct thaw_dataset d = open_all(state);
	expect_found(&d, "no index", false);
	expect_found(&d, "labels without an image in their shard: 1 (first: s.tar/e.cls)", true);
	expect_found(&d, "images in shards without a label: 2", true);
	expect_readable(&d, 5);
	assert_true(d.weights[4] == 2);
	assert_true(thaw_dataset_digest(&d) == digest);
	thaw_dataset_close(&d);
}

static void a_shard_that_grew_since_its_index(void **state)
{
	const char *path = scratch_file(*state, "s.tar");
	tar_write(path, "ustar", MEMBERS);
	tar_write_index(path);
	tar_write(path, "ustar", MEMBERS " e.jpg e.cls=1");
	struct thaw_dataset d = open_all(state);
	expect_readable(&d, 5);
	expect_found(&d, "not of their shards as they are now: 1 (first: s.tar): the headers of the shards", true);
	thaw_dataset_close(&d);
}

static void a_shard_of_the_same_size(void **state)
{
	struct stat st;
	const char *path = scratch_file(*state, "s.tar");
	tar_write(path, "ustar", MEMBERS);
	tar_write_index(path);
	assert_int_equal(stat(path, &st), 0);
	tar_write(path, "ustar", "a.jpg a.cls=1 b.jpg b.cls=0 c.jpg c.cls=0 d.jpg d.cls=1");
	const struct timespec times[2] = {st.st_mtim, st.st_mtim};
	struct thaw_dataset d = open_all(state);
	assert_int_equal(d.labels[0], 1);
	thaw_dataset_close(&d);
	/* Even where its time was set back: the first block differs. */
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	d = open_all(state);
	assert_int_equal(d.labels[0], 1);
	thaw_dataset_close(&d);
}

static void a_damaged_index(void **state)
{
	size_t size;
	struct stat st;
	const char *path = scratch_file(*state, "s.tar");
	char index[1200];
	snprintf(index, sizeof(index), "%s", scratch_file(*state, "s.tar.index"));
	tar_write(path, "ustar", MEMBERS);
	tar_write_index(path);
	assert_int_equal(stat(path, &st), 0);
	const struct timespec times[2] = {st.st_mtim, st.st_mtim};
	char *bytes = scratch_get(index, &size);
	for (size_t at = 0; at < size; at += 7) {
		bytes[at] ^= 4;
		scratch_put(index, bytes, size);
		bytes[at] ^= 4;
		assert_int_equal(utimensat(AT_FDCWD, index, times, 0), 0);
		struct thaw_dataset d = open_all(state);
		expect_readable(&d, 4);
		expect_found(&d, "indexes that are not of their shards", true);
		thaw_dataset_close(&d);
	}
	for (size_t length = 0; length < size; length += 13) {
		scratch_put(index, bytes, length);
		assert_int_equal(utimensat(AT_FDCWD, index, times, 0), 0);
		struct thaw_dataset d = open_all(state);
		expect_readable(&d, 4);
		thaw_dataset_close(&d);
	}
	free(bytes);
}

/* Reading while a training runs. */
static void a_shard_that_changes_while_it_is_open(void **state)
{
	struct thaw_encoded_image encoded;
	const char *path = scratch_file(*state, "s.tar");
	tar_write(path, "ustar", MEMBERS);
	struct thaw_dataset d = open_all(state);
	expect_readable(&d, 4);
	assert_int_equal(truncate(path, find_header(path, 6) + BLOCK + 10), 0);
	assert_int_equal(d.read(&d, 3, &encoded), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "shard ends before its image"));
	assert_int_equal(d.read(&d, 2, &encoded), THAW_OK);
	thaw_encoded_image_free(&encoded);
	/* Another file in its place, written over it. */
	tar_write(path, "ustar", "x.jpg x.cls=0 y.jpg y.cls=1 z.jpg z.cls=1 u.jpg u.cls=0");
	for (int64_t i = 0; i < d.count; i++) {
		assert_int_equal(d.read(&d, i, &encoded), THAW_DATA);
		assert_non_null(strstr(thaw_error_message(), "the shard has changed since it was opened"));
	}
	thaw_dataset_close(&d);
}

static void a_damaged_image_is_named(void **state)
{
	struct thaw_encoded_image encoded;
	tar_write(scratch_file(*state, "s.tar"), "ustar", "a.jpg=nonsense a.cls=0 b.jpg= b.cls=1 c.jpg c.cls=1");
	struct thaw_dataset d = open_all(state);
	assert_int_equal(d.count, 3);
	assert_int_equal(d.read(&d, 0, &encoded), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "s.tar/a.jpg"));
	assert_int_equal(d.read(&d, 1, &encoded), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "s.tar/b.jpg"));
	thaw_dataset_close(&d);
}

static void more_shards_than_open_files(void **state)
{
	char name[32];
	for (int i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "s%03d.tar", i);
		tar_write(scratch_file(*state, name), "ustar", i % 2 ? "a.jpg a.cls=1" : "a.jpg a.cls=0");
	}
	struct thaw_dataset d = open_all(state);
	expect_readable(&d, 150);
	expect_readable(&d, 150);
	int open_now = 0;
	for (int fd = 3; fd < 1024; fd++)
		open_now += fcntl(fd, F_GETFD) >= 0;
	assert_in_range(open_now, 1, 70);
	thaw_dataset_close(&d);
}

static void lanes_that_are_missing(void **state)
{
	tar_write(scratch_file(*state, "s-lane0of2-000000.tar"), "ustar", "a.jpg a.cls=0 c.jpg c.cls=0");
	open_fails(state, THAW_DATA, "lane 0 of 2 has 2 images, wanted are 1");
	tar_write(scratch_file(*state, "s-lane1of2-000000.tar"), "ustar", "b.jpg b.cls=1 d.jpg d.cls=1");
	struct thaw_dataset d = open_all(state);
	for (int i = 0; i < 4; i++)
		assert_int_equal(d.labels[i], i % 2);
	thaw_dataset_close(&d);
	tar_write(scratch_file(*state, "s-lane0of3-000000.tar"), "ustar", "e.jpg e.cls=1");
	open_fails(state, THAW_DATA, "shards of other lanes");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cut_in_the_middle),
		TEST(cut_in_a_header),
		TEST(cut_between_members),
		TEST(a_damaged_header),
		TEST(a_member_with_holes),
		TEST(two_tar_files_in_one),
		TEST(other_files),
		TEST(an_empty_shard_beside_others),
		TEST(an_index_says_the_same),
		TEST(a_shard_that_grew_since_its_index),
		TEST(a_shard_of_the_same_size),
		TEST(a_damaged_index),
		TEST(a_shard_that_changes_while_it_is_open),
		TEST(a_damaged_image_is_named),
		TEST(more_shards_than_open_files),
		TEST(lanes_that_are_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
