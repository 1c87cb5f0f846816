/* Tar shards as people have them, each with the images and labels that are in it. */
#include "tests/unit/found_text.h"
#include "tests/unit/tar_writer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "thaw/dataset.h"
#include "thaw/image.h"
#include "thaw/pack.h"

enum { TEXT = 8192 };

static const struct thaw_dataset_options plain = {.test_share = 0.25, .seed = 3};

/* The members of one shard, and what is in it: "NUMBER:LABEL" of each sample, where NUMBER says which image it is, or
 * "!" and a part of the message. also: a text in the description; NULL: any. */
struct example {
	const char *name, *members, *samples, *also;
};

static const struct example examples[] = {
	{"images and numbers", "a.jpg a.cls=0 b.jpg b.cls=1", "1:0 2:1", NULL},
	{"labels before images", "a.cls=0 a.jpg b.cls=1 b.jpg", "1:0 2:1", NULL},
	{"names as labels", "a.jpg a.cls=tulip b.jpg b.cls=rose", "1:1 2:0", NULL},
	{"numbers in their order", "a.jpg a.cls=10 b.jpg b.cls=9 c.jpg c.cls=10", "1:1 2:0 3:1", NULL},
	{"numbers with zeros in front", "a.jpg a.cls=00 b.jpg b.cls=10 c.jpg c.cls=0 d.jpg d.cls=9 e.jpg e.cls=010",
	 "1:0 2:2 3:0 4:1 5:2", NULL},
	{"folders with zeros in front", "01/a.jpg 1/b.jpg 10/c.jpg 2/d.jpg", "1:0 2:1 3:2 4:3", NULL},
	{"spaces around labels", "a.jpg a.cls=@0@ b.jpg b.cls=1", "1:0 2:1", NULL},
	{"a byte order mark",
	 "a.jpg a.cls=\xEF\xBB\xBF"
	 "0 b.jpg b.cls=1 c.jpg c.json=\xEF\xBB\xBF{\"label\":0}",
	 "1:0 2:1 3:0", NULL},
	{"pickled labels", "a.jpg a.cls=\x80\x04K\x01. b.jpg b.cls=0 c.jpg c.cls=1", "2:0 3:1",
	 "labels in shards that cannot be understood: 1 (first: s.tar/a.cls)"},
	{"JSON with numbers", "a.jpg a.json={\"label\":0} b.jpg b.json={\"cls\":1}", "1:0 2:1", NULL},
	{"JSON with names", "a.jpg a.json={\"class\":\"x\"} b.jpg b.json={\"label\":\"w\"}", "1:1 2:0", NULL},
	{"JSON of pandas", "a.jpg a.json={\"label\":0.0} b.jpg b.json={\"label\":1.0}", "1:0 2:1", NULL},
	{"JSON of Python",
	 "a.jpg a.json={\"x\":NaN,\"y\":\"NaN@\\\"NaN\",\"label\":0,\"z\":-Infinity} b.jpg b.json={\"label\":1}",
	 "1:0 2:1", NULL},
	{"img2dataset", "0.jpg 0.json={\"caption\":\"c\",\"label\":0} 0.txt=c 1.jpg 1.json={\"label\":1} 1.txt=d",
	 "1:0 2:1", NULL},
	{".cls beside JSON", "a.jpg a.json={\"label\":7} a.cls=0 b.jpg b.cls=1 b.json={\"label\":8}", "1:0 2:1", NULL},
	{"texts that name classes", "a.jpg a.txt=x b.jpg b.txt=y c.jpg c.txt=x d.jpg d.txt=y", "1:0 2:1 3:0 4:1", NULL},
	{"captions", "a.jpg a.txt=a@red@rose b.jpg b.txt=two@tulips", "!texts that look like captions", NULL},
	{"class folders", "x/a.jpg y/b.jpg x/c.jpg", "1:0 2:1 3:0", NULL},
	{"class folders in a folder", "f/x/a.jpg f/y/b.jpg f/x/z/c.jpg", "1:0 2:1 3:0", NULL},
	{"dots in file names", "x/a.1.jpg x/a.2.jpg y/a.3.jpg", "1:0 2:0 3:1", NULL},
	{"names that differ in the extension", "x/a.jpg x/a.jpeg y/a.JPG", "1:0 2:0 3:1", NULL},
	{"labels beside folders", "x/a.jpg x/a.cls=0 y/b.jpg y/b.cls=1 y/c.jpg y/c.cls=0", "1:0 2:1 3:0", NULL},
	{"members out of order", "a.jpg b.jpg c.jpg c.cls=1 a.cls=0 b.cls=1", "1:0 2:1 3:1",
	 "not beside the others of their key; they are used: 2 (first: s.tar/a.cls)"},
	{"a key twice", "a.jpg a.cls=0 a.jpg a.cls=1", "1:0 2:1", "twice; all are used: 2 (first: s.tar/a.jpg)"},
	{"a key twice, far apart", "a.jpg a.cls=0 b.jpg b.cls=0 a.jpg a.cls=1", "1:0 2:0 3:1",
	 "twice; all are used: 2"},
	{"images without a label", "a.jpg a.cls=0 b.jpg c.jpg c.cls=1", "1:0 3:1",
	 "images in shards without a label: 1 (first: s.tar/b.jpg)"},
	{"a link without a label", "a.jpg a.cls=0 b.jpg b.cls=1 c.jpg>a.jpg", "1:0 2:1",
	 "images in shards without a label: 1 (first: a link to s.tar/a.jpg)"},
	{"labels without an image", "a.jpg a.cls=0 b.cls=0 c.jpg c.cls=1", "1:0 2:1",
	 "labels without an image in their shard: 1 (first: s.tar/b.cls)"},
	{"several images of a sample", "a.jpg a.seg.png a.cls=0 b.mask.png b.jpg b.cls=1", "1:0 4:1",
	 "further images beside the first one of a sample: 2 (first: s.tar/a.seg.png)"},
	{"an image under another field", "a.input.jpg a.cls=0 b.input.jpg b.cls=1", "1:0 2:1", NULL},
	{"labels that cannot be understood", "a.jpg a.json={ b.jpg b.cls=0 c.jpg c.cls=1", "2:0 3:1",
	 "labels in shards that cannot be understood: 1 (first: s.tar/a.json)"},
	{"other members", "a.jpg a.cls=0 a.npy=x b.jpg b.cls=1 README=x", "1:0 2:1",
	 "members of shards that are no images or labels, or are stored with holes: 2 (first: s.tar/a.npy)"},
	{"files of operating systems", "x/a.jpg x/._a.jpg __MACOSX/x/b.jpg y/c.jpg", "1:0 4:1",
	 "hidden or system files in shards: 2 (first: s.tar/x/._a.jpg)"},
	{"absolute names", "/x/a.jpg ../y/b.jpg ./x/c.jpg", "1:0 2:1 3:0",
	 "begins with a slash or has ..; they are used: 2"},
	{"hard links", "x/a.jpg y/b.jpg y/c.jpg>>x/a.jpg", "1:0 2:1 1:1", NULL},
	{"symbolic links", "x/b.jpg>../y/a.jpg y/a.jpg", "1:0 1:1", NULL},
	{"links that lead nowhere", "x/a.jpg y/b.jpg y/c.jpg>../../z.jpg", "1:0 2:1",
	 "links in shards that do not lead to an image of the shard: 1 (first: s.tar/y/c.jpg)"},
	{"links in a circle", "x/a.jpg y/b.jpg y/c.jpg>d.jpg y/d.jpg>c.jpg", "1:0 2:1",
	 "links in shards that do not lead"},
	{"no labels", "a.jpg b.jpg", "!no labels in the shards", NULL},
	{"no images", "a.cls=0 b.cls=1", "!no images in the shards", NULL},
	{"splits in one tar file", "train/x/a.jpg train/y/b.jpg val/x/c.jpg", "!splits inside a tar file", NULL},
	{"long names",
	 "x/"
	 "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789-long."
	 "jpg "
	 "y/b.jpg",
	 "1:0 2:1", NULL},
	{"names in UTF-8", "\u00e4/\u00f6.jpg b/b.jpg", "1:1 2:0", NULL},
	{"names in Latin-1", "\xE4/\xF6.jpg b/b.jpg", "1:1 2:0", NULL},
};

