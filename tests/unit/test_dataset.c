/* Datasets: folders, splits, IDX and CIFAR files, valid and damaged. */
#include "tests/scratch.h"

#include <sys/stat.h>
#include <zlib.h>

#include "thaw/dataset.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define IMAGE "tests/golden/images/rgb.jpg"

enum { PATH = 2 * SCRATCH_PATH };

static const struct thaw_dataset_options plain = {.test_share = 0.25, .seed = 3};

static void put(void **state, const char *name, const void *bytes, size_t size)
{
	struct scratch *s = *state;
	char path[PATH], *slash;
	snprintf(path, sizeof(path), "%s/%s", s->path, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(thaw_make_directory(path), THAW_OK);
	*slash = '/';
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

/* A valid image, for tests that read samples. */
static void put_image(void **state, const char *name)
{
	void *bytes;
	size_t size;
	assert_int_equal(thaw_file_read(&bytes, &size, IMAGE, 1 << 20), THAW_OK);
	put(state, name, bytes, size);
	thaw_free(bytes);
}

static void put_folder(void **state, const char *name)
{
	struct scratch *s = *state;
	char path[PATH];
	snprintf(path, sizeof(path), "%s/%s", s->path, name);
	assert_int_equal(thaw_make_directory(path), THAW_OK);
}

static struct thaw_dataset open_ok(void **state, enum thaw_split split, struct thaw_dataset_options options)
{
	struct scratch *s = *state;
	struct thaw_dataset d = {0};
	if (thaw_dataset_open(&d, s->path, split, &options) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return d;
}

static void open_fails(void **state, enum thaw_split split, thaw_status want, const char *text)
{
	struct scratch *s = *state;
	struct thaw_dataset d = {.classes = 77};
	assert_int_equal(thaw_dataset_open(&d, s->path, split, &plain), want);
	assert_int_equal(d.classes, 77);
	if (!strstr(thaw_error_message(), text))
		fail_msg("message: %s", thaw_error_message());
}

static const char *name_of(const struct thaw_dataset *d, int64_t i)
{
	static char name[256];
	d->name(d, i, name, sizeof(name));
	return name;
}

static void split_folders(void **state)
{
	static const char *const files[] = {"train/rose/b.JPG",         "train/rose/a.jpeg", "train/rose/deep/er/c.png",
					    "train/Iris/z.jpg",         "val/rose/v.jpg",    "val/Iris/w.jpg",
					    "train/.hidden/secret.jpg", "train/rose/.x.jpg", "test/rose/t.jpg"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put_image(state, files[i]);
	put(state, "train/rose/notes.txt", "x", 1);
	put(state, "README", "x", 1);
	struct scratch *s = *state;
	char to[PATH];
	snprintf(to, sizeof(to), "%s/train/rose/circle", s->path);
	assert_int_equal(symlink("..", to), 0);
	snprintf(to, sizeof(to), "%s/train/rose/link.jpg", s->path);
	assert_int_equal(symlink("a.jpeg", to), 0);

	struct thaw_dataset d = open_ok(state, THAW_SPLIT_TRAIN, plain);
	assert_int_equal(d.classes, 2);
	assert_string_equal(d.class_names[0], "Iris"); /* sorted bytewise: capitals first */
	assert_string_equal(d.class_names[1], "rose");
	assert_int_equal(d.count, 5);
	assert_string_equal(name_of(&d, 0), "train/Iris/z.jpg");
	assert_string_equal(name_of(&d, 1), "train/rose/a.jpeg");
	assert_string_equal(name_of(&d, 3), "train/rose/deep/er/c.png");
	assert_string_equal(name_of(&d, 4), "train/rose/link.jpg");
	assert_int_equal(d.labels[0], 0);
	assert_int_equal(d.labels[4], 1);
	for (int64_t i = 0; i < d.count; i++) {
		struct thaw_encoded_image encoded;
		assert_int_equal(d.read(&d, i, &encoded), THAW_OK);
		assert_int_equal(encoded.width, 45);
		thaw_encoded_image_free(&encoded);
	}
	uint64_t digest = thaw_dataset_digest(&d);
	thaw_dataset_close(&d);
	d = open_ok(state, THAW_SPLIT_TRAIN, plain);
	assert_true(thaw_dataset_digest(&d) == digest);
	thaw_dataset_close(&d);
	d = open_ok(state, THAW_SPLIT_VAL, plain);
	assert_int_equal(d.count, 2);
	assert_string_equal(name_of(&d, 1), "val/rose/v.jpg");
	assert_true(thaw_dataset_digest(&d) != digest);
	thaw_dataset_close(&d);
	d = open_ok(state, THAW_SPLIT_TEST, plain); /* has no Iris: beside val/ it may lack classes */
	assert_int_equal(d.count, 1);
	assert_int_equal(d.classes, 2);
	assert_int_equal(d.labels[0], 1);
	assert_string_equal(name_of(&d, 0), "test/rose/t.jpg");
	thaw_dataset_close(&d);
}

static void unreadable_sample(void **state)
{
	put_image(state, "train/a/1.jpg");
	put(state, "train/a/2.jpg", "nonsense", 8);
	put_image(state, "train/a/3.jpg");
	put_image(state, "train/b/1.jpg");
	put_image(state, "val/a/1.jpg");
	put_image(state, "val/b/1.jpg");
	struct thaw_dataset d = open_ok(state, THAW_SPLIT_TRAIN, plain);
	struct scratch *s = *state;
	struct thaw_encoded_image encoded;
	char path[PATH];
	snprintf(path, sizeof(path), "%s/train/a/3.jpg", s->path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(d.read(&d, 1, &encoded), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), ": train/a/2.jpg: "));
	assert_int_equal(d.read(&d, 2, &encoded), THAW_IO);
	assert_non_null(strstr(thaw_error_message(), "train/a/3.jpg: "));
	thaw_dataset_close(&d);
}

static void test_images_held_out(void **state)
{
	char name[64];
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "big/%02d.jpg", i);
		put(state, name, "", 0);
	}
	put(state, "pair/1.jpg", "", 0);
	put(state, "pair/2.jpg", "", 0);
	put(state, "single/1.jpg", "", 0);
	struct thaw_dataset train = open_ok(state, THAW_SPLIT_TRAIN, plain);
	struct thaw_dataset test = open_ok(state, THAW_SPLIT_TEST, plain);
	assert_int_equal(train.count, 15 + 1 + 1);
	assert_int_equal(test.count, 5 + 1);
	for (int64_t i = 0; i < train.count; i++)
		for (int64_t k = 0; k < test.count; k++) {
			char one[256];
			train.name(&train, i, one, sizeof(one));
			assert_string_not_equal(one, name_of(&test, k));
		}
	thaw_dataset_close(&train);
	uint64_t digest = thaw_dataset_digest(&test);
	thaw_dataset_close(&test);
	struct thaw_dataset_options other = plain;
	other.seed = 4;
	test = open_ok(state, THAW_SPLIT_TEST, other);
	assert_true(thaw_dataset_digest(&test) != digest);
	thaw_dataset_close(&test);
	/* A limit applies to the training split only; the samples of a smaller limit are a subset of those of a larger
	 * one. */
	struct thaw_dataset_options limited = plain;
	limited.limit_per_class = 4;
	train = open_ok(state, THAW_SPLIT_TRAIN, limited);
	test = open_ok(state, THAW_SPLIT_TEST, limited);
	assert_int_equal(train.count, 4 + 1 + 1);
	assert_int_equal(test.count, 6);
	thaw_dataset_close(&test);
	limited.limit_per_class = 2;
	struct thaw_dataset fewer = open_ok(state, THAW_SPLIT_TRAIN, limited);
	for (int64_t i = 0; i < fewer.count; i++) {
		bool found = false;
		char one[256];
		fewer.name(&fewer, i, one, sizeof(one));
		for (int64_t k = 0; k < train.count; k++)
			found |= strcmp(one, name_of(&train, k)) == 0;
		assert_true(found);
	}
	thaw_dataset_close(&fewer);
	thaw_dataset_close(&train);
}

static void wrong_folders(void **state)
{
	struct scratch *s = *state;
	struct thaw_dataset d;
	assert_int_equal(thaw_dataset_open(&d, "/nonexistent/x", THAW_SPLIT_TRAIN, &plain), THAW_IO);
	open_fails(state, THAW_SPLIT_TRAIN, THAW_DATA, "no class folders");
	put_image(state, "train/rose/1.jpg");
	open_fails(state, THAW_SPLIT_TRAIN, THAW_CONFIG, "only one class, \"rose\" with 1 images");
	put_image(state, "val/rose/1.jpg");
	put_image(state, "val/tulip/1.jpg");
	open_fails(state, THAW_SPLIT_TRAIN, THAW_DATA, "\"tulip\" is in val/ but not in train/");
	open_fails(state, THAW_SPLIT_TEST, THAW_DATA, "\"tulip\" is in val/ but not in train/");
	put_folder(state, "train/tulip");
	open_fails(state, THAW_SPLIT_TRAIN, THAW_DATA, "train/tulip");
	assert_non_null(strstr(thaw_error_message(), s->path));
}

static void class_called_train(void **state)
{
	put_image(state, "bus/1.jpg");
	put_image(state, "train/1.jpg");
	struct thaw_dataset d = open_ok(state, THAW_SPLIT_TRAIN, plain);
	assert_int_equal(d.classes, 2);
	assert_int_equal(d.count, 2);
	thaw_dataset_close(&d);
}

static void put_gz(void **state, const char *name, const void *bytes, size_t size)
{
	struct scratch *s = *state;
	char path[PATH];
	snprintf(path, sizeof(path), "%s/%s", s->path, name);
	gzFile f = gzopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(gzwrite(f, bytes, (unsigned)size), size);
	assert_int_equal(gzclose(f), Z_OK);
}

enum { IDX_COUNT = 6, IDX_SIDE = 4, IDX_BYTES = 16 + IDX_COUNT * IDX_SIDE * IDX_SIDE };

/* Six images of 4 x 4 with ascending pixel values; labels 0 1 2 0 1 2. */
static void make_idx(uint8_t images[IDX_BYTES], uint8_t labels[8 + IDX_COUNT])
{
	static const uint8_t header[16] = {0, 0, 8, 3, 0, 0, 0, IDX_COUNT, 0, 0, 0, IDX_SIDE, 0, 0, 0, IDX_SIDE};
	static const uint8_t label_header[8] = {0, 0, 8, 1, 0, 0, 0, IDX_COUNT};
	memcpy(images, header, sizeof(header));
	for (int i = 16; i < IDX_BYTES; i++)
		images[i] = (uint8_t)(i - 16);
	memcpy(labels, label_header, sizeof(label_header));
	for (int i = 0; i < IDX_COUNT; i++)
		labels[8 + i] = (uint8_t)(i % 3);
}

static void idx(void **state)
{
	uint8_t images[IDX_BYTES], labels[8 + IDX_COUNT];
	struct thaw_encoded_image encoded;
	make_idx(images, labels);
	put(state, "train-images-idx3-ubyte", images, sizeof(images));
	put_gz(state, "train-labels-idx1-ubyte.gz", labels, sizeof(labels));
	put_gz(state, "t10k-images-idx3-ubyte.gz", images, sizeof(images));
	put(state, "t10k-labels-idx1-ubyte", labels, sizeof(labels));
	for (int split = 0; split < 2; split++) {
		struct thaw_dataset d = open_ok(state, split, plain);
		assert_int_equal(d.count, IDX_COUNT);
		assert_int_equal(d.classes, 3);
		assert_string_equal(d.class_names[2], "2");
		assert_int_equal(d.labels[5], 2);
		assert_int_equal(d.read(&d, 5, &encoded), THAW_OK);
		assert_int_equal(encoded.width, IDX_SIDE);
		assert_int_equal(encoded.image.pixels[0], 80);
		assert_int_equal(encoded.image.pixels[3 * 15 + 2], 95);
		thaw_encoded_image_free(&encoded);
		thaw_dataset_close(&d);
	}
	struct thaw_dataset_options limited = {.limit_per_class = 1};
	put(state, "labels.txt", "a\r\nb b\nc\n\n", 10);
	struct thaw_dataset d = open_ok(state, THAW_SPLIT_TRAIN, limited);
	assert_int_equal(d.count, 3);
	assert_int_equal(d.classes, 3);
	assert_string_equal(d.class_names[0], "a");
	assert_string_equal(d.class_names[1], "b b");
	thaw_dataset_close(&d);
	put(state, "labels.txt", "a\nb", 3);
	open_fails(state, THAW_SPLIT_TRAIN, THAW_DATA, "labels.txt");
}

/* EMNIST's names of classes: one character, or upper and lower case. Wrong and missing lines are named. */
static void idx_mapping(void **state)
{
	static const struct {
		const char *text, *words;
	} wrong[] = {
		{"0 48\n1 66\n1 67\n2 68\n", "two lines for class 1: "},
		{"0 48\n2 68\n", "no line for class 1 of 3: "},
		{"0 48\n1 x\n2 68\n", "line 2: \"1 x\""},
		{"0 48\n1 66\n2\n", "line 3: \"2\""},
		{"0 48\n1 10\n2 68\n", "line 2: \"1 10\""},
		{"0 48\n1 66.5\n2 68\n", "line 2: "},
		{"names\n", "line 1: \"names\""},
		{"", "no line for class 1 of 3"},
	};
	static const char text[] = "1 65 97\r\n2 66\n9 70\n\n";
	uint8_t images[16 + IDX_COUNT * IDX_SIDE * IDX_SIDE], labels[8 + IDX_COUNT];
	make_idx(images, labels);
	put(state, "emnist-letters-train-images-idx3-ubyte", images, sizeof(images));
	put(state, "emnist-letters-train-labels-idx1-ubyte", labels, sizeof(labels));
	put(state, "emnist-letters-test-images-idx3-ubyte", images, sizeof(images));
	put(state, "emnist-letters-test-labels-idx1-ubyte", labels, sizeof(labels));
	put(state, "mapping.txt", "0 48\n1 49\n2 50\n", 15);
	struct thaw_dataset d = open_ok(state, THAW_SPLIT_TRAIN, plain);
	assert_string_equal(d.class_names[2], "2");
	thaw_dataset_close(&d);
	put(state, "emnist-letters-mapping.txt", text, sizeof(text) - 1);
	d = open_ok(state, THAW_SPLIT_TEST, plain);
	assert_int_equal(d.classes, 3);
	assert_string_equal(d.class_names[0], "0");
	assert_string_equal(d.class_names[1], "Aa");
	assert_string_equal(d.class_names[2], "B");
	thaw_dataset_close(&d);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		put(state, "emnist-letters-mapping.txt", wrong[i].text, strlen(wrong[i].text));
		open_fails(state, THAW_SPLIT_TRAIN, THAW_DATA, wrong[i].words);
	}
	put(state, "labels.txt", "a\nb\nc\n", 6); /* goes before */
	d = open_ok(state, THAW_SPLIT_TRAIN, plain);
	assert_string_equal(d.class_names[1], "b");
	thaw_dataset_close(&d);
}

