/* Damaged files of a run: whatever bit is flipped and wherever a file is truncated, the next start of the run ends with
 * the weights of the unharmed run. Checkpoints, cached features, the result and the trained network of a tiny run.
 *
 * A sample of the bits and lengths; with THAW_TEST_ALL=1 in the environment (make soak) all of them, except those of
 * the network, which is larger. test_checkpoint and test_cache try every bit on the level of these files. */
#include "tests/scratch.h"

#include <sys/stat.h>

#include "thaw/comm.h"
#include "thaw/file.h"
#include "thaw/run_result.h"
#include "thaw/train.h"

#define IMAGES    16 /* training images, half of them of each class */
#define SIDE      8
#define FILES_MAX 16
#define SAMPLE    12    /* bits, and lengths, of each file that are tried without THAW_TEST_ALL */
#define MOST      50000 /* with it: all of a small file */

/* A folder's files in memory. */
struct folder {
	char path[2 * SCRATCH_PATH];
	int count;
	struct {
		char name[256];
		char *bytes;
		size_t size;
	} file[FILES_MAX];
};

/* The tiny run: its folders as they are after it is done, after two thirds of it, and the cached features. */
static struct {
	struct thaw_train_options options;
	char data[2 * SCRATCH_PATH], out[2 * SCRATCH_PATH], features[2 * SCRATCH_PATH];
	struct folder done, begun, cache;
	char *model;
	size_t model_size;
} tiny;

/* A BMP of one grey. */
static void put_image(const char *folder, int i, int grey)
{
	static const unsigned char header[54] = {
		'B', 'M', 246, [10] = 54, [14] = 40, [18] = SIDE, [22] = SIDE, [26] = 1, [28] = 24, [34] = 192};
	unsigned char bytes[54 + SIDE * SIDE * 3];
	char path[4 * SCRATCH_PATH];
	memcpy(bytes, header, sizeof(header));
	memset(bytes + sizeof(header), grey, sizeof(bytes) - sizeof(header));
	assert_int_equal(thaw_make_directory(folder), THAW_OK);
	snprintf(path, sizeof(path), "%s/%d.bmp", folder, i);
	scratch_put(path, bytes, sizeof(bytes));
}

static void put_images(const char *split, int count)
{
	char folder[3 * SCRATCH_PATH];
	for (int i = 0; i < count; i++) {
		snprintf(folder, sizeof(folder), "%s/%s/%s", tiny.data, split, i % 2 ? "light" : "dark");
		put_image(folder, i, (i % 2 ? 150 : 10) + 5 * i);
	}
}

static void load(struct folder *f, const char *path)
{
	DIR *d = opendir(path);
	assert_non_null(d);
	snprintf(f->path, sizeof(f->path), "%s", path);
	for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
		char name[3 * SCRATCH_PATH];
		if (entry->d_name[0] == '.')
			continue;
		assert_true(f->count < FILES_MAX);
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		snprintf(f->file[f->count].name, sizeof(f->file[0].name), "%s", entry->d_name);
		f->file[f->count].bytes = scratch_get(name, &f->file[f->count].size);
		f->count++;
	}
	closedir(d);
}