/* "NUMBER:LABEL ..." of the samples, which are read. */
static void list_samples(char text[TEXT], const struct thaw_dataset *d, size_t base)
{
	size_t used = 0;
	text[0] = '\0';
	for (int64_t i = 0; i < d->count; i++) {
		char name[256];
		struct thaw_encoded_image encoded;
		if (d->read(d, i, &encoded) != THAW_OK)
			fail_msg("%s", thaw_error_message());
		assert_int_equal(encoded.width, 45);
		d->name(d, i, name, sizeof(name));
		assert_string_equal(encoded.name, name);
		used += (size_t)snprintf(text + used, TEXT - used, "%s%d:%d", i > 0 ? " " : "",
					 (int)(encoded.size - base), (int)d->labels[i]);
		thaw_encoded_image_free(&encoded);
	}
}

static void check_example(struct scratch *s, const struct example *e, const char *format)
{
	char samples[TEXT], text[FOUND_TEXT];
	struct thaw_dataset d = {0};
	const char *path = scratch_file(s, "s.tar");
	size_t base = tar_write(path, format, e->members);
	thaw_status status = thaw_dataset_open(&d, s->path, THAW_SPLIT_ALL, &plain);
	if (e->samples[0] == '!') {
		if (status == THAW_OK || !strstr(thaw_error_message(), e->samples + 1))
			fail_msg("%s, %s: %s", e->name, format, status ? thaw_error_message() : "opened");
		return;
	}
	if (status != THAW_OK)
		fail_msg("%s, %s: %s", e->name, format, thaw_error_message());
	list_samples(samples, &d, base);
	found_text(text, "D", (const struct thaw_dataset *const[]){&d}, 1);
	if (strcmp(samples, e->samples) != 0 || (e->also && !strstr(text, e->also)))
		fail_msg("%s, %s: %s\n%s", e->name, format, samples, text);
	thaw_dataset_close(&d);
}

