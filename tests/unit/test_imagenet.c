/* ImageNet as its archives unpack, with each form of the validation images' labels. */
#include "tests/scratch.h"

#include <sys/stat.h>
#include <zlib.h>

#include "src/data/imagenet.h"
#include "thaw/dataset.h"
#include "thaw/file.h"
#include "thaw/found.h"
#include "thaw/memory.h"

#define TRUTH "ILSVRC2012_validation_ground_truth.txt"

static const struct thaw_dataset_options options = {.test_share = 0.2, .seed = 1};

static void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

static void put(const struct scratch *s, const char *name, const char *text)
{
	char folder[2 * SCRATCH_PATH];
	snprintf(folder, sizeof(folder), "%s", scratch_file(s, name));
	*strrchr(folder, '/') = '\0';
	expect(thaw_make_directory(folder));
	scratch_put(scratch_file(s, name), text, strlen(text));
}

/* Images are not opened: their names count. Three classes with two training images each, four validation images. */
static void put_images(const struct scratch *s, const char *train, const char *val)
{
	static const char *const wnids[] = {"n01440764", "n02007558", "n13054560"};
	char name[SCRATCH_PATH];
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "%s/%s/%s_%d.JPEG", train, wnids[i / 2], wnids[i / 2], i);
		put(s, name, "");
	}
	for (int i = 1; i <= 4; i++) {
		snprintf(name, sizeof(name), "%s/ILSVRC2012_val_%08d.JPEG", val, i);
		put(s, name, "");
	}
}

static void assert_split(const struct scratch *s, enum thaw_split split, const int32_t *labels, int count,
			 const char *from, const char *last)
{
	struct thaw_dataset d;
	char name[SCRATCH_PATH];
	expect(thaw_dataset_open(&d, s->path, split, &options));
	assert_int_equal(d.classes, 3);
	assert_string_equal(d.class_names[1], "n02007558");
	assert_int_equal(d.count, count);
	for (int i = 0; i < count; i++)
		assert_int_equal(d.labels[i], labels[i]);
	assert_string_equal(d.found->from, from);
	assert_int_equal(d.found->split, split == THAW_SPLIT_TRAIN ? THAW_SPLIT_TRAIN : THAW_SPLIT_VAL);
	assert_false(d.found->held_out);
	d.name(&d, count - 1, name, sizeof(name));
	assert_string_equal(name, last);
	thaw_dataset_close(&d);
}

static const int32_t train_labels[] = {0, 0, 1, 1, 2, 2}, val_labels[] = {2, 0, 1, 1};

/* labels: for images 1 to 4, as in all tests below. */
static void assert_imagenet(const struct scratch *s, const char *labels)
{
	char from[SCRATCH_PATH];
	snprintf(from, sizeof(from), "val/, with the labels of %s", labels);
	assert_split(s, THAW_SPLIT_TRAIN, train_labels, 6, "train/", "train/n13054560/n13054560_5.JPEG");
	assert_split(s, THAW_SPLIT_VAL, val_labels, 4, from, "val/ILSVRC2012_val_00000004.JPEG");
	assert_split(s, THAW_SPLIT_TEST, val_labels, 4, from, "val/ILSVRC2012_val_00000004.JPEG");
}

static const char kaggle[] = "ImageId,PredictionString\r\n"
			     "ILSVRC2012_val_00000003,n02007558 85 1 499 272\r\n"
			     "ILSVRC2012_val_00000001,n13054560 1 2 3 4 n13054560 5 6 7 8\r\n"
			     "ILSVRC2012_val_00000004,n02007558 131 0 499 254 \r\n"
			     "ILSVRC2012_val_00000002,n01440764 0 0 1 1";

static void kaggle_s_labels(void **state)
{
	put_images(*state, "train", "val");
	put(*state, "LOC_val_solution.csv", kaggle);
	assert_imagenet(*state, "LOC_val_solution.csv");
}

