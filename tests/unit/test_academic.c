/* Academic sets by their own files: CIFAR's Python version, Oxford Flowers-102, the Oxford-IIIT Pet dataset; valid,
 * damaged and hostile ones. */
#include "tests/scratch.h"

#include <sys/stat.h>
#include <zlib.h>

#include "thaw/dataset.h"
#include "thaw/file.h"
#include "thaw/found.h"
#include "thaw/memory.h"
#include "thaw/train.h"

enum {
	SIDE = 32,
	PLANE = SIDE * SIDE,
	PIXELS = 3 * PLANE,
	CLASSES = 2,
	BATCH = 4,            /* images of a file of training images */
	TRAINING = 5 * BATCH, /* sorted by class, as a folder has them */
	TESTING = 4,
	ROOM = 1 << 20
};

static const struct thaw_dataset_options plain = {.test_share = 0.25, .seed = 3};

/* ---- Files ---- */

struct text {
	uint8_t bytes[ROOM];
	size_t size;
};

static void add(struct text *t, const void *bytes, size_t size)
{
	assert_true(t->size + size <= ROOM);
	memcpy(t->bytes + t->size, bytes, size);
	t->size += size;
}

#define ADD(t, literal) add(t, literal, sizeof(literal) - 1)

static void add_word(struct text *t, uint32_t n)
{
	uint8_t word[] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24)};
	add(t, word, sizeof(word));
}