static void all_examples(void **state)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		if (strcmp(examples[i].name, "long names") != 0) /* they do not fit */
			check_example(*state, &examples[i], "ustar");
		check_example(*state, &examples[i], "gnutar");
		check_example(*state, &examples[i], "pax");
	}
}

static struct thaw_dataset open_split(void **state, enum thaw_split split)
{
	struct scratch *s = *state;
	struct thaw_dataset d = {0};
	if (thaw_dataset_open(&d, s->path, split, &plain) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return d;
}

static void expect_found(const struct thaw_dataset *d, const char *part)
{
	char text[FOUND_TEXT];
	found_text(text, "D", &d, 1);
	if (!strstr(text, part))
		fail_msg("not \"%s\":\n%s", part, text);
}

static void open_fails(void **state, enum thaw_split split, thaw_status want, const char *text)
{
	struct scratch *s = *state;
	struct thaw_dataset d = {0};
	assert_int_equal(thaw_dataset_open(&d, s->path, split, &plain), want);
	if (!strstr(thaw_error_message(), text))
		fail_msg("message: %s", thaw_error_message());
}

#define TWO_CLASSES "a.jpg a.cls=0 b.jpg b.cls=1 c.jpg c.cls=1 d.jpg d.cls=0"

static void splits_by_names(void **state)
{
	struct scratch *s = *state;
	tar_write(scratch_file(s, "train-000001.tar"), "ustar", "e.jpg e.cls=1");
	tar_write(scratch_file(s, "train-000000.tar"), "ustar", TWO_CLASSES);
	tar_write(scratch_file(s, "val-000000.tar"), "ustar", "a.jpg a.cls=1");
	assert_int_equal(mkdir(scratch_file(s, "logs"), 0777), 0);
	tar_write(scratch_file(s, "extra.tar"), "ustar", "a.jpg a.cls=1");
	struct thaw_dataset d = open_split(state, THAW_SPLIT_TRAIN);
	char name[64];
	assert_int_equal(d.count, 5);
	d.name(&d, 4, name, sizeof(name));
	assert_string_equal(name, "train-000001.tar/e.jpg");
	expect_found(&d, "training   5 images from train-000000.tar and 1 more");
	expect_found(&d, "tar files beside those of the splits: 1 (first: extra.tar)");
	expect_found(&d, "folders beside the tar files: 1 (first: logs)");
	thaw_dataset_close(&d);
	d = open_split(state, THAW_SPLIT_VAL);
	assert_int_equal(d.count, 1);
	assert_int_equal(d.classes, 2);
	assert_int_equal(d.labels[0], 1);
	expect_found(&d, "the validation images are of 1 of the 2 classes (first without: 0)");
	thaw_dataset_close(&d);
}

static void splits_in_folders(void **state)
{
	struct scratch *s = *state;
	assert_int_equal(mkdir(scratch_file(s, "train"), 0777), 0);
	assert_int_equal(mkdir(scratch_file(s, "test"), 0777), 0);
	tar_write(scratch_file(s, "train/0.tar"), "ustar", TWO_CLASSES);
	tar_write(scratch_file(s, "test/0.tar"), "ustar", "a.jpg a.cls=1");
	struct thaw_dataset d = open_split(state, THAW_SPLIT_TRAIN);
	assert_int_equal(d.count, 4);
	thaw_dataset_close(&d);
	d = open_split(state, THAW_SPLIT_TEST);
	assert_int_equal(d.count, 1);
	expect_found(&d, "test       1 image from test/0.tar");
	thaw_dataset_close(&d);
}

static void a_class_of_no_training_image(void **state)
{
	struct scratch *s = *state;
	tar_write(scratch_file(s, "train-0.tar"), "ustar", TWO_CLASSES);
	tar_write(scratch_file(s, "val-0.tar"), "ustar", "a.jpg a.cls=2");
	open_fails(state, THAW_SPLIT_VAL, THAW_DATA, "class \"2\" is not in the training images");
}

static void a_file_of_class_names(void **state)
{
	struct scratch *s = *state;
	tar_write(scratch_file(s, "s.tar"), "ustar", TWO_CLASSES);
	scratch_put(scratch_file(s, "classnames.txt"), "2\n1\n0\n", 6);
	struct thaw_dataset d = open_split(state, THAW_SPLIT_ALL);
	assert_int_equal(d.classes, 3);
	assert_string_equal(d.class_names[0], "2");
	assert_int_equal(d.labels[1], 1); /* a number counts lines */
	expect_found(&d, "of 2 of the 3 classes (first without: 0)");
	thaw_dataset_close(&d);
	scratch_put(scratch_file(s, "classnames.txt"), "x\n", 2);
	open_fails(state, THAW_SPLIT_ALL, THAW_DATA, "label 1, but 1 class names");
	scratch_put(scratch_file(s, "classnames.txt"), "x\ny\n", 4);
	tar_write(scratch_file(s, "s.tar"), "ustar", "a.jpg a.cls=y b.jpg b.cls=x");
	d = open_split(state, THAW_SPLIT_ALL);
	assert_int_equal(d.labels[0], 1);
	thaw_dataset_close(&d);
	tar_write(scratch_file(s, "s.tar"), "ustar", "a.jpg a.cls=01 b.jpg b.cls=00");
	d = open_split(state, THAW_SPLIT_ALL);
	assert_int_equal(d.labels[0], 1);
	thaw_dataset_close(&d);
	tar_write(scratch_file(s, "s.tar"), "ustar", "a.jpg a.cls=y b.jpg b.cls=z");
	open_fails(state, THAW_SPLIT_ALL, THAW_DATA, "class \"z\" is not in the file of class names");
}

static void a_part_is_held_out(void **state)
{
	struct scratch *s = *state;
	tar_write(scratch_file(s, "s.tar"), "ustar",
		  TWO_CLASSES " e.jpg e.cls=0 f.jpg f.cls=1 g.jpg g.cls=0 h.jpg h.cls=1");
	struct thaw_dataset train = open_split(state, THAW_SPLIT_TRAIN), test = open_split(state, THAW_SPLIT_TEST);
	assert_int_equal(train.count, 6);
	assert_int_equal(test.count, 2);
	assert_int_not_equal(test.labels[0], test.labels[1]);
	expect_found(&test, "s.tar: 25 % of each class, chosen at random (seed 3)");
	thaw_dataset_close(&train);
	thaw_dataset_close(&test);
}

static void one_file_or_a_pattern(void **state)
{
	struct scratch *s = *state;
	struct thaw_dataset d = {0};
	tar_write(scratch_file(s, "s-08.tar"), "ustar", TWO_CLASSES);
	tar_write(scratch_file(s, "s-09.tar"), "ustar", "e.jpg e.cls=1");
	tar_write(scratch_file(s, "s-10.tar"), "ustar", "f.jpg f.cls=1 g.jpg g.cls=1");
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "s-08.tar"), THAW_SPLIT_ALL, &plain), THAW_OK);
	assert_int_equal(d.count, 4);
	thaw_dataset_close(&d);
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "s-{08..10}.tar"), THAW_SPLIT_ALL, &plain), THAW_OK);
	assert_int_equal(d.count, 7);
	thaw_dataset_close(&d);
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "s-{08,10}.tar"), THAW_SPLIT_ALL, &plain), THAW_OK);
	assert_int_equal(d.count, 6);
	thaw_dataset_close(&d);
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "s-{08..11}.tar"), THAW_SPLIT_ALL, &plain), THAW_IO);
	assert_non_null(strstr(thaw_error_message(), "no such shard"));
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "s-{}.tar"), THAW_SPLIT_ALL, &plain), THAW_USAGE);
}

