/* Folds and groups: disjoint, complete, balanced, and the same in every start. */
#include "tests/scratch.h"

#include <math.h>
#include <sys/stat.h>

#include "src/data/stratify.h"
#include "thaw/dataset.h"
#include "thaw/file.h"
#include "thaw/found.h"
#include "thaw/memory.h"
#include "thaw/random.h"

enum { MOST = 20000 };

/* A dataset in memory for thaw_stratify. */
struct sample_set {
	struct thaw_dataset d;
	int32_t labels[MOST];
	uint64_t groups[MOST];
	float targets[MOST * 4];
	int32_t part[MOST];
};

static struct sample_set *make_set(int64_t count, int classes, enum thaw_task task)
{
	struct sample_set *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	s->d = (struct thaw_dataset){.count = count, .classes = classes, .task = task, .labels = s->labels};
	if (task == THAW_TASK_LABELS || task == THAW_TASK_VALUE)
		s->d.targets = s->targets;
	return s;
}

static void divide(struct sample_set *s, const double *share, int parts, uint64_t seed)
{
	assert_int_equal(thaw_stratify(s->part, &s->d, share, parts, seed), THAW_OK);
	for (int64_t i = 0; i < s->d.count; i++)
		assert_in_range(s->part[i], 0, parts - 1);
}

static void divide_equally(struct sample_set *s, int parts, uint64_t seed)
{
	double share[16];
	for (int p = 0; p < parts; p++)
		share[p] = 1.0 / parts;
	divide(s, share, parts, seed);
}

static int64_t count(const struct sample_set *s, int part, int class)
{
	int64_t n = 0;
	for (int64_t i = 0; i < s->d.count; i++)
		n += s->part[i] == part && (class < 0 || s->labels[i] == class);
	return n;
}

/* Each class is divided to within one sample, and so are all samples. */
static void classes_are_divided_evenly(void **state)
{
	static const int sizes[] = {103, 20, 7, 1};
	(void)state;
	struct sample_set *s = make_set(131, 4, THAW_TASK_CLASS);
	for (int64_t i = 0, c = 0, n = 0; i < s->d.count; i++, n++) {
		if (n == sizes[c]) {
			n = 0;
			c++;
		}
		s->labels[i] = (int32_t)c;
	}
	for (int parts = 2; parts <= 10; parts++) {
		divide_equally(s, parts, 1);
		for (int c = -1; c < 4; c++)
			for (int p = 0; p < parts; p++) {
				int64_t size = c < 0 ? s->d.count : sizes[c], n = count(s, p, c);
				if (n < size / parts || n > (size + parts - 1) / parts)
					fail_msg("%lld of class %d in part %d of %d", (long long)n, c, p, parts);
			}
	}
	free(s);
}

static void the_seed_decides(void **state)
{
	(void)state;
	struct sample_set *s = make_set(1000, 2, THAW_TASK_CLASS);
	int32_t first[1000];
	for (int i = 0; i < 1000; i++)
		s->labels[i] = i % 2;
	divide_equally(s, 5, 7);
	memcpy(first, s->part, sizeof(first));
	divide_equally(s, 5, 7);
	assert_memory_equal(first, s->part, sizeof(first));
	divide_equally(s, 5, 8);
	int same = 0;
	for (int i = 0; i < 1000; i++)
		same += first[i] == s->part[i];
	assert_in_range(same, 100, 300); /* a fifth by chance */
	free(s);
}

/* Random groups of 1 to 30 samples, mostly of one class each. */
static void fill_groups(struct sample_set *s, uint64_t seed)
{
	struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_SPLIT, 99, 0);
	uint64_t group = 0;
	for (int64_t i = 0; i < s->d.count;) {
		int64_t size = 1 + thaw_random_below(&random, 30);
		uint32_t own = thaw_random_below(&random, (uint32_t)s->d.classes);
		group += 0x9e3779b97f4a7c15U;
		for (; size > 0 && i < s->d.count; size--, i++) {
			bool other = thaw_random_below(&random, 4) == 0;
			s->groups[i] = group;
			s->labels[i] = (int32_t)(other ? thaw_random_below(&random, (uint32_t)s->d.classes) : own);
		}
	}
	s->d.groups = s->groups;
}