static void put(void **state, const char *name, const void *bytes, size_t size)
{
	const struct scratch *s = *state;
	char path[2 * SCRATCH_PATH], *slash;
	snprintf(path, sizeof(path), "%s/%s", s->path, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(thaw_make_directory(path), THAW_OK);
	*slash = '/';
	scratch_put(path, bytes, size);
}

/* ---- The same images as pickles, binary files and BMP ---- */

/* Planes of image i; test images differ from training images. */
static void make_pixels(uint8_t pixels[PIXELS], int i, bool test)
{
	for (int p = 0; p < PIXELS; p++)
		pixels[p] = (uint8_t)(p * (7 + i) + 31 * i + (test ? 101 : 0) + p / 37);
}

static int label_of(int i, int count)
{
	return i * CLASSES / count;
}

/* How a pickle writes texts, and an array of bytes. */
enum form { PYTHON2, CODECS, PROTOCOL4, BUFFER, FORTRAN, FORMS };

static void add_text(struct text *t, enum form form, const char *text)
{
	uint8_t size = (uint8_t)strlen(text);
	if (form == PYTHON2)
		ADD(t, "U");
	else if (form == PROTOCOL4)
		ADD(t, "C"); /* bytes, as keys of files that Python 3 read and wrote again */
	else
		ADD(t, "X");
	add(t, &size, 1);
	if (form != PYTHON2 && form != PROTOCOL4)
		ADD(t, "\0\0\0");
	add(t, text, size);
}

/* The pixels of images first .. first + count - 1. */
static void add_pixels(struct text *t, enum form form, int first, int count, bool test)
{
	static uint8_t pixels[TRAINING][PIXELS];
	for (int i = 0; i < count; i++)
		make_pixels(pixels[i], first + i, test);
	for (int k = 0; k < count * PIXELS; k++) {
		uint8_t byte = form == FORTRAN ? pixels[k % count][k / count] : pixels[k / PIXELS][k % PIXELS];
		uint8_t utf8[] = {(uint8_t)(0xc0 | byte >> 6), (uint8_t)(0x80 | (byte & 0x3f))};
		if (form == CODECS && byte >= 0x80)
			add(t, utf8, 2);
		else
			add(t, &byte, 1);
	}
}

static void add_array(struct text *t, enum form form, int first, int count, bool test)
{
	static struct text pixels;
	pixels.size = 0;
	add_pixels(&pixels, form, first, count, test);
	if (form == BUFFER) {
		ADD(t, "cnumpy._core.numeric\n_frombuffer\n(\x8e");
		add_word(t, (uint32_t)pixels.size);
		ADD(t, "\0\0\0\0");
		add(t, pixels.bytes, pixels.size);
		ADD(t, "cnumpy\ndtype\nX\2\0\0\0u1\x89\x88\x87R");
	} else {
		ADD(t, "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R(K\1");
	}
	uint8_t images = (uint8_t)count;
	ADD(t, "K");
	add(t, &images, 1);
	ADD(t, "M\0\x0c\x86");
	if (form == BUFFER) {
		ADD(t, "X\1\0\0\0CtR");
		return;
	}
	ADD(t, "cnumpy\ndtype\nU\2u1K\0K\1\x87R(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb");
	if (form == FORTRAN)
		ADD(t, "\x88");
	else
		ADD(t, "\x89");
	if (form == CODECS)
		ADD(t, "c_codecs\nencode\nX");
	else
		ADD(t, "T");
	add_word(t, (uint32_t)pixels.size);
	add(t, pixels.bytes, pixels.size);
	if (form == CODECS)
		ADD(t, "X\6\0\0\0latin1\x86R");
	ADD(t, "tb");
}

/* A file of images. Python 2's cPickle numbers its memo from 1. */
static void make_batch(struct text *t, enum form form, int first, int count, int all, bool test)
{
	t->size = 0;
	ADD(t, "\x80\2}q\1(");
	add_text(t, form, "labels");
	ADD(t, "q\2]q\3(");
	for (int i = first; i < first + count; i++) {
		uint8_t label[] = {'K', (uint8_t)label_of(i, all)};
		add(t, label, 2);
	}
	ADD(t, "e");
	add_text(t, form, "data");
	add_array(t, form, first, count, test);
	ADD(t, "u.");
}

static void put_names(void **state, const char *folder, enum form form)
{
	static struct text t;
	char name[64];
	t.size = 0;
	ADD(&t, "\x80\2}q\1(");
	add_text(&t, form, "label_names");
	ADD(&t, "]q\2(");
	add_text(&t, form, "cat");
	add_text(&t, form, "dog");
	ADD(&t, "eu.");
	snprintf(name, sizeof(name), "%s/batches.meta", folder);
	put(state, name, t.bytes, t.size);
}

static void put_pickles(void **state, const char *folder, enum form form)
{
	static struct text t;
	char name[64];
	for (int f = 0; f < 5; f++) {
		make_batch(&t, form, f * BATCH, BATCH, TRAINING, false);
		snprintf(name, sizeof(name), "%s/data_batch_%d", folder, f + 1);
		put(state, name, t.bytes, t.size);
	}
	make_batch(&t, form, 0, TESTING, TESTING, true);
	snprintf(name, sizeof(name), "%s/test_batch", folder);
	put(state, name, t.bytes, t.size);
	put_names(state, folder, form);
}

static void put_binaries(void **state, const char *folder)
{
	static struct text t;
	uint8_t pixels[PIXELS];
	char name[64];
	for (int f = 0; f < 6; f++) {
		bool test = f == 5;
		t.size = 0;
		for (int k = 0; k < (test ? TESTING : BATCH); k++) {
			int i = test ? k : f * BATCH + k;
			uint8_t label = (uint8_t)label_of(i, test ? TESTING : TRAINING);
			make_pixels(pixels, i, test);
			add(&t, &label, 1);
			add(&t, pixels, PIXELS);
		}
		snprintf(name, sizeof(name), test ? "%s/test_batch.bin" : "%s/data_batch_%d.bin", folder, f + 1);
		put(state, name, t.bytes, t.size);
	}
	snprintf(name, sizeof(name), "%s/batches.meta.txt", folder);
	put(state, name, "cat\ndog\n", 8);
}

/* An image as BMP: rows from the bottom, blue first. */
static void put_bmp(void **state, const char *name, int i, bool test)
{
	static struct text t;
	uint8_t pixels[PIXELS];
	t.size = 0;
	ADD(&t, "BM");
	add_word(&t, 54 + PIXELS);
	ADD(&t, "\0\0\0\0\x36\0\0\0\x28\0\0\0\x20\0\0\0\x20\0\0\0\1\0\x18\0");
	for (int k = 0; k < 6; k++)
		add_word(&t, k == 1 ? PIXELS : 0);
	make_pixels(pixels, i, test);
	for (int y = SIDE - 1; y >= 0; y--)
		for (int x = 0; x < SIDE; x++)
			for (int c = 2; c >= 0; c--)
				add(&t, &pixels[c * PLANE + y * SIDE + x], 1);
	put(state, name, t.bytes, t.size);
}

static void put_images(void **state, const char *folder)
{
	static const char *const classes[CLASSES] = {"cat", "dog"};
	char name[128];
	for (int test = 0; test < 2; test++)
		for (int i = 0, all = test ? TESTING : TRAINING; i < all; i++) {
			snprintf(name, sizeof(name), "%s/%s/%s/%03d.bmp", folder, test ? "test" : "train",
				 classes[label_of(i, all)], i);
			put_bmp(state, name, i, test);
		}
}

/* ---- Opening ---- */

static struct thaw_dataset open_ok(void **state, const char *folder, enum thaw_split split)
{
	struct thaw_dataset d = {0};
	if (thaw_dataset_open(&d, scratch_file(*state, folder), split, &plain) != THAW_OK)
		fail_msg("%s: %s", folder, thaw_error_message());
	return d;
}

static void open_fails(void **state, const char *folder, enum thaw_split split, const char *words)
{
	struct thaw_dataset d = {0};
	thaw_status status = thaw_dataset_open(&d, scratch_file(*state, folder), split, &plain);
	if (status == THAW_OK || !strstr(thaw_error_message(), words))
		fail_msg("%s: wanted \"%s\", not status %d: %s", folder, words, status, thaw_error_message());
}

static void expect_pixels(const struct thaw_dataset *d, int64_t sample, int i, bool test)
{
	uint8_t pixels[PIXELS];
	struct thaw_encoded_image encoded = {0};
	make_pixels(pixels, i, test);
	assert_int_equal(d->read(d, sample, &encoded), THAW_OK);
	for (int p = 0; p < PLANE; p++)
		for (int c = 0; c < 3; c++)
			assert_int_equal(encoded.image.pixels[3 * p + c], pixels[c * PLANE + p]);
	thaw_encoded_image_free(&encoded);
}

static void cifar_pickles(void **state)
{
	for (enum form form = 0; form < FORMS; form++) {
		char folder[32];
		snprintf(folder, sizeof(folder), "form%d/cifar-10-batches-py", form);
		put_pickles(state, folder, form);
		struct thaw_dataset d = open_ok(state, folder, THAW_SPLIT_TRAIN);
		assert_int_equal(d.count, TRAINING);
		assert_int_equal(d.classes, CLASSES);
		assert_string_equal(d.class_names[1], "dog");
		for (int i = 0; i < TRAINING; i++) {
			assert_int_equal(d.labels[i], label_of(i, TRAINING));
			expect_pixels(&d, i, i, false);
		}
		thaw_dataset_close(&d);
		d = open_ok(state, folder, THAW_SPLIT_VAL); /* there are test images only */
		assert_int_equal(d.count, TESTING);
		expect_pixels(&d, 2, 2, true);
		thaw_dataset_close(&d);
	}
}

/* Trains on the folder; the bytes of the network, from thaw_alloc. */
static void *train(void **state, const char *folder, const char *out, size_t *size)
{
	struct thaw_comm comm = thaw_comm_alone();
	struct thaw_train_options o;
	json_t *result = NULL;
	void *bytes = NULL;
	thaw_train_defaults(&o);
	o.model = "cifar_resnet8";
	o.unfreeze = "all";
	o.data = scratch_file(*state, folder);
	o.out = scratch_file(*state, out);
	o.epochs = 2;
	o.lanes = 2;
	o.batch = 10;
	o.jitter = 0.2;
	if (thaw_train(&comm, &o, NULL, &result) != THAW_OK)
		fail_msg("%s: %s", folder, thaw_error_message());
	json_decref(result);
	char path[2 * SCRATCH_PATH + 32];
	snprintf(path, sizeof(path), "%s/model.safetensors", o.out);
	assert_int_equal(thaw_file_read(&bytes, size, path, SIZE_MAX), THAW_OK);
	return bytes;
}

/* The same images in the same order, in three layouts, train to the same bits. */
static void equal_weights_from_images_binaries_and_pickles(void **state)
{
	size_t sizes[3];
	put_images(state, "images");
	put_binaries(state, "binaries");
	put_pickles(state, "pickles", PYTHON2);
	void *images = train(state, "images", "out1", &sizes[0]);
	void *binaries = train(state, "binaries", "out2", &sizes[1]);
	void *pickles = train(state, "pickles", "out3", &sizes[2]);
	assert_true(sizes[0] == sizes[1] && sizes[0] == sizes[2]);
	assert_memory_equal(images, binaries, sizes[0]);
	assert_memory_equal(images, pickles, sizes[0]);
	thaw_free(images);
	thaw_free(binaries);
	thaw_free(pickles);
}

static void cifar100_pickles(void **state)
{
	static struct text t;
	for (int test = 0; test < 2; test++) {
		t.size = 0;
		ADD(&t, "\x80\2}(U\x0b"
			"fine_labels](K\0K\1K\0K\1eU\x0d"
			"coarse_labels](K\0K\0K\0K\0eU\4data");
		add_array(&t, PYTHON2, 0, 4, false);
		ADD(&t, "u.");
		put(state, test ? "test" : "train", t.bytes, t.size);
	}
	static const char names[] = "\x80\2}(U\x10"
				    "fine_label_names](U\5appleU\4bearee";
	put(state, "meta", names, sizeof(names) - 2);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "truncated pickle");
	static const char whole[] = "\x80\2}(U\x10"
				    "fine_label_names](U\5appleU\4beareu.";
	put(state, "meta", whole, sizeof(whole) - 1);
	struct thaw_dataset d = open_ok(state, ".", THAW_SPLIT_TRAIN);
	assert_int_equal(d.count, 4);
	assert_int_equal(d.labels[3], 1);
	assert_string_equal(d.class_names[0], "apple");
	thaw_dataset_close(&d);
}