static void damaged_idx(void **state)
{
	uint8_t images[IDX_BYTES], labels[8 + IDX_COUNT];
	make_idx(images, labels);
	put(state, "train-labels-idx1-ubyte", labels, sizeof(labels));
	for (size_t size = 0; size < sizeof(images); size++) {
		put(state, "train-images-idx3-ubyte", images, size);
		open_fails(state, THAW_SPLIT_TRAIN, THAW_DATA, "train-images");
	}
	images[4] = 0x7F; /* 2 billion images */
	put(state, "train-images-idx3-ubyte", images, sizeof(images));
	open_fails(state, THAW_SPLIT_TRAIN, THAW_DATA, "claims more");
	images[4] = 0;
	images[7] = IDX_COUNT - 1;
	put(state, "train-images-idx3-ubyte", images, sizeof(images));
	open_fails(state, THAW_SPLIT_TRAIN, THAW_DATA, "more bytes than its header says");
	put(state, "train-images-idx3-ubyte", images, sizeof(images) - IDX_SIDE * IDX_SIDE);
	open_fails(state, THAW_SPLIT_TRAIN, THAW_DATA, "5 images but 6 labels");
	images[3] = 1;
	put(state, "train-images-idx3-ubyte", images, sizeof(images));
	open_fails(state, THAW_SPLIT_TRAIN, THAW_DATA, "not an IDX file");
	open_fails(state, THAW_SPLIT_TEST, THAW_IO, "t10k-images");
}

