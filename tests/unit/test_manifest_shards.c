/* Manifests whose images are members of tar shards: the same as for files in folders. */
#include "tests/unit/found_text.h"
#include "tests/unit/tar_writer.h"

#include <math.h>
#include <sys/stat.h>

#include "thaw/dataset.h"
#include "thaw/image.h"

enum { TEXT = 8192 };

static const struct thaw_dataset_options plain = {.test_share = 0, .seed = 3};

/* A manifest over the shards s-0.tar and s-1.tar, and what is in it: "NUMBER:LABEL" of each image, where NUMBER says
 * which one of its shard it is, - that it is missing and x that it is refused when it is read; or "!" and a part of the
 * message. also: a text in the description; NULL: any. */
struct example {
	const char *name, *shards[2], *rows, *found, *also;
};

#define PLAIN                                                        \
	{                                                            \
		"a.jpg b.jpg c.jpg", "d.jpg e.jpg x/f.jpg x/g.1.jpg" \
	}
#define TWICE                                                \
	{                                                    \
		"a.jpg b.jpg x/c.jpg", "a.jpg d.png x/c.png" \
	}

static const struct example examples[] = {
	{"keys", PLAIN, "b,y\na,x\ne,x\n", "2:1 1:0 2:0",
	 "images in 2 tar shards (first: D/s-0.tar): their own labels and splits are not used"},
	{"names", PLAIN, "b.jpg,y\nx/f.jpg,x\n", "2:1 3:0", NULL},
	{"a key with a folder", PLAIN, "b,y\nx/f,x\n", "2:1 3:0", NULL},
	{"with the shard", PLAIN, "s-0.tar/b.jpg,y\ns-1.tar/x/f,x\n", "2:1 3:0", NULL},
	{"backslashes, ./ and ..", PLAIN, ".\\b.jpg,y\nx/../x/f.jpg,x\n", "2:1 3:0", NULL},
	{"without the folder", PLAIN, "f.jpg,y\ng.1,x\n", "3:1 4:0", "2 images were found by their names in folders"},
	{"labels of the shards",
	 {"a.jpg a.cls=7 b.jpg b.json={\"label\":1}", "c.jpg c.txt=cat"},
	 "a,x\nb,y\nc,x\n",
	 "1:0 2:1 1:0",
	 NULL},
	{"the splits of the shards", PLAIN, "d,x\na,y\n", "1:0 1:1", NULL},
	{"a name twice, not asked for", TWICE, "b,x\nd,y\n", "2:0 2:1", NULL},
	{"a name twice", TWICE, "b,x\na.jpg,y\n",
	 "!several images fit \"a.jpg\": m.csv: line 3: s-0.tar/a.jpg and s-1.tar/a.jpg: give the path with its shard",
	 NULL},
	{"a key twice", TWICE, "b,x\nx/c,y\n",
	 "!several images fit \"x/c\": m.csv: line 3: s-0.tar/x/c.jpg and "
	 "s-1.tar/x/c.png: give the path with its shard",
	 NULL},
	{"a key twice, named", TWICE, "x/c.png,x\nx/c.jpg,y\n", "3:0 3:1", NULL},
	{"a name twice, with the shard", TWICE, "s-1.tar/a.jpg,x\ns-0.tar/a,y\n", "1:0 1:1", NULL},
	{"a name twice in a shard",
	 {"a.jpg b.jpg a.jpg", "c.jpg"},
	 "c,x\na,y\n",
	 "!several images fit \"a\": m.csv: line 3: s-0.tar/a.jpg and s-0.tar/a.jpg: remove one of them from the shard",
	 NULL},
	{"two folders have the name",
	 {"x/a.jpg y/a.jpg", "b.jpg"},
	 "b,x\na,y\n",
	 "!several images fit \"a\": m.csv: line 3: s-0.tar/x/a.jpg and s-0.tar/y/a.jpg",
	 NULL},
	{"two rows for an image", PLAIN, "a,x\nb,x\na.jpg,y\n",
	 "!two rows name one image: m.csv: lines 2 and 4: \"a\" and \"a.jpg\": remove one of them", NULL},
	{"an image in two splits by two names", PLAIN, "a,x\nb,y\n../a.jpg,\n",
	 "!two rows name one image: m.csv: lines 2 and 4: \"a\" and \"../a.jpg\"", NULL},
	{"images of one key",
	 {"a.jpg a.seg.png a.cls=1", "b.jpg"},
	 "a.seg.png,x\na.jpg,y\nb,x\n",
	 "-:0 1:1 1:0",
	 "further images beside the first one of a sample: 1 (first: s-0.tar/a.seg.png)"},
	{"names that differ in the extension",
	 {"a.jpg a.png", "b.jpg"},
	 "a.png,x\na.jpg,y\nb,x\n",
	 "2:0 1:1 1:0",
	 NULL},
	{"another extension", PLAIN, "a.png,x\nb.jpg,y\n", "x:0 2:1", NULL},
	{"links", {"a.jpg b.jpg>a.jpg c.jpg>>a.jpg", "d.jpg"}, "b.jpg,x\nc,y\nd,y\n", "1:0 1:1 1:1", NULL},
	{"one is missing", PLAIN, "a,x\nz,x\nb,y\n", "1:0 -:0 2:1",
	 "1 of the training images are missing and skipped like damaged ones (first: line 3: z)"},
	{"another shard", PLAIN, "a,x\ns-0.tar/d,x\nb,y\n", "1:0 -:0 2:1", NULL},
	{"most are missing", PLAIN, "a,x\ny/z.jpg,x\ny/f,y\n",
	 "!2 of 3 images are missing: m.csv: line 3: y/z.jpg is not in the shards: give keys or names as the shards "
	 "have them, such as s-0.tar/a.jpg",
	 NULL},
	{"no images", {"a.cls=0", "b.cls=1"}, "a,x\nb,y\n", "!no images in the shards", NULL},
	{"a path of dots", PLAIN, "..,x\na,x\nb,y\n", "-:0 1:0 2:1", NULL},
	{"long names",
	 {"x/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789-"
	  "long.jpg",
	  "b.jpg"},
	 "x/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789-"
	 "long.jpg,x\nb,y\n",
	 "1:0 1:1",
	 NULL},
	{"names in UTF-8", {"\u00e4/\u00f6.jpg", "b.jpg"}, "\u00e4/\u00f6.jpg,x\nb,y\n", "1:0 1:1", NULL},
	{"names in Latin-1", {"\xE4/\xF6.jpg", "b.jpg"}, "\xE4/\xF6.jpg,x\nb,y\n", "1:0 1:1", NULL},
};