/* Replaces the first occurrence of a text in a batch by another of the same length. */
static void replace(struct text *t, const char *from, const char *to)
{
	uint8_t *at = memmem(t->bytes, t->size, from, strlen(from));
	assert_non_null(at);
	memcpy(at, to, strlen(to));
}

static void damaged_pickles(void **state)
{
	static struct text t;
	put_pickles(state, ".", PYTHON2);
	make_batch(&t, PYTHON2, 0, BATCH, BATCH, false);
	put(state, "data_batch_1", t.bytes, t.size - 100);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "truncated pickle: ");
	replace(&t, "data", "atad");
	put(state, "data_batch_1", t.bytes, t.size);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "\"data\" is not an array of bytes of shape (images, 3072): ");
	make_batch(&t, PYTHON2, 0, BATCH, BATCH, false);
	replace(&t, "u1", "f4");
	put(state, "data_batch_1", t.bytes, t.size);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "\"data\" is not an array of bytes");
	make_batch(&t, PYTHON2, 0, BATCH, BATCH, false);
	replace(&t, "K\4M", "K\5M");
	put(state, "data_batch_1", t.bytes, t.size);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "\"data\" is not an array of bytes");
	make_batch(&t, PYTHON2, 0, BATCH, BATCH, false);
	replace(&t, "labels", "lapels");
	put(state, "data_batch_1", t.bytes, t.size);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "no list of 4 labels called \"labels\": ");
	make_batch(&t, PYTHON2, 0, BATCH, BATCH, false);
	replace(&t, "K\1K\1e", "K\1K\2e");
	put(state, "data_batch_1", t.bytes, t.size);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "label 3 is not a number below 2, the number of classes: ");
	static const char hostile[] = "\x80\2cos\nsystem\nU\4trueR.";
	put(state, "data_batch_1", hostile, sizeof(hostile) - 1);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "it calls os.system, which is not part of a CIFAR batch");
	put(state, "data_batch_1", "\x80\2].", 4);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "not a dict: ");
	put(state, "data_batch_1", "\x80\2K\1Q.", 6);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "a reference to something outside of the file");
	put(state, "batches.meta", "\x80\2}.", 4);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "no list of class names called \"label_names\": ");
	remove(scratch_file(*state, "batches.meta"));
	open_fails(state, ".", THAW_SPLIT_TRAIN, "batches.meta");
}