static void kaggle_s_folders(void **state)
{
	put_images(*state, "ILSVRC/Data/CLS-LOC/train", "ILSVRC/Data/CLS-LOC/val");
	put(*state, "ILSVRC/Data/CLS-LOC/test/ILSVRC2012_test_00000001.JPEG", "");
	put(*state, "LOC_val_solution.csv", kaggle);
	put(*state, "LOC_synset_mapping.txt", "n01440764 tench, Tinca tinca\n");
	assert_split(*state, THAW_SPLIT_VAL, val_labels, 4,
		     "ILSVRC/Data/CLS-LOC/val/, with the labels of LOC_val_solution.csv",
		     "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000004.JPEG");
}

static void caffe_s_labels(void **state)
{
	put_images(*state, "train", "val");
	put(*state, "val.txt",
	    "ILSVRC2012_val_00000001.JPEG 2\nILSVRC2012_val_00000002.JPEG 0\nILSVRC2012_val_00000003.JPEG 1\n"
	    "ILSVRC2012_val_00000004.JPEG 1\n");
	assert_imagenet(*state, "val.txt");
}

/* Of more classes than those with training images: the numbers are those of the list. */
static void caffe_s_labels_with_a_list(void **state)
{
	put_images(*state, "train", "val");
	put(*state, "synset_words.txt",
	    "n00000001 other\nn01440764 tench, Tinca tinca\nn02007558 flamingo\nn03000000 chain saw\n"
	    "n13054560 bolete\n");
	put(*state, "val.txt",
	    "ILSVRC2012_val_00000001.JPEG 4\nILSVRC2012_val_00000002.JPEG 1\nILSVRC2012_val_00000003.JPEG 2\n"
	    "ILSVRC2012_val_00000004.JPEG 2\nILSVRC2012_val_00000005.JPEG 3\n");
	assert_imagenet(*state, "val.txt");
	struct thaw_dataset d;
	expect(thaw_dataset_open(&d, ((struct scratch *)*state)->path, THAW_SPLIT_VAL, &options));
	assert_int_equal(d.found->note_count, 1);
	assert_non_null(strstr(d.found->notes[0], "1 images of classes without training images"));
	thaw_dataset_close(&d);
}

/* ---- meta.mat ---------------------------------------------------------------------------------------------------- */

/* An element under construction. */
struct bytes {
	uint8_t at[4096];
	uint32_t size;
};

static void append(struct bytes *b, uint32_t type, const void *data, uint32_t size)
{
	uint32_t tag[] = {type, size};
	memcpy(b->at + b->size, tag, sizeof(tag));
	if (size > 0)
		memcpy(b->at + b->size + 8, data, size);
	b->size += 8 + (size + 7) / 8 * 8;
}

/* The beginning of a matrix (rows,columns). */
static struct bytes matrix(uint32_t class, int32_t rows, int32_t columns, const char *name)
{
	struct bytes b = {.size = 0};
	append(&b, 6, (uint32_t[]){class, 0}, 8);
	append(&b, 5, (int32_t[]){rows, columns}, 8);
	append(&b, 1, name, (uint32_t)strlen(name));
	return b;
}

static void append_matrix(struct bytes *to, const struct bytes *b)
{
	append(to, 14, b->at, b->size);
}

/* As in the kit: numbers of the smallest type, texts of 16 bits, and a third field. */
static struct bytes synsets(const char *const *wnids, const int *ids, int count)
{
	enum { DOUBLE = 6, CHAR = 4, STRUCT = 2, LENGTH = 16 };
	static const char names[3][LENGTH] = {"ILSVRC2012_ID", "WNID", "words"};
	struct bytes all = matrix(STRUCT, count, 1, "synsets");
	uint32_t small[] = {5 | 4 << 16, LENGTH};
	memcpy(all.at + all.size, small, 8);
	all.size += 8;
	append(&all, 1, names, sizeof(names));
	for (int i = 0; i < count; i++) {
		struct bytes id = matrix(DOUBLE, 1, 1, ""), wnid = matrix(CHAR, 1, 9, ""),
			     words = matrix(CHAR, 0, 0, "");
		uint16_t text[9], number = (uint16_t)ids[i];
		for (int k = 0; k < 9; k++)
			text[k] = (uint8_t)wnids[i][k];
		append(&id, 4, &number, sizeof(number));
		append(&wnid, 4, text, sizeof(text));
		append_matrix(&all, &id);
		append_matrix(&all, &wnid);
		append_matrix(&all, &words);
	}
	return all;
}