/* A file truncated within gzip's checksum is rejected: all labels are there, but they cannot be verified. */
static void truncated_gzip(void **state)
{
	enum { CHECKSUM = 8 };
	struct scratch *s = *state;
	uint8_t images[IDX_BYTES], labels[8 + IDX_COUNT];
	char path[PATH];
	make_idx(images, labels);
	put(state, "train-images-idx3-ubyte", images, sizeof(images));
	put_gz(state, "train-labels-idx1-ubyte.gz", labels, sizeof(labels));
	snprintf(path, sizeof(path), "%s/train-labels-idx1-ubyte.gz", s->path);
	for (int i = 0; i < CHECKSUM; i++) {
		struct stat st;
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(truncate(path, st.st_size - 1), 0);
		open_fails(state, THAW_SPLIT_TRAIN, THAW_DATA, "train-labels");
	}
}

static void fashion_mnist(void **state)
{
	(void)state;
	static const char path[] = "/usr/share/datasets/fashion-mnist";
	struct thaw_dataset d;
	if (!thaw_path_is_directory(path)) {
		print_message("needs the Debian package dataset-fashion-mnist\n");
		skip();
	}
	assert_int_equal(thaw_dataset_open(&d, path, THAW_SPLIT_TEST, &plain), THAW_OK);
	assert_int_equal(d.count, 10000);
	assert_int_equal(d.classes, 10);
	thaw_dataset_close(&d);
}