/* ---- Oxford Flowers-102 ---- */

static void add_element(struct text *t, uint32_t type, const void *data, size_t size)
{
	add_word(t, type);
	add_word(t, (uint32_t)size);
	add(t, data, size);
	while (t->size % 8 != 0)
		ADD(t, "\0");
}

/* A row of numbers from 0 to 255: as bytes in a small element if they fit, else as doubles. */
static void add_matrix(struct text *t, const char *name, const uint8_t *values, int count, bool compressed)
{
	static struct text m;
	static uint8_t packed[ROOM];
	uint8_t flags[8] = {count <= 4 ? 9 : 6};
	const uint8_t dims[8] = {1, 0, 0, 0, (uint8_t)count};
	double numbers[256];
	uLongf size = ROOM;
	for (int i = 0; i < count; i++)
		numbers[i] = values[i];
	m.size = 0;
	add_word(&m, 14);
	add_word(&m, 0);
	add_element(&m, 6, flags, 8);
	add_element(&m, 5, dims, 8);
	add_element(&m, 1, name, strlen(name));
	if (count <= 4) {
		uint8_t small[8] = {2, 0, (uint8_t)count, 0};
		memcpy(small + 4, values, (size_t)count);
		add(&m, small, 8);
	} else {
		add_element(&m, 9, numbers, (size_t)count * sizeof(double));
	}
	uint32_t inner = (uint32_t)m.size - 8;
	memcpy(m.bytes + 4, &inner, 4);
	if (!compressed) {
		add(t, m.bytes, m.size);
		return;
	}
	assert_int_equal(compress(packed, &size, m.bytes, m.size), Z_OK);
	add_word(t, 15);
	add_word(t, (uint32_t)size);
	add(t, packed, size);
}