/* The file with a matrix of another name before it. */
static uint32_t meta_file(uint8_t *file, const struct bytes *b, bool compressed)
{
	struct bytes other = matrix(6, 1, 1, "x"), content = {.size = 0}, whole = {.size = 0};
	memset(file, ' ', 128);
	memcpy(file + 124, "\0\1IM", 4);
	append(&other, 9, &(double){1}, 8);
	append_matrix(&whole, &other);
	append_matrix(&content, b);
	if (compressed) {
		uLongf size = sizeof(whole.at) - whole.size - 8;
		assert_int_equal(compress(whole.at + whole.size + 8, &size, content.at, content.size), Z_OK);
		memcpy(whole.at + whole.size, (uint32_t[]){15, (uint32_t)size}, 8);
		whole.size += 8 + (uint32_t)size;
	} else {
		memcpy(whole.at + whole.size, content.at, content.size);
		whole.size += content.size;
	}
	memcpy(file + 128, whole.at, whole.size);
	return 128 + whole.size;
}

static const char *const wnids[] = {"n13054560", "n02007558", "n03000000", "n01440764"};

static void the_kit_s_labels(void **state)
{
	uint8_t file[8192];
	const struct bytes b = synsets(wnids, (const int[]){3, 1, 4, 2}, 4);
	put_images(*state, "train", "val");
	put(*state, "ILSVRC2012_devkit_t12/data/" TRUTH, "3\n2\n1\n1\n");
	for (int compressed = 0; compressed < 2; compressed++) {
		uint32_t size = meta_file(file, &b, compressed);
		scratch_put(scratch_file(*state, "ILSVRC2012_devkit_t12/data/meta.mat"), file, size);
		assert_imagenet(*state, "ILSVRC2012_devkit_t12/data/" TRUTH);
	}
}

/* Whatever is wrong with the file, the reader ends with an error or with names. */
static void a_damaged_meta_mat_is_refused(void **state)
{
	uint8_t file[8192];
	const struct bytes b = synsets(wnids, (const int[]){3, 1, 4, 2}, 4);
	const struct bytes twice = synsets(wnids, (const int[]){3, 1, 3, 2}, 4);
	const struct bytes gap = synsets(wnids, (const int[]){3, 1, 9, 2}, 4);
	const struct bytes none = synsets(wnids, NULL, 0);
	const struct bytes *wrong[] = {&twice, &gap, &none};
	const char *path = "meta.mat";
	struct names names = {0};
	char place[SCRATCH_PATH];
	snprintf(place, sizeof(place), "%s", scratch_file(*state, path));
	for (int i = 0; i < 3; i++) {
		uint32_t size = meta_file(file, wrong[i], false);
		scratch_put(place, file, size);
		assert_int_equal(thaw_imagenet_read_meta(&names, place), THAW_DATA);
		assert_non_null(strstr(thaw_error_message(), "meta.mat"));
		thaw_names_free(&names);
	}
	uint32_t size = meta_file(file, &b, false);
	for (uint32_t cut = 0; cut < size; cut += 13) {
		scratch_put(place, file, cut);
		assert_int_equal(thaw_imagenet_read_meta(&names, place), THAW_DATA);
		thaw_names_free(&names);
	}
	for (uint32_t at = 0; at < size; at += 5) {
		file[at] ^= 0x41;
		scratch_put(place, file, size);
		thaw_status status = thaw_imagenet_read_meta(&names, place);
		assert_true(status == THAW_OK || status == THAW_DATA);
		thaw_names_free(&names);
		file[at] ^= 0x41;
	}
}

/* ---- Wrong labels, and other forms ------------------------------------------------------------------------------- */