static void cifar(void **state)
{
	enum { RECORDS = 3, RECORD = 3073 };
	static uint8_t bytes[RECORDS * RECORD];
	char name[32];
	struct thaw_encoded_image encoded;
	for (int i = 0; i < RECORDS; i++) {
		bytes[i * RECORD] = (uint8_t)(i % 2);
		for (int c = 0; c < 3; c++)
			memset(bytes + i * RECORD + 1 + c * 1024, 10 * i + c, 1024);
	}
	for (int f = 1; f <= 5; f++) {
		snprintf(name, sizeof(name), "data_batch_%d.bin", f);
		put(state, name, bytes, sizeof(bytes));
	}
	put(state, "test_batch.bin", bytes, RECORD);
	put(state, "batches.meta.txt", "cat\ndog\n\n", 9);
	struct thaw_dataset d = open_ok(state, THAW_SPLIT_TRAIN, plain);
	assert_int_equal(d.count, 15);
	assert_string_equal(d.class_names[1], "dog");
	assert_int_equal(d.labels[4], 1);
	assert_string_equal(name_of(&d, 5), "data_batch_2.bin[2]");
	assert_int_equal(d.read(&d, 5, &encoded), THAW_OK);
	assert_memory_equal(encoded.image.pixels, ((uint8_t[]){20, 21, 22, 20, 21, 22}), 6);
	thaw_encoded_image_free(&encoded);
	thaw_dataset_close(&d);
	put(state, "test_batch.bin", bytes, RECORD - 1);
	open_fails(state, THAW_SPLIT_TEST, THAW_DATA, "multiple of the record size");
	bytes[0] = 2;
	put(state, "test_batch.bin", bytes, RECORD);
	open_fails(state, THAW_SPLIT_TEST, THAW_DATA, "label 2");
}