static void begin_mat(struct text *t)
{
	char header[128];
	memset(header, ' ', sizeof(header));
	memcpy(header, "MATLAB 5.0 MAT-file", 19);
	memcpy(header + 124, "\0\1IM", 4);
	t->size = 0;
	add(t, header, sizeof(header));
}

static const uint8_t flower_labels[] = {1, 2, 3, 1, 2, 3, 3, 2};

static void put_labels(void **state, bool compressed)
{
	static struct text t;
	begin_mat(&t);
	add_matrix(&t, "other", flower_labels, 2, compressed);
	add_matrix(&t, "labels", flower_labels, sizeof(flower_labels), compressed);
	put(state, "imagelabels.mat", t.bytes, t.size);
}

/* first: number of the first training image. */
static void put_splits(void **state, uint8_t first, bool compressed)
{
	static struct text t;
	begin_mat(&t);
	add_matrix(&t, "trnid", (const uint8_t[]){first, 2, 3, 4}, 4, compressed);
	add_matrix(&t, "valid", (const uint8_t[]){5}, 1, compressed);
	add_matrix(&t, "tstid", (const uint8_t[]){8, 7, 6}, 3, compressed);
	put(state, "setid.mat", t.bytes, t.size);
}

static const char *name_of(const struct thaw_dataset *d, int64_t i)
{
	static char name[128];
	d->name(d, i, name, sizeof(name));
	return name;
}

static void flowers(void **state)
{
	for (int compressed = 0; compressed < 2; compressed++) {
		put_labels(state, compressed);
		put_splits(state, 1, compressed);
		struct thaw_dataset d = open_ok(state, ".", THAW_SPLIT_TRAIN);
		assert_int_equal(d.count, 4);
		assert_int_equal(d.classes, 3);
		assert_string_equal(d.class_names[2], "3");
		assert_int_equal(d.labels[2], 2);
		thaw_dataset_close(&d);
		d = open_ok(state, ".", THAW_SPLIT_VAL);
		assert_int_equal(d.found->split, THAW_SPLIT_VAL);
		assert_int_equal(d.count, 1);
		assert_int_equal(d.labels[0], 1);
		thaw_dataset_close(&d);
		d = open_ok(state, ".", THAW_SPLIT_TEST);
		assert_int_equal(d.count, 3);
		assert_string_equal(name_of(&d, 1), "jpg/image_00007.jpg");
		assert_int_equal(d.labels[1], 2);
		thaw_dataset_close(&d);
	}
	put_bmp(state, "jpg/image_00001.jpg", 5, false); /* known by its content */
	static const char names[] = "{\"1\": \"pink primrose\", \"2\": \"rose\", \"3\": \"lily\"}";
	put(state, "cat_to_name.json", names, sizeof(names) - 1);
	struct thaw_dataset d = open_ok(state, ".", THAW_SPLIT_TRAIN);
	struct thaw_encoded_image encoded = {0};
	assert_string_equal(d.class_names[0], "pink primrose");
	assert_int_equal(d.read(&d, 0, &encoded), THAW_OK);
	assert_int_equal(encoded.width, SIDE);
	thaw_encoded_image_free(&encoded);
	assert_int_equal(d.read(&d, 1, &encoded), THAW_IO);
	thaw_dataset_close(&d);
	put(state, "cat_to_name.json", "{\"1\": \"x\", \"3\": \"y\"}", 20);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "no name of class 2: ");
}