static void list_images(char text[TEXT], const struct thaw_dataset *d, size_t base)
{
	size_t used = 0;
	text[0] = '\0';
	for (int64_t i = 0; i < d->count; i++) {
		struct thaw_encoded_image encoded = {0};
		thaw_status status = d->read(d, i, &encoded);
		char number[32] = "-";
		if (status == THAW_OK)
			snprintf(number, sizeof(number), "%d", (int)(encoded.size - base));
		else if (status == THAW_DATA)
			snprintf(number, sizeof(number), "x");
		if (!d->targets)
			used += (size_t)snprintf(text + used, TEXT - used, "%s%s:%d", i > 0 ? " " : "", number,
						 (int)d->labels[i]);
		else
			used += (size_t)snprintf(text + used, TEXT - used, "%s%s", i > 0 ? " " : "", number);
		thaw_encoded_image_free(&encoded);
	}
}

static void write_text(const struct scratch *s, const char *name, const char *text)
{
	scratch_put(scratch_file(s, name), text, strlen(text));
}

static void check_example(struct scratch *s, const struct example *e, const char *format)
{
	char images[TEXT], text[FOUND_TEXT];
	struct thaw_dataset d = {0};
	struct thaw_dataset_options o = plain;
	o.manifest.file = "m.csv";
	size_t base = tar_write("D/s-0.tar", format, e->shards[0]);
	tar_write("D/s-1.tar", format, e->shards[1]);
	snprintf(text, sizeof(text), "path,label\n%s", e->rows);
	write_text(s, "m.csv", text);
	thaw_status status = thaw_dataset_open(&d, "D", THAW_SPLIT_TRAIN, &o);
	if (e->found[0] == '!') {
		if (status == THAW_OK || !strstr(thaw_error_message(), e->found + 1))
			fail_msg("%s, %s: %s", e->name, format, status ? thaw_error_message() : "opened");
		return;
	}
	if (status != THAW_OK)
		fail_msg("%s, %s: %s", e->name, format, thaw_error_message());
	list_images(images, &d, base);
	found_text(text, "D", (const struct thaw_dataset *const[]){&d}, 1);
	if (strcmp(images, e->found) != 0 || (e->also && !strstr(text, e->also)))
		fail_msg("%s, %s: %s\n%s", e->name, format, images, text);
	thaw_dataset_close(&d);
}

static void all_examples(void **state)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		check_example(*state, &examples[i], "gnutar");
		check_example(*state, &examples[i], "pax");
	}
}