static void groups_stay_together(void **state)
{
	enum { PARTS = 5, CLASSES = 7 };
	(void)state;
	struct sample_set *s = make_set(5000, CLASSES, THAW_TASK_CLASS);
	for (uint64_t seed = 1; seed <= 3; seed++) {
		fill_groups(s, seed);
		divide_equally(s, PARTS, seed);
		for (int64_t i = 1; i < s->d.count; i++)
			if (s->groups[i] == s->groups[i - 1])
				assert_int_equal(s->part[i], s->part[i - 1]);
		for (int c = -1; c < CLASSES; c++) {
			double all = 0;
			for (int p = 0; p < PARTS; p++)
				all += (double)count(s, p, c);
			for (int p = 0; p < PARTS; p++)
				if (fabs((double)count(s, p, c) / all - 1.0 / PARTS) > 0.02)
					fail_msg("seed %d: part %d has %lld of %g of class %d", (int)seed, p,
						 (long long)count(s, p, c), all, c);
		}
	}
	free(s);
}

static void a_share_of_the_groups(void **state)
{
	(void)state;
	struct sample_set *s = make_set(5000, 7, THAW_TASK_CLASS);
	fill_groups(s, 4);
	divide(s, (const double[]){0.8, 0.2}, 2, 1);
	for (int c = -1; c < 7; c++) {
		double held = (double)count(s, 1, c), all = held + (double)count(s, 0, c);
		if (fabs(held / all - 0.2) > 0.02)
			fail_msg("%g of class %d", held / all, c);
	}
	free(s);
}

/* Group 0 is no group; one large group cannot be divided. */
static void samples_without_a_group(void **state)
{
	(void)state;
	struct sample_set *s = make_set(100, 1, THAW_TASK_CLASS);
	s->d.groups = s->groups;
	for (int i = 0; i < 40; i++)
		s->groups[i] = 5;
	divide_equally(s, 3, 1);
	for (int i = 1; i < 40; i++)
		assert_int_equal(s->part[i], s->part[0]);
	for (int p = 0; p < 3; p++)
		assert_int_equal(count(s, p, -1), p == s->part[0] ? 40 : 30);
	free(s);
}

/* Several labels of an image: each of them is divided. */
static void labels_are_divided(void **state)
{
	enum { COUNT = 3000, PARTS = 5 };
	static const double often[] = {0.5, 0.2, 0.05, 0.01};
	(void)state;
	struct sample_set *s = make_set(COUNT, 4, THAW_TASK_LABELS);
	struct thaw_random random = thaw_random_stream(1, THAW_STREAM_SPLIT, 99, 0);
	double all[4] = {0}, part[PARTS][4] = {{0}};
	for (int i = 0; i < COUNT; i++)
		for (int c = 0; c < 4; c++)
			all[c] += s->targets[4 * i + c] = thaw_random_unit(&random) < often[c];
	divide_equally(s, PARTS, 1);
	for (int i = 0; i < COUNT; i++)
		for (int c = 0; c < 4; c++)
			part[s->part[i]][c] += s->targets[4 * i + c];
	for (int c = 0; c < 4; c++)
		for (int p = 0; p < PARTS; p++)
			if (fabs(part[p][c] - all[c] / PARTS) > 1.5)
				fail_msg("label %d: %g of %g in part %d", c, part[p][c], all[c], p);
	free(s);
}

/* The parts have the same distribution of a number: their means differ little. */
static void values_are_divided(void **state)
{
	enum { COUNT = 1000, PARTS = 5 };
	(void)state;
	struct sample_set *s = make_set(COUNT, 1, THAW_TASK_VALUE);
	double sum[PARTS] = {0};
	for (int i = 0; i < COUNT; i++)
		s->targets[i] = i == 3 ? NAN : (float)((i * 37) % COUNT);
	divide_equally(s, PARTS, 1);
	for (int i = 0; i < COUNT; i++)
		sum[s->part[i]] += i == 3 ? 0 : s->targets[i];
	for (int p = 0; p < PARTS; p++) {
		assert_in_range(count(s, p, -1), 199, 201);
		assert_in_range((int)(sum[p] / 200), 490, 509); /* by chance 500, plus or minus 20 */
	}
	free(s);
}

/* ---- Folds of datasets ---------------------------------------------------------------------------------------- */

static void put_images(struct scratch *s, const char *folder, const char *prefix, int number)
{
	char path[64];
	assert_int_equal(thaw_make_directory(scratch_file(s, folder)), THAW_OK);
	for (int i = 0; i < number; i++) {
		snprintf(path, sizeof(path), "%s/%s%d.jpg", folder, prefix, i);
		scratch_put(scratch_file(s, path), "x", 1);
	}
}