static void damaged_flowers(void **state)
{
	static struct text t;
	static const char *const bad[] = {"not a MAT-file of version 5: ", "a MAT-file of version 7.3 (HDF5): "};
	put_splits(state, 9, true);
	put_labels(state, true);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "image 9 of 8: ");
	put_splits(state, 1, true);
	put(state, "imagelabels.mat", "text", 4);
	open_fails(state, ".", THAW_SPLIT_TRAIN, bad[0]);
	put(state, "imagelabels.mat", "\x89HDF\r\n\x1a\n and more", 17);
	open_fails(state, ".", THAW_SPLIT_TRAIN, bad[1]);
	begin_mat(&t);
	add_matrix(&t, "lapels", flower_labels, sizeof(flower_labels), true);
	put(state, "imagelabels.mat", t.bytes, t.size);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "no matrix called \"labels\": ");
	for (int compressed = 0; compressed < 2; compressed++)
		for (size_t size = 129;; size += 5) {
			begin_mat(&t);
			add_matrix(&t, "labels", flower_labels, sizeof(flower_labels), compressed);
			if (size >= t.size - 7) /* the rest is padding, or zlib's checksum */
				break;
			put(state, "imagelabels.mat", t.bytes, size);
			open_fails(state, ".", THAW_SPLIT_TRAIN, "damaged MAT-file: ");
		}
	begin_mat(&t);
	add_matrix(&t, "labels", (const uint8_t[]){1, 0, 2, 1, 1, 1, 1, 1}, 8, false);
	put(state, "imagelabels.mat", t.bytes, t.size);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "class 0 of image 2: ");
	begin_mat(&t);
	add_matrix(&t, "labels", flower_labels, 8, false);
	t.bytes[t.size - 7] = 1; /* a double that is not whole */
	put(state, "imagelabels.mat", t.bytes, t.size);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "a number that is not whole: ");
	remove(scratch_file(*state, "setid.mat"));
	open_fails(state, ".", THAW_SPLIT_TRAIN, "it has a part of Oxford Flowers-102");
}

/* ---- Oxford-IIIT Pet ---- */

static void put_lists(void **state, const char *trainval, const char *test)
{
	put(state, "annotations/trainval.txt", trainval, strlen(trainval));
	put(state, "annotations/test.txt", test, strlen(test));
}

static void pets(void **state)
{
	put_bmp(state, "images/great_dane_1.jpg", 1, false);
	put(state, "annotations/xmls/Bengal_1.xml", "<x/>", 4);
	put_lists(state, "#Image CLASS-ID SPECIES BREED ID\nBengal_1 1 1 1\nBengal_22 1 1 1\ngreat_dane_1 2 2 1\n\n",
		  "great_dane_7 2 2 1\r\nBengal_3 1 1 1");
	struct thaw_dataset d = open_ok(state, ".", THAW_SPLIT_TRAIN);
	struct thaw_encoded_image encoded = {0};
	assert_int_equal(d.count, 3);
	assert_int_equal(d.classes, 2);
	assert_string_equal(d.class_names[1], "great_dane");
	assert_string_equal(name_of(&d, 1), "images/Bengal_22.jpg");
	assert_int_equal(d.labels[2], 1);
	assert_int_equal(d.read(&d, 2, &encoded), THAW_OK);
	thaw_encoded_image_free(&encoded);
	thaw_dataset_close(&d);
	d = open_ok(state, ".", THAW_SPLIT_TEST);
	assert_int_equal(d.count, 2);
	assert_int_equal(d.labels[0], 1);
	assert_string_equal(d.found->from, "annotations/test.txt");
	thaw_dataset_close(&d);
}

static void damaged_pets(void **state)
{
	static const struct {
		const char *trainval, *words;
	} cases[] = {
		{"Bengal_1 1 1 1\nBengal_2 one 1 1\n", "line 2 is not NAME CLASS SPECIES BREED: "},
		{"Bengal_1 1 1\n", "line 1 is not NAME CLASS SPECIES BREED: "},
		{"Bengal_1 1 1 1 more\n", "line 1 is not"},
		{"../secret_1 1 1 1\n", "line 1 is not"},
		{"Bengal_1 0 1 1\n", "line 1 is not"},
		{"Bengal_1 99999 1 1\n", "line 1 is not"},
		{"Bengal_1 1 1 1\nSphynx_1 1 1 1\n", "class 1 is \"Bengal\", but Sphynx_1 has it, too: "},
		{"Bengal_1 1 1 1\nSphynx_1 3 1 1\n", "no image of class 2: "},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put_lists(state, cases[i].trainval, "");
		open_fails(state, ".", THAW_SPLIT_TRAIN, cases[i].words);
	}
	put_lists(state, "", "");
	put(state, "annotations/test.txt", "a\0b", 3);
	open_fails(state, ".", THAW_SPLIT_TRAIN, "not a text: ");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cifar_pickles),
		TEST(equal_weights_from_images_binaries_and_pickles),
		TEST(cifar100_pickles),
		TEST(damaged_pickles),
		TEST(flowers),
		TEST(damaged_flowers),
		TEST(pets),
		TEST(damaged_pets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