/* Files a.jpg to f.jpg in F, and the same as shards in D; rows have all that a manifest may have. */
static const char *const rows = "path,tags,split,patient,weight\nf,k,train,1,1\nb,k|m,train,2,2\na,m,test,3,0.5\n"
				"e,k,train,1,1\nc,m,train,4,1\nd,k|m,val,5,1\n";

static void write_both(struct scratch *s)
{
	void *image;
	size_t size;
	char name[] = "F/a.jpg";
	assert_int_equal(mkdir("F", 0777), 0);
	assert_int_equal(thaw_file_read(&image, &size, "rgb.jpg", 1 << 20), THAW_OK);
	char *grown = calloc(size + 6, 1);
	memcpy(grown, image, size);
	for (; name[2] <= 'f'; name[2]++)
		scratch_put(name, grown, size + (size_t)(1 + (name[2] - 'a') % 3));
	free(grown);
	thaw_free(image);
	tar_write("D/s-0.tar", "ustar", "a.jpg b.jpg c.jpg");
	tar_write("D/s-1.tar", "ustar", "d.jpg e.jpg f.jpg");
	write_text(s, "m.csv", rows);
}

static void expect_same(const struct thaw_dataset *a, const struct thaw_dataset *b)
{
	char first[TEXT], second[TEXT];
	assert_int_equal(thaw_dataset_digest(a), thaw_dataset_digest(b));
	list_images(first, a, 0);
	list_images(second, b, 0);
	assert_string_equal(first, second);
	assert_int_equal(a->groups != NULL, b->groups != NULL);
	for (int64_t i = 0; i < a->count; i++) {
		void *bytes[2];
		size_t size[2];
		if (a->groups)
			assert_int_equal(a->groups[i], b->groups[i]);
		assert_true(thaw_dataset_fingerprint(a, i, true).content ==
			    thaw_dataset_fingerprint(b, i, true).content);
		assert_int_equal(a->read_file(a, i, &bytes[0], &size[0]), THAW_OK);
		assert_int_equal(b->read_file(b, i, &bytes[1], &size[1]), THAW_OK);
		assert_int_equal(size[0], size[1]);
		assert_memory_equal(bytes[0], bytes[1], size[0]);
		thaw_free(bytes[0]);
		thaw_free(bytes[1]);
	}
}