/* The fingerprint of a file, and of the same bytes in memory, as a read gives it. */
static void fingerprints(void **state)
{
	enum { BLOCK = THAW_FINGERPRINT_BLOCK, SIZE = 5 * BLOCK };
	static const size_t blocks[] = {0, 2 * BLOCK + 1, SIZE - 1}, between[] = {BLOCK, SIZE - BLOCK - 1};
	uint8_t bytes[SIZE];
	struct thaw_fingerprint same;
	for (int i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i * i / 7);
	put(state, "cats/1.jpg", bytes, SIZE);
	put_image(state, "dogs/1.jpg");
	put_image(state, "dogs/2.jpg");
	put_image(state, "cats/2.jpg");
	struct thaw_dataset d = open_ok(state, THAW_SPLIT_ALL, plain);
	const struct thaw_fingerprint first = thaw_dataset_fingerprint(&d, 0, true);
	same = thaw_fingerprint_of(bytes, SIZE, first.modified);
	assert_memory_equal(&same, &first, sizeof(same));
	struct thaw_fingerprint quick = thaw_dataset_fingerprint(&d, 0, false);
	assert_int_equal(quick.content, 0);
	assert_true(thaw_fingerprint_same(&first, &quick));
	for (int i = 0; i < 3; i++) {
		bytes[blocks[i]] ^= 1;
		same = thaw_fingerprint_of(bytes, SIZE, first.modified);
		assert_false(thaw_fingerprint_same(&first, &same)); /* whatever the time */
		bytes[blocks[i]] ^= 1;
	}
	for (int i = 0; i < 2; i++) {
		bytes[between[i]] ^= 1;
		same = thaw_fingerprint_of(bytes, SIZE, first.modified + 1);
		assert_false(thaw_fingerprint_same(&first, &same));
		bytes[between[i]] ^= 1;
	}
	same = thaw_fingerprint_of(bytes, SIZE, first.modified + 1);
	assert_true(thaw_fingerprint_same(&first, &same));
	same = thaw_fingerprint_of(bytes, SIZE - 1, first.modified);
	assert_false(thaw_fingerprint_same(&first, &same));
	struct thaw_encoded_image encoded;
	assert_int_equal(d.read(&d, 1, &encoded), THAW_OK);
	same = thaw_dataset_fingerprint(&d, 1, true);
	assert_memory_equal(&encoded.fingerprint, &same, sizeof(same));
	thaw_encoded_image_free(&encoded);
	struct thaw_fingerprint none = {0};
	assert_false(thaw_fingerprint_same(&none, &none)); /* unknown */
	thaw_dataset_close(&d);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(split_folders), TEST(unreadable_sample),  TEST(test_images_held_out),
		TEST(wrong_folders), TEST(class_called_train), TEST(idx),
		TEST(idx_mapping),   TEST(damaged_idx),        TEST(truncated_gzip),
		TEST(cifar),         TEST(fingerprints),       cmocka_unit_test(fashion_mnist),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