static void several_labels_and_values(void **state)
{
	struct scratch *s = *state;
	tar_write(scratch_file(s, "s.tar"), "ustar",
		  "a.jpg a.json={\"labels\":[\"x\",\"z\"]} b.jpg "
		  "b.json={\"labels\":[],\"unknown\":[\"y\"],\"weight\":0.5}");
	struct thaw_dataset d = open_split(state, THAW_SPLIT_ALL);
	assert_int_equal(d.task, THAW_TASK_LABELS);
	assert_int_equal(d.classes, 3);
	assert_true(d.targets[0] == 1 && d.targets[1] == 0 && d.targets[2] == 1);
	assert_true(d.targets[3] == 0 && d.targets[4] != d.targets[4] && d.targets[5] == 0);
	assert_true(d.weights[0] == 1 && d.weights[1] == 0.5);
	thaw_dataset_close(&d);
	tar_write(scratch_file(s, "s.tar"), "ustar", "a.jpg a.json={\"label\":2.5} b.jpg b.json={\"label\":3}");
	d = open_split(state, THAW_SPLIT_ALL);
	assert_int_equal(d.task, THAW_TASK_VALUE);
	assert_true(d.targets[0] == 2.5 && d.targets[1] == 3);
	thaw_dataset_close(&d);
	tar_write(scratch_file(s, "s.tar"), "ustar", "a.jpg a.json={\"grade\":2} b.jpg b.json={\"grade\":0}");
	d = open_split(state, THAW_SPLIT_ALL);
	assert_int_equal(d.task, THAW_TASK_GRADE);
	assert_int_equal(d.classes, 3);
	assert_int_equal(d.labels[0], 2);
	thaw_dataset_close(&d);
}

static void fingerprints_are_those_of_files(void **state)
{
	struct scratch *s = *state;
	char bytes[20000];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * i);
	tar_write(scratch_file(s, "s.tar"), "ustar", TWO_CLASSES);
	struct thaw_dataset d = open_split(state, THAW_SPLIT_ALL);
	void *file;
	size_t size;
	assert_int_equal(d.read_file(&d, 2, &file, &size), THAW_OK);
	struct thaw_fingerprint f = thaw_dataset_fingerprint(&d, 2, true), want = thaw_fingerprint_of(file, size, 1);
	assert_true(f.blocks == want.blocks && f.content == want.content && f.modified != 0);
	thaw_free(file);
	thaw_dataset_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_examples, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(splits_by_names, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(splits_in_folders, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_class_of_no_training_image, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_file_of_class_names, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_part_is_held_out, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(one_file_or_a_pattern, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(several_labels_and_values, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(fingerprints_are_those_of_files, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
