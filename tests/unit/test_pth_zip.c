/* The zip archive of a .pth file: variants that zip allows but torch.save does not write, and damaged archives. */
#include "tests/scratch.h"

#include <archive.h>
#include <archive_entry.h>

#include "thaw/weights.h"

/* {'w': a tensor of the 4 floats in storage '0'} */
#define STORAGE "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpuK\4tQ"
static const char pickle[] = "\x80\x02}X\1\0\0\0wctorch._utils\n_rebuild_tensor\n(" STORAGE "K\0K\4\x85K\1\x85tRs.";
static const float floats[4] = {1, 2, 3, 4};

struct file {
	const char *name;
	const void *bytes;
	size_t size;
};

#define PICKLE                                           \
	{                                                \
		"m/data.pkl", pickle, sizeof(pickle) - 1 \
	}
#define FLOATS                                     \
	{                                          \
		"m/data/0", floats, sizeof(floats) \
	}
#define TEXT(t) t, sizeof(t) - 1

/* Writes the files, up to a NULL name, as a zip archive to bytes[size]. Returns its size. */
static size_t make_zip(const struct file *files, const char *options, char *bytes, size_t size)
{
	size_t used = 0;
	struct archive *a = archive_write_new();
	assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
	assert_int_equal(archive_write_set_options(a, options), ARCHIVE_OK);
	assert_int_equal(archive_write_set_bytes_in_last_block(a, 1), ARCHIVE_OK);
	assert_int_equal(archive_write_open_memory(a, bytes, size, &used), ARCHIVE_OK);
	for (; files->name; files++) {
		struct archive_entry *entry = archive_entry_new();
		archive_entry_set_pathname(entry, files->name);
		archive_entry_set_size(entry, (la_int64_t)files->size);
		archive_entry_set_filetype(entry, AE_IFREG);
		archive_entry_set_perm(entry, 0644);
		assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
		assert_int_equal(archive_write_data(a, files->bytes, files->size), files->size);
		archive_entry_free(entry);
	}
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
	return used;
}

static thaw_status parse_zip(struct thaw_weights *w, const struct file *files, const char *options)
{
	static char bytes[1 << 16];
	size_t size = make_zip(files, options, bytes, sizeof(bytes));
	return thaw_weights_parse(w, bytes, size, "zip");
}

static void expect_floats(const struct file *files, const char *options, bool in_place)
{
	struct thaw_weights w = {0};
	assert_int_equal(parse_zip(&w, files, options), THAW_OK);
	assert_int_equal(w.count, 1);
	assert_string_equal(w.tensors[0].name, "w");
	assert_memory_equal(w.tensors[0].data, floats, sizeof(floats));
	assert_int_equal(w.storage_bytes == 0, in_place);
	thaw_weights_free(&w);
}

static void expect_refusal(const struct file *files, const char *words)
{
	struct thaw_weights w = {0};
	assert_int_equal(parse_zip(&w, files, "zip:compression=store"), THAW_DATA);
	if (!strstr(thaw_error_message(), words))
		fail_msg("\"%s\" does not say \"%s\"", thaw_error_message(), words);
}

static void test_compression(void **state)
{
	(void)state;
	static const struct file files[] = {PICKLE, FLOATS, {"m/byteorder", TEXT("little")}, {0}};
	static const struct file last[] = {{"m/x", "", 0}, FLOATS, PICKLE, {0}};
	expect_floats(files, "zip:compression=store", true);
	expect_floats(files, "zip:compression=deflate", false);
	expect_floats(files, "zip:compression=store,zip64", true);
	expect_floats(last, "zip:compression=store", true);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct file big_endian[] = {PICKLE, FLOATS, {"m/byteorder", TEXT("big")}, {0}};
	static const struct file script[] = {PICKLE, FLOATS, {"m/constants.pkl", TEXT("x")}, {0}};
	static const struct file short_storage[] = {PICKLE, {"m/data/0", floats, 15}, {0}};
	static const struct file long_storage[] = {PICKLE, {"m/data/0", pickle, 17}, {0}};
	static const struct file no_storage[] = {PICKLE, {"m/data/1", floats, 16}, {0}};
	static const struct file elsewhere[] = {PICKLE, {"n/data/0", floats, 16}, {0}};
	static const struct file twice[] = {PICKLE, FLOATS, FLOATS, {0}};
	static const struct file two[] = {PICKLE, FLOATS, {"n/data.pkl", TEXT("x")}, {0}};
	static const struct file no_pickle[] = {{"readme.txt", TEXT("x")}, {0}};
	static const struct file deep[] = {{"a/m/data.pkl", TEXT(pickle)}, {0}};
	expect_refusal(big_endian, "big-endian");
	expect_refusal(script, "TorchScript");
	expect_refusal(short_storage, "15 bytes but its tensors need 16");
	expect_refusal(long_storage, "17 bytes but its tensors need 16");
	expect_refusal(no_storage, "a storage is missing");
	expect_refusal(elsewhere, "a storage is missing");
	expect_refusal(twice, "two entries");
	expect_refusal(two, "two .pth");
	expect_refusal(no_pickle, "without a data.pkl");
	expect_refusal(deep, "without a data.pkl");
}

/* 64 MB of zeros compressed to about 64 KB. */
static void test_bomb(void **state)
{
	(void)state;
	size_t n = (size_t)64 << 20;
	char *zeros = calloc(1, n), *bytes = malloc(1 << 20);
	const struct file files[] = {PICKLE, {"m/data/0", zeros, n}, {0}};
	size_t size = make_zip(files, "zip:compression=deflate", bytes, 1 << 20);
	struct thaw_weights w = {0};
	assert_int_equal(thaw_weights_parse(&w, bytes, size, "zip"), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "many times its size"));
	free(bytes);
	free(zeros);
}

static void test_checksum(void **state)
{
	(void)state;
	static const struct file files[] = {PICKLE, FLOATS, {0}};
	char bytes[4096];
	size_t size = make_zip(files, "zip:compression=store", bytes, sizeof(bytes));
	char *data = memmem(bytes, size, floats, sizeof(floats));
	assert_non_null(data);
	data[5] ^= 1;
	struct thaw_weights w = {0};
	assert_int_equal(thaw_weights_parse(&w, bytes, size, "zip"), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "CRC"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compression),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_checksum),
	};
	return cmocka_run_group_tests_name("pth_zip", tests, NULL, NULL);
}