static void expect_same_split(enum thaw_split split, struct thaw_dataset_options o, int64_t count)
{
	struct thaw_dataset files = {0}, shards = {0};
	o.manifest.file = "m.csv";
	if (thaw_dataset_open(&files, "F", split, &o) != THAW_OK ||
	    thaw_dataset_open(&shards, "D", split, &o) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	assert_int_equal(files.count, count);
	assert_int_equal(shards.count, count);
	assert_null(files.parts);
	assert_int_equal(shards.parts->count(&shards), 2);
	expect_same(&files, &shards);
	thaw_dataset_close(&files);
	thaw_dataset_close(&shards);
}

static void the_same_as_from_files(void **state)
{
	struct thaw_dataset_options o = plain;
	write_both(*state);
	expect_same_split(THAW_SPLIT_TRAIN, o, 4);
	expect_same_split(THAW_SPLIT_VAL, o, 1);
	expect_same_split(THAW_SPLIT_TEST, o, 1);
	o.parts = (struct thaw_parts_options){.folds = 3, .fold = 2};
	expect_same_split(THAW_SPLIT_TRAIN, o, 3);
	o.parts = (struct thaw_parts_options){0};
	o.manifest.split_column = "none";
	o.test_share = 0.4;
	expect_same_split(THAW_SPLIT_TRAIN, o, 4);
	expect_same_split(THAW_SPLIT_TEST, o, 2);
	write_text(*state, "m.csv", "key,level,diameter\na,2,1.5\nb,0,2\nc,1,nan\nd,1,4\ne,2,1\n");
	o.test_share = 0;
	o.manifest = (struct thaw_manifest_options){.task = "grade", .label_column = "level"};
	expect_same_split(THAW_SPLIT_TRAIN, o, 5);
	o.manifest = (struct thaw_manifest_options){.task = "value", .label_column = "diameter"};
	expect_same_split(THAW_SPLIT_TRAIN, o, 4);
}

/* The manifest may lie beside the shards, which may be in folders, one file or a pattern. */
static void places(void **state)
{
	struct thaw_dataset d = {0};
	struct thaw_dataset_options o = plain;
	write_both(*state);
	assert_int_equal(mkdir("D/train", 0777), 0);
	write_text(*state, "D/m.csv", "path,label\na,x\nf,y\n");
	assert_int_equal(thaw_dataset_open(&d, "D/m.csv", THAW_SPLIT_TRAIN, &o), THAW_OK);
	thaw_dataset_close(&d);
	o.manifest.file = "D/m.csv";
	assert_int_equal(thaw_dataset_open(&d, "D/s-{0..1}.tar", THAW_SPLIT_TRAIN, &o), THAW_OK);
	thaw_dataset_close(&d);
	assert_int_equal(thaw_dataset_open(&d, "D/s-0.tar", THAW_SPLIT_TRAIN, &o), THAW_OK);
	assert_int_equal(d.found->missing, 1);
	thaw_dataset_close(&d);
	assert_int_equal(rename("D/s-1.tar", "D/train/s.tar"), 0);
	assert_int_equal(rename("D/s-0.tar", "D/train/t.tar"), 0);
	write_text(*state, "D/m.csv", "path,label\ntrain/t.tar/a.jpg,x\nf,y\n");
	assert_int_equal(thaw_dataset_open(&d, "D", THAW_SPLIT_TRAIN, &o), THAW_OK);
	assert_int_equal(d.found->missing, 0);
	thaw_dataset_close(&d);
}

/* An archive beside the files that the manifest names is not looked at. */
static void files_beside_an_archive(void **state)
{
	struct thaw_dataset d = {0};
	struct thaw_dataset_options o = plain;
	write_both(*state);
	write_text(*state, "D/m.csv", "path,label\n../F/a.jpg,x\n../F/b.jpg,y\n");
	assert_int_equal(thaw_dataset_open(&d, "D/m.csv", THAW_SPLIT_TRAIN, &o), THAW_OK);
	assert_null(d.parts);
	assert_int_equal(d.found->missing, 0);
	thaw_dataset_close(&d);
}

/* They cannot be read, and say why no image is found. */
static void compressed_shards(void **state)
{
	struct thaw_dataset d = {0};
	struct thaw_dataset_options o = plain;
	write_both(*state);
	assert_int_equal(rename("D/s-0.tar", "D/s-0.tar.gz"), 0);
	assert_int_equal(rename("D/s-1.tar", "D/s-1.tar.gz"), 0);
	o.manifest.file = "m.csv";
	assert_int_equal(thaw_dataset_open(&d, "D", THAW_SPLIT_TRAIN, &o), THAW_IO);
	assert_string_equal(thaw_error_message(),
			    "4 of 4 images are missing: m.csv: line 2: f (or with the extension of an image) is not in "
			    "D: decompress the tar files there if it is in one of them");
}

/* Shards are read from their copies. */
static void copies(void **state)
{
	struct thaw_dataset d = {0};
	struct thaw_dataset_options o = plain;
	char text[TEXT];
	write_both(*state);
	o.manifest.file = "m.csv";
	assert_int_equal(thaw_dataset_open(&d, "D", THAW_SPLIT_TRAIN, &o), THAW_OK);
	assert_int_equal(d.parts->of_sample(&d, 0), 1);
	assert_string_equal(d.parts->path(&d, 1), "D/s-1.tar");
	assert_int_equal(rename("D/s-1.tar", "copy.tar"), 0);
	assert_int_equal(d.parts->replace(&d, 1, "copy.tar"), THAW_OK);
	list_images(text, &d, 0);
	assert_null(strchr(text, '-'));
	thaw_dataset_close(&d);
}

static char top[SCRATCH_PATH];

static int make(void **state)
{
	char path[2 * SCRATCH_PATH];
	if (scratch_make(state) != 0)
		return -1;
	struct scratch *s = *state;
	snprintf(path, sizeof(path), "%s/" TAR_IMAGE, top);
	return chdir(s->path) || mkdir("D", 0777) || mkdir("tests", 0777) || mkdir("tests/golden", 0777) ||
	       mkdir("tests/golden/images", 0777) || symlink(path, TAR_IMAGE) || symlink(path, "rgb.jpg");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_examples, make, scratch_remove),
		cmocka_unit_test_setup_teardown(the_same_as_from_files, make, scratch_remove),
		cmocka_unit_test_setup_teardown(places, make, scratch_remove),
		cmocka_unit_test_setup_teardown(files_beside_an_archive, make, scratch_remove),
		cmocka_unit_test_setup_teardown(compressed_shards, make, scratch_remove),
		cmocka_unit_test_setup_teardown(copies, make, scratch_remove),
	};
	if (!getcwd(top, sizeof(top)))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