static void clear(const char *path)
{
	if (access(path, F_OK) == 0)
		assert_int_equal(nftw(path, scratch_remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Writes the folder again as it was. */
static void restore(const struct folder *f)
{
	clear(f->path);
	assert_int_equal(thaw_make_directory(f->path), THAW_OK);
	for (int i = 0; i < f->count; i++) {
		char name[3 * SCRATCH_PATH];
		snprintf(name, sizeof(name), "%s/%s", f->path, f->file[i].name);
		scratch_put(name, f->file[i].bytes, f->file[i].size);
	}
}

static int find(const struct folder *f, const char *part)
{
	for (int i = 0; i < f->count; i++)
		if (strstr(f->file[i].name, part))
			return i;
	fail_msg("no file %s in %s", part, f->path);
	return -1;
}

static thaw_status train(void)
{
	struct thaw_comm alone = thaw_comm_alone();
	json_t *result = NULL;
	thaw_status status = thaw_train(&alone, &tiny.options, NULL, &result);
	json_decref(result);
	return status;
}

/* Trains. A run that may be refused is refused as damaged, or as one with other settings. */
static void expect_same_weights(const char *what, size_t where, bool may_refuse)
{
	size_t size;
	thaw_status status = train();
	if (may_refuse && (status == THAW_DATA || status == THAW_CONFIG))
		return;
	if (status != THAW_OK)
		fail_msg("%s %zu: %s", what, where, thaw_error_message());
	char path[3 * SCRATCH_PATH];
	snprintf(path, sizeof(path), "%s/model.safetensors", tiny.out);
	char *model = scratch_get(path, &size);
	if (size != tiny.model_size || memcmp(model, tiny.model, size) != 0)
		fail_msg("other weights after %s %zu", what, where);
	free(model);
}

static int prepare(void **state)
{
	if (scratch_make(state) != 0)
		return -1;
	const struct scratch *s = *state;
	snprintf(tiny.data, sizeof(tiny.data), "%s/data", s->path);
	snprintf(tiny.out, sizeof(tiny.out), "%s/run", s->path);
	snprintf(tiny.features, sizeof(tiny.features), "%s/cache", s->path);
	put_images("train", IMAGES);
	put_images("test", 4);
	struct thaw_train_options *o = &tiny.options;
	thaw_train_defaults(o);
	o->model = "cifar_resnet8";
	o->data = tiny.data;
	o->out = tiny.out;
	o->unfreeze = "head";
	o->bn = THAW_BN_LANE;
	o->lanes = 2;
	o->batch = IMAGES / 2;
	o->size = "8";
	o->epochs = 2;
	o->views = 1;
	o->checkpoint_steps = 1;
	o->keep = 2;
	o->decode_threads = 1;
	o->cache_dir = tiny.features;
	assert_int_equal(train(), THAW_OK);
	load(&tiny.done, tiny.out);
	load(&tiny.cache, tiny.features);
	int model = find(&tiny.done, "model.safetensors");
	tiny.model = tiny.done.file[model].bytes;
	tiny.model_size = tiny.done.file[model].size;
	tiny.begun.count = 0;
	snprintf(tiny.begun.path, sizeof(tiny.begun.path), "%s", tiny.out);
	for (int i = 0; i < tiny.done.count; i++)
		if (i != model && i != find(&tiny.done, "result.json"))
			tiny.begun.file[tiny.begun.count++] = tiny.done.file[i];
	return 0;
}

/* Trains after each damage to the file. restored: the folder that has it; other: one more that is written again. */
static void try_damage(struct folder *restored, const char *part, const struct folder *other, bool may_refuse)
{
	int i = find(restored, part);
	char *bytes = restored->file[i].bytes;
	size_t size = restored->file[i].size, most = getenv("THAW_TEST_ALL") ? MOST : SAMPLE;
	size_t bits = size * 8 / most + 1, lengths = size / most + 1;
	for (size_t bit = 0; bit < size * 8; bit += bits) {
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		restore(restored);
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		restore(other);
		expect_same_weights("bit", bit, may_refuse);
	}
	for (size_t length = 0; length < size; length += lengths) {
		restored->file[i].size = length;
		restore(restored);
		restored->file[i].size = size;
		restore(other);
		expect_same_weights("length", length, may_refuse);
	}
}

static void a_damaged_checkpoint_does_not_change_weights(void **state)
{
	(void)state;
	try_damage(&tiny.begun, "step-3.safetensors.zst", &tiny.cache, false);
}

static void damaged_features_do_not_change_weights(void **state)
{
	(void)state;
	struct folder nothing = {.count = 0};
	snprintf(nothing.path, sizeof(nothing.path), "%s", tiny.out);
	try_damage(&tiny.cache, "train-train-00000", &nothing, false);
}

static void a_damaged_result_does_not_change_weights(void **state)
{
	(void)state;
	try_damage(&tiny.done, "result.json", &tiny.cache, false);
}

/* Whether the result is refused, or read as it was written. */
static bool harmless(const json_t *written)
{
	json_t *result;
	thaw_status status = thaw_run_result_read(&result, tiny.out);
	bool good = status == THAW_DATA || (status == THAW_OK && json_equal(result, written));
	json_decref(result);
	return good;
}

static void every_bit_and_length_of_a_result_is_harmless(void **state)
{
	(void)state;
	char path[3 * SCRATCH_PATH];
	int i = find(&tiny.done, "result.json");
	char *bytes = tiny.done.file[i].bytes;
	size_t size = tiny.done.file[i].size;
	json_t *written = NULL;
	restore(&tiny.done);
	snprintf(path, sizeof(path), "%s/result.json", tiny.out);
	assert_int_equal(thaw_run_result_read(&written, tiny.out), THAW_OK);
	assert_non_null(json_object_get(written, "checksum"));
	for (size_t bit = 0; bit < size * 8; bit++) {
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		scratch_put(path, bytes, size);
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		if (!harmless(written))
			fail_msg("bit %zu of the result can be flipped", bit);
	}
	for (size_t length = 0; length < size; length++) {
		scratch_put(path, bytes, length);
		if (!harmless(written))
			fail_msg("the result can be cut to %zu bytes", length);
	}
	json_decref(written);
}

static void a_damaged_network_is_made_anew(void **state)
{
	(void)state;
	try_damage(&tiny.done, "model.safetensors", &tiny.cache, false);
}

/* The configuration, and the records of the origin and of the best checkpoint. */
static void damaged_records_do_not_change_weights(void **state)
{
	(void)state;
	try_damage(&tiny.begun, "config.json", &tiny.cache, true);
	try_damage(&tiny.begun, "origin.json", &tiny.cache, true);
	try_damage(&tiny.begun, "best.json", &tiny.cache, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_damaged_checkpoint_does_not_change_weights),
		cmocka_unit_test(damaged_features_do_not_change_weights),
		cmocka_unit_test(a_damaged_result_does_not_change_weights),
		cmocka_unit_test(every_bit_and_length_of_a_result_is_harmless),
		cmocka_unit_test(a_damaged_network_is_made_anew),
		cmocka_unit_test(damaged_records_do_not_change_weights),
	};
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0); /* many small files: without waiting for a disk */
	return cmocka_run_group_tests(tests, prepare, scratch_remove);
}