/* Marks the names of the samples in `seen`, a text of names. */
static void add_names(const struct thaw_dataset *d, char *seen, size_t size)
{
	char name[256];
	for (int64_t i = 0; i < d->count; i++) {
		d->name(d, i, name, sizeof(name));
		strncat(seen, name, size - strlen(seen) - 1);
		strncat(seen, "\n", size - strlen(seen) - 1);
	}
}

static struct thaw_dataset open_ok(const char *path, enum thaw_split split, const struct thaw_dataset_options *options)
{
	struct thaw_dataset d = {0};
	if (thaw_dataset_open(&d, path, split, options) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return d;
}

/* Every image is in the held-out part of one fold, and in the training images of the others. */
static void check_folds(const char *path, int folds, int64_t images, const char *from)
{
	static char seen[1 << 16];
	struct thaw_dataset_options o = {.test_share = 0.2, .seed = 3, .parts = {.folds = folds}};
	int64_t held = 0;
	seen[0] = '\0';
	for (o.parts.fold = 1; o.parts.fold <= folds; o.parts.fold++) {
		struct thaw_dataset train = open_ok(path, THAW_SPLIT_TRAIN, &o),
				    val = open_ok(path, THAW_SPLIT_VAL, &o);
		assert_int_equal(train.count + val.count, images);
		assert_int_equal(val.found->split, THAW_SPLIT_VAL);
		assert_true(val.found->held_out);
		if (!strstr(val.found->from, from))
			fail_msg("from %s", val.found->from);
		static char own[1 << 16];
		own[0] = '\0';
		add_names(&train, own, sizeof(own));
		for (int64_t i = 0; i < val.count; i++) {
			char name[256];
			val.name(&val, i, name, sizeof(name));
			if (strstr(own, name))
				fail_msg("%s is in both parts", name);
			if (strstr(seen, name))
				fail_msg("%s is held out twice", name);
		}
		add_names(&val, seen, sizeof(seen));
		held += val.count;
		thaw_dataset_close(&train);
		thaw_dataset_close(&val);
	}
	assert_int_equal(held, images);
}

static void folds_of_a_folder(void **state)
{
	struct scratch *s = *state;
	put_images(s, "d/a", "a", 23);
	put_images(s, "d/b", "b", 11);
	check_folds(scratch_file(s, "d"), 5, 34, "fold");
	struct thaw_dataset_options o = {.test_share = 0.2, .seed = 1, .parts = {.folds = 5, .fold = 2}};
	struct thaw_dataset test = open_ok(scratch_file(s, "d"), THAW_SPLIT_TEST, &o);
	assert_int_equal(test.found->split, THAW_SPLIT_VAL); /* there are no test images */
	assert_string_equal(test.found->from, "fold 2 of 5 (seed 1)");
	thaw_dataset_close(&test);
	o.limit_per_class = 3;
	struct thaw_dataset train = open_ok(scratch_file(s, "d"), THAW_SPLIT_TRAIN, &o);
	assert_int_equal(train.count, 6);
	assert_in_range(train.found->images, 26, 28);
	thaw_dataset_close(&train);
}

/* test/ stays what it is; val/ is replaced by the fold. */
static void folds_of_training_images(void **state)
{
	struct scratch *s = *state;
	const char *const folders[] = {"d/train/a", "d/train/b", "d/val/a", "d/val/b", "d/test/a", "d/test/b"};
	for (int i = 0; i < 6; i++)
		put_images(s, folders[i], i % 2 ? "b" : "a", i < 2 ? 8 : 3);
	check_folds(scratch_file(s, "d"), 4, 16, " of train/");
	struct thaw_dataset_options o = {.test_share = 0.2, .seed = 1, .parts = {.folds = 4, .fold = 4}};
	struct thaw_dataset test = open_ok(scratch_file(s, "d"), THAW_SPLIT_TEST, &o);
	assert_int_equal(test.found->split, THAW_SPLIT_TEST);
	assert_int_equal(test.count, 6);
	thaw_dataset_close(&test);
	struct thaw_dataset val = open_ok(scratch_file(s, "d"), THAW_SPLIT_VAL, &o);
	assert_int_equal(val.found->note_count, 1);
	assert_non_null(strstr(val.found->notes[0], "validation images of the dataset are not used"));
	thaw_dataset_close(&val);
}

static void folds_of_idx_files(void **state)
{
	struct scratch *s = *state;
	uint8_t images[16 + 4 * 60] = {0, 0, 8, 3, 0, 0, 0, 60, 0, 0, 0, 2, 0, 0, 0, 2};
	uint8_t labels[8 + 60] = {0, 0, 8, 1, 0, 0, 0, 60};
	for (int i = 0; i < 60; i++)
		labels[8 + i] = (uint8_t)(i % 3);
	scratch_put(scratch_file(s, "train-images-idx3-ubyte"), images, sizeof(images));
	scratch_put(scratch_file(s, "train-labels-idx1-ubyte"), labels, sizeof(labels));
	scratch_put(scratch_file(s, "t10k-images-idx3-ubyte"), images, sizeof(images));
	scratch_put(scratch_file(s, "t10k-labels-idx1-ubyte"), labels, sizeof(labels));
	check_folds(s->path, 5, 60, " of train-images-idx3-ubyte");
	struct thaw_dataset_options o = {.seed = 1, .parts = {.folds = 5, .fold = 1}};
	struct thaw_dataset val = open_ok(s->path, THAW_SPLIT_VAL, &o);
	struct thaw_encoded_image image;
	assert_int_equal(val.count, 12);
	assert_int_equal(val.read(&val, 3, &image), THAW_OK);
	thaw_encoded_image_free(&image);
	thaw_dataset_close(&val);
}

/* The same images, in the same order, are divided alike. */
static void folds_of_a_manifest(void **state)
{
	struct scratch *s = *state;
	char text[4096] = "path,label\n", a[4096] = "", b[4096] = "";
	put_images(s, "d/a", "a", 9);
	put_images(s, "d/b", "b", 9);
	for (int i = 0; i < 18; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%c/%c%d.jpg,%c\n", i < 9 ? 'a' : 'b',
			 i < 9 ? 'a' : 'b', i % 9, i < 9 ? 'a' : 'b');
	scratch_put(scratch_file(s, "d.csv"), text, strlen(text));
	struct thaw_dataset_options o = {.seed = 1, .test_share = 0.3, .limit_per_class = 5};
	for (int with = 0; with < 2; with++) {
		o.parts = with ? (struct thaw_parts_options){.folds = 3, .fold = 2} : (struct thaw_parts_options){0};
		for (int split = THAW_SPLIT_TRAIN; split <= THAW_SPLIT_VAL; split++) {
			o.manifest.file = NULL;
			struct thaw_dataset d = open_ok(scratch_file(s, "d"), (enum thaw_split)split, &o);
			o.manifest.file = scratch_file(s, "d.csv");
			struct thaw_dataset m = open_ok(scratch_file(s, "d"), (enum thaw_split)split, &o);
			assert_int_equal(thaw_dataset_digest(&d), thaw_dataset_digest(&m));
			a[0] = b[0] = '\0';
			add_names(&d, a, sizeof(a));
			add_names(&m, b, sizeof(b));
			assert_string_equal(a, b);
			thaw_dataset_close(&d);
			thaw_dataset_close(&m);
		}
	}
}

static void groups_by_name(void **state)
{
	struct scratch *s = *state;
	char prefix[16], name[256];
	for (int p = 0; p < 10; p++) {
		snprintf(prefix, sizeof(prefix), "p%d_", p);
		put_images(s, p % 2 ? "d/a" : "d/b", prefix, 4);
	}
	struct thaw_dataset_options o = {.test_share = 0.2, .seed = 1, .parts = {.group_by = "(p[0-9]+)_"}};
	struct thaw_dataset test = open_ok(scratch_file(s, "d"), THAW_SPLIT_TEST, &o);
	assert_int_equal(test.count, 8);
	assert_int_equal(test.found->groups, 2);
	assert_string_equal(test.found->from, "20 % of the images, in whole groups, chosen at random (seed 1)");
	thaw_dataset_close(&test);
	o.parts.folds = 5;
	for (o.parts.fold = 1; o.parts.fold <= 5; o.parts.fold++) {
		struct thaw_dataset val = open_ok(scratch_file(s, "d"), THAW_SPLIT_VAL, &o);
		assert_int_equal(val.count, 8); /* one group of each class */
		assert_int_equal(val.labels[0] + val.labels[7], 1);
		for (int64_t i = 0; i < 8; i++) {
			val.name(&val, i, name, sizeof(name));
			assert_true(val.groups[i] == val.groups[i / 4 * 4]);
		}
		thaw_dataset_close(&val);
	}
}

static bool is_noted(const struct thaw_dataset *d, const char *text)
{
	bool noted = false;
	for (int i = 0; i < d->found->note_count; i++)
		noted |= strstr(d->found->notes[i], text) != NULL;
	return noted;
}

/* Splits that a folder has are used, and shared groups counted; names without a match are counted too. */
static void groups_in_given_splits(void **state)
{
	struct scratch *s = *state;
	const char *const folders[] = {"d/train/a", "d/train/b", "d/test/a", "d/test/b"};
	for (int i = 0; i < 4; i++) {
		put_images(s, folders[i], "p1_", 3);
		put_images(s, folders[i], i < 2 ? "p2_" : "p3_", 2);
		put_images(s, folders[i], "other", 1);
	}
	struct thaw_dataset_options o = {.test_share = 0.2, .seed = 1, .parts = {.group_by = "(p[0-9]+)_"}};
	struct thaw_dataset test = open_ok(scratch_file(s, "d"), THAW_SPLIT_TEST, &o);
	assert_int_equal(test.count, 12);
	assert_int_equal(test.found->groups, 2);
	assert_true(is_noted(&test,
			     "1 of the 2 groups of the test images, with 6 images, are also in the training images"));
	assert_true(is_noted(&test, "2 of the images do not match --group-by"));
	thaw_dataset_close(&test);
	struct thaw_dataset train = open_ok(scratch_file(s, "d"), THAW_SPLIT_TRAIN, &o);
	assert_int_equal(train.count, 12);
	assert_false(train.found->held_out);
	thaw_dataset_close(&train);
}

/* A class of one image is trained on in all folds but one, which says so. */
static void classes_of_one_image(void **state)
{
	struct scratch *s = *state;
	int without = 0, unmeasured = 0;
	put_images(s, "d/a", "a", 6);
	put_images(s, "d/b", "b", 1);
	struct thaw_dataset_options o = {.seed = 1, .parts = {.folds = 3}};
	for (o.parts.fold = 1; o.parts.fold <= 3; o.parts.fold++) {
		struct thaw_dataset train = open_ok(scratch_file(s, "d"), THAW_SPLIT_TRAIN, &o);
		assert_int_equal(train.classes, 2);
		without +=
			is_noted(&train, "classes without training images, which cannot be learned: 1 of 2 (first: b)");
		unmeasured += is_noted(&train, "classes without held-out images, which are not measured: 1 of 2");
		thaw_dataset_close(&train);
	}
	assert_int_equal(without, 1);
	assert_int_equal(unmeasured, 2);
}

static void fails(const char *path, struct thaw_parts_options parts, thaw_status wanted, const char *text)
{
	struct thaw_dataset d = {0};
	struct thaw_dataset_options o = {.test_share = 0.2, .seed = 1, .parts = parts};
	thaw_status status = thaw_dataset_open(&d, path, THAW_SPLIT_VAL, &o);
	if (status != wanted || !strstr(thaw_error_message(), text))
		fail_msg("%d: %s", status, thaw_error_message());
}

static void wrong_options(void **state)
{
	struct scratch *s = *state;
	put_images(s, "d/a", "p1_", 4);
	put_images(s, "d/b", "p1_", 4);
	const char *path = scratch_file(s, "d");
	fails(path, (struct thaw_parts_options){.fold = 1}, THAW_USAGE, "--fold 1: give their number too");
	fails(path, (struct thaw_parts_options){.folds = 1, .fold = 1}, THAW_USAGE, "--folds 1: give 2 to 1000");
	fails(path, (struct thaw_parts_options){.folds = 5}, THAW_USAGE, "folds are numbered from 1 to 5");
	fails(path, (struct thaw_parts_options){.folds = 5, .fold = 6}, THAW_USAGE, "no such fold: --fold 6");
	fails(path, (struct thaw_parts_options){.folds = 9, .fold = 9}, THAW_CONFIG, "8 images in 8 groups");
	fails(path, (struct thaw_parts_options){.group_by = "("}, THAW_USAGE, "not an extended regular expression");
	fails(path, (struct thaw_parts_options){.group_by = "patient"}, THAW_USAGE, "no name of an image matches");
	fails(path, (struct thaw_parts_options){.group_by = "p[0-9]"}, THAW_CONFIG, "1 groups");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_are_divided_evenly),
		cmocka_unit_test(the_seed_decides),
		cmocka_unit_test(groups_stay_together),
		cmocka_unit_test(a_share_of_the_groups),
		cmocka_unit_test(samples_without_a_group),
		cmocka_unit_test(labels_are_divided),
		cmocka_unit_test(values_are_divided),
		cmocka_unit_test_setup_teardown(folds_of_a_folder, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(folds_of_training_images, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(folds_of_idx_files, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(folds_of_a_manifest, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(groups_by_name, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(groups_in_given_splits, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(classes_of_one_image, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(wrong_options, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