static void wrong_lines_are_named(void **state)
{
	static const struct {
		const char *file, *text, *message;
	} wrong[] = {
		{"LOC_val_solution.csv", "ILSVRC2012_val_00000001,n01440764 1\nILSVRC2012_val_00000002\n", "line 2 "},
		{"LOC_val_solution.csv", "../../x,n01440764 1\n", "line 1 "},
		{"LOC_val_solution.csv", ".x,n01440764 1\n", "line 1 "},
		{"LOC_val_solution.csv", "a,n01440764\nb,n01440764\na,n02007558\n", "a.JPEG twice"},
		{"val.txt", "ILSVRC2012_val_00000001.JPEG 1\nILSVRC2012_val_00000002.JPEG 3\n", "synsets.txt"},
		{"val.txt", "ILSVRC2012_val_00000001.JPEG -1\n", "line 1 "},
		{"val.txt", "ILSVRC2012_val_00000001.JPEG 1x\n", "line 1 "},
		{"val.txt", "ILSVRC2012_val_00000001.JPEG\n", "line 1 "},
		{TRUTH, "1\n", "meta.mat"},
	};
	struct thaw_dataset d;
	const struct scratch *s = *state;
	put_images(s, "train", "val");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		put(s, wrong[i].file, wrong[i].text);
		thaw_status status = thaw_dataset_open(&d, s->path, THAW_SPLIT_VAL, &options);
		assert_true(status == THAW_DATA || status == THAW_IO);
		if (!strstr(thaw_error_message(), wrong[i].message))
			fail_msg("\"%s\" has no \"%s\"", thaw_error_message(), wrong[i].message);
		assert_int_equal(remove(scratch_file(s, wrong[i].file)), 0);
	}
}

/* Sorted into class folders, as PyTorch's script does it, or without labels, the folders are what counts. */
static void other_forms_are_folders(void **state)
{
	struct thaw_dataset d;
	const struct scratch *s = *state;
	put_images(s, "train", "val");
	expect(thaw_dataset_open(&d, s->path, THAW_SPLIT_VAL, &options));
	assert_true(d.found->held_out);
	assert_non_null(strstr(d.found->notes[0], "no class folders"));
	assert_non_null(strstr(d.found->notes[0], "LOC_val_solution.csv"));
	thaw_dataset_close(&d);
	put(s, "LOC_val_solution.csv", kaggle);
	for (int i = 1; i <= 4; i++) {
		char name[SCRATCH_PATH];
		snprintf(name, sizeof(name), "val/ILSVRC2012_val_%08d.JPEG", i);
		assert_int_equal(remove(scratch_file(s, name)), 0);
	}
	put(s, "val/n01440764/ILSVRC2012_val_00000002.JPEG", "");
	put(s, "val/n02007558/ILSVRC2012_val_00000003.JPEG", "");
	put(s, "val/n13054560/ILSVRC2012_val_00000001.JPEG", "");
	expect(thaw_dataset_open(&d, s->path, THAW_SPLIT_VAL, &options));
	assert_string_equal(d.found->from, "val/");
	assert_int_equal(d.count, 3);
	thaw_dataset_close(&d);
}

static void a_class_without_images_is_refused(void **state)
{
	struct thaw_dataset d;
	const struct scratch *s = *state;
	put_images(s, "train", "val");
	put(s, "LOC_val_solution.csv", kaggle);
	expect(thaw_make_directory(scratch_file(s, "train/n09999999")));
	assert_int_equal(thaw_dataset_open(&d, s->path, THAW_SPLIT_TRAIN, &options), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "train/n09999999"));
}

#define SCRATCH_TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(kaggle_s_labels),
		SCRATCH_TEST(kaggle_s_folders),
		SCRATCH_TEST(caffe_s_labels),
		SCRATCH_TEST(caffe_s_labels_with_a_list),
		SCRATCH_TEST(the_kit_s_labels),
		SCRATCH_TEST(a_damaged_meta_mat_is_refused),
		SCRATCH_TEST(wrong_lines_are_named),
		SCRATCH_TEST(other_forms_are_folders),
		SCRATCH_TEST(a_class_without_images_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
