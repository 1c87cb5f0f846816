/* Manifests as people write them, and what is found in them. */
#include "tests/unit/found_text.h"

#include <math.h>
#include <sys/stat.h>

#include "thaw/dataset.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define IMAGE "tests/golden/images/rgb.jpg"

enum { PATH = 2 * SCRATCH_PATH, SPLITS = 3 };

/* A manifest m.csv, in a folder with the files below. found: "TASK CLASSES TRAINING/VALIDATION/TEST", where ~ marks a
 * part held out at random, or "!STATUS " and a part of the message. also: a text in the description; NULL: any. */
struct manifest_case {
	const char *name, *text;
	struct thaw_manifest_options options;
	const char *found, *also;
};

static const char *const files[] = {"a.jpg",         "b.jpg",        "c.jpg",        "q.jpg",      "e.jpg",
				    "f.jpg",         "box/g.jpg",    "box/h.jpg",    "one/x1.jpg", "two/x2.jpg",
				    "two/x3.png",    "one/same.jpg", "two/same.jpg", "twice.jpg",  "twice.png",
				    "b\xc3\xbc.jpg", "l\xfc.jpg",    "no extension"};

#define LONG "0123456789012345678901234567890123456789012345678901234567890123"

static const struct manifest_case cases[] = {
	/* Splits. */
	{"without splits",
	 "path,label\na.jpg,x\nb.jpg,x\nc.jpg,x\nq.jpg,x\ne.jpg,y\nf.jpg,y\n",
	 {0},
	 "class 2 4/-/~2",
	 "75 % of each class"},
	{"three splits",
	 "path,label,split\na.jpg,x,train\nb.jpg,y,training\nc.jpg,x,Valid\nq.jpg,x,TEST\ne.jpg,y,test\n",
	 {0},
	 "class 2 2/1/2",
	 "m.csv, split test"},
	{"train and test",
	 "file,class,subset\na.jpg,x,train\nb.jpg,y,train\nc.jpg,x,test\n",
	 {0},
	 "class 2 2/-/1",
	 NULL},
	{"train alone",
	 "path,label,split\na.jpg,x,train\nb.jpg,x,train\nc.jpg,y,train\nq.jpg,y,train\n",
	 {0},
	 "class 2 2/-/~2",
	 NULL},
	{"an unknown split",
	 "path,label,split\na.jpg,x,train\nb.jpg,y,2\n",
	 {0},
	 "!65 unknown split \"2\": m.csv: line 3: write train, val or test",
	 NULL},
	{"an empty split", "path,label,split\na.jpg,x,train\nb.jpg,y,\n", {0}, "!65 unknown split \"\"", NULL},
	{"no training images",
	 "path,label,split\na.jpg,x,test\nb.jpg,y,val\n",
	 {0},
	 "!74 no training images: m.csv",
	 NULL},
	{"a class without training images",
	 "path,label,split\na.jpg,x,train\nb.jpg,y,train\nc.jpg,z,test\n",
	 {0},
	 "!65 class \"z\" has no training images: m.csv",
	 NULL},

	/* Columns. */
	{"customary names",
	 "Image Index,Finding Labels,Patient ID\na.jpg,x,1\nb.jpg,x,2\nc.jpg,y,3\nq.jpg,y,4\n",
	 {0},
	 "class 2 3/-/~1",
	 "path \"Image Index\", label \"Finding Labels\", group \"Patient ID\""},
	{"named columns",
	 "where,kind\na.jpg,x\nb.jpg,x\nc.jpg,y\nq.jpg,y\n",
	 {.path_column = "where", .label_column = "Kind"},
	 "class 2 2/-/~2",
	 "path \"where\", label \"kind\""},
	{"columns that only have such names",
	 "path,label,set,weight\na.jpg,x,7,-1\nb.jpg,x,8,0\nc.jpg,y,7,5\ne.jpg,y,9,5\n",
	 {.split_column = "none", .weight_column = "none"},
	 "class 2 2/-/~2",
	 "path \"path\", label \"label\"; task"},
	{"no column for labels", "path,label\na.jpg,x\n", {.label_column = "none"}, "!78 no column \"none\"", NULL},
	{"no such column",
	 "path,kind\na.jpg,x\n",
	 {.label_column = "type"},
	 "!78 no column \"type\": m.csv: give --label-column one of \"path\", \"kind\"",
	 NULL},
	{"no known label column",
	 "path,kind\na.jpg,x\n",
	 {0},
	 "!65 no column of labels is known: m.csv: the columns of its first line are \"path\", \"kind\"",
	 NULL},
	{"no known path column", "photo,label\na.jpg,x\n", {0}, "!65 no column of paths is known", NULL},
	{"no header", "a.jpg,x\nb.jpg,y\n", {0}, "!65 the columns of its first line are \"a.jpg\", \"x\"", NULL},
	{"two columns of one name",
	 "path,path,label\na.jpg,a.jpg,x\n",
	 {0},
	 "!78 two columns that may have the paths",
	 NULL},
	{"two columns of one name for labels",
	 "path,label,label\na.jpg,x,y\n",
	 {0},
	 "!78 two columns that may have the labels: m.csv: \"label\" and \"label\": give --label-column, or rename one",
	 NULL},
	{"a long label",
	 "path,label\na.jpg,x\nb.jpg," LONG LONG LONG LONG "\n",
	 {0},
	 "!65 a label of 256 bytes, \"0123456789012345678901234567890123456789...\": m.csv: column \"label\": a name "
	 "of a",
	 NULL},
	{"a named column twice", "path,label\na.jpg,x\n", {.label_column = "label,Label"}, "!64 a column twice", NULL},
	{"a header alone", "path,label\n", {0}, "!65 no rows after the first line: m.csv", NULL},
	{"nothing", "", {0}, "!65 an empty file: m.csv", NULL},

	{"two names of one image",
	 "path,label\na.jpg,x\nb.jpg,x\nc.jpg,y\na,y\n",
	 {0},
	 "!65 two rows name one image: m.csv: lines 2 and 5: \"a.jpg\" and \"a\": remove one of them",
	 NULL},
	{"two names of one image in two splits",
	 "path,label,split\na.jpg,x,test\nb.jpg,x,train\nc.jpg,y,train\na,x,train\n",
	 {0},
	 "!65 two rows name one image: m.csv: lines 2 and 5",
	 NULL},
	{"two names in a folder below",
	 "path,label\ng,x\nb.jpg,x\nc.jpg,y\ng.jpg,y\n",
	 {0},
	 "!65 two rows name one image: m.csv: lines 2 and 5: \"g\" and \"g.jpg\"",
	 NULL},

	/* Rows. */
	{"too few fields",
	 "path,label\na.jpg,x\nb.jpg\n",
	 {0},
	 "!65 1 fields, the first line has 2: m.csv: line 3",
	 NULL},
	{"a separator without quotes",
	 "path,label\na.jpg,x,y\n",
	 {0},
	 "!65 3 fields, the first line has 2: m.csv: line 2",
	 NULL},
	{"no path", "path,label\n,x\n", {0}, "!65 no path: m.csv: line 2", NULL},
	{"rows without labels",
	 "path,label\na.jpg,x\nb.jpg,\nc.jpg,x\nq.jpg,y\ne.jpg,y\n",
	 {0},
	 "class 2 2/-/~2",
	 "rows without a label are not used: 1 (first: line 3)"},
	{"no labels at all", "path,label\na.jpg,\nb.jpg,\n", {0}, "!65 no row has a label", NULL},
	{"one class", "path,label\na.jpg,x\nb.jpg,x\n", {0}, "!78 only one class, \"x\": m.csv", NULL},
	{"the same row twice",
	 "path,label\na.jpg,x\n./a.jpg,x\nb.jpg,x\nc.jpg,y\nq.jpg,y\n",
	 {0},
	 "class 2 2/-/~2",
	 "rows that repeat an image count once: 1 (first: line 3)"},
	{"two labels of one image",
	 "path,label\na.jpg,x\nb.jpg,x\na.jpg,y\n",
	 {0},
	 "!65 one image with two labels, \"x\" and \"y\": m.csv: lines 2 and 4: a.jpg",
	 NULL},
	{"two splits of one image",
	 "path,label,split\na.jpg,x,train\nb.jpg,y,train\na.jpg,x,test\n",
	 {0},
	 "!65 one image with two splits: m.csv: lines 2 and 4: a.jpg",
	 NULL},
	{"two groups of one image",
	 "path,label,group\na.jpg,x,1\na.jpg,x,2\n",
	 {0},
	 "!65 one image with two groups",
	 NULL},
	{"weights",
	 "path,label,weight\na.jpg,x,1\nb.jpg,x,0.5\nc.jpg,y,2\nq.jpg,y,1e2\n",
	 {0},
	 "class 2 2/-/~2",
	 "weight \"weight\""},
	{"a negative weight",
	 "path,label,weight\na.jpg,x,1\nb.jpg,x,-1\n",
	 {0},
	 "!65 not a weight \"-1\": m.csv: line 3",
	 NULL},
	{"a weight that is no number",
	 "path,label,weight\na.jpg,x,nan\n",
	 {0},
	 "!65 not a weight \"nan\": m.csv: line 2",
	 NULL},
	{"a weight of zero", "path,label,weight\na.jpg,x,0\n", {0}, "!65 not a weight \"0\"", NULL},
	{"numbers as classes", "path,label\na.jpg,10\nb.jpg,10\nc.jpg,9\nq.jpg,9\n", {0}, "class 2 2/-/~2", NULL},

	/* Tasks. */
	{"labels joined by bars",
	 "path,tags\na.jpg,x|y\nb.jpg,y\nc.jpg,x | z\nq.jpg,z|\n",
	 {0},
	 "labels 3 3/-/~1",
	 "task \"labels\": labels of \"tags\" are joined by |"},
	{"labels joined by ;", "path,tags\na.jpg,x;y\nb.jpg,y\nc.jpg,x\nq.jpg,z\n", {0}, "labels 3 3/-/~1", NULL},
	{"labels joined by spaces",
	 "path,tags\na.jpg,x y\nb.jpg,y\nc.jpg,x\nq.jpg,z\n",
	 {.task = "labels", .label_separator = " "},
	 "labels 3 3/-/~1",
	 NULL},
	{"a separator of two characters",
	 "path,tags\na.jpg,x\n",
	 {.label_separator = "||"},
	 "!64 not one character",
	 NULL},
	{"rows of one label each",
	 "path,label\na.jpg,x\na.jpg,y\nb.jpg,y\nc.jpg,x\nq.jpg,z\n",
	 {.task = "labels"},
	 "labels 3 3/-/~1",
	 NULL},
	{"columns of 0 and 1",
	 "path,x,y\na.jpg,1,0\nb.jpg,0,1\nc.jpg,,1.0\nq.jpg,-1,1\n",
	 {.label_column = "x,y"},
	 "labels 2 3/-/~1",
	 "2 labels \"x\" to \"y\""},
	{"one of the columns",
	 "path,x,y\na.jpg,1,0\nb.jpg,0,1\nc.jpg,1,0\nq.jpg,0,1\n",
	 {.label_column = "x,y", .task = "class"},
	 "class 2 2/-/~2",
	 NULL},
	{"two of the columns",
	 "path,x,y\na.jpg,1,1\n",
	 {.label_column = "x,y", .task = "class"},
	 "!65 an image of 2 classes: m.csv: line 2",
	 NULL},
	{"columns of numbers",
	 "path,x,y\na.jpg,0.5,0\nb.jpg,1,1\n",
	 {.label_column = "x,y"},
	 "!78 label 0.5 in column \"x\": m.csv: line 2",
	 NULL},
	{"columns of words",
	 "path,x,y\na.jpg,1,0\nb.jpg,yes,no\n",
	 {.label_column = "x,y"},
	 "!65 not a number \"yes\": m.csv: line 3",
	 NULL},
	{"numbers",
	 "path,age\na.jpg,10.5\nb.jpg,20\nc.jpg,-3e1\nq.jpg,\n",
	 {.label_column = "age", .task = "value"},
	 "value 1 2/-/~1",
	 "rows without a label are not used: 1"},
	{"several numbers",
	 "path,u,v\na.jpg,1,2\nb.jpg,3,4\nc.jpg,,5\nq.jpg,7,\n",
	 {.label_column = "u,v", .task = "value"},
	 "value 2 3/-/~1",
	 NULL},
	{"numbers without --task",
	 "path,label\na.jpg,10.5\nb.jpg,20\n",
	 {0},
	 "!78 labels are numbers such as 10.5",
	 NULL},
	{"a word among numbers",
	 "path,label\na.jpg,10.5\nb.jpg,old\n",
	 {.task = "value"},
	 "!65 not a number \"old\": m.csv: line 3",
	 NULL},
	{"a decimal comma", "path;label\na.jpg;10,5\n", {.task = "value"}, "!65 not a number \"10,5\"", NULL},
	{"an infinite number", "path,label\na.jpg,1e99\n", {.task = "value"}, "!65 not a number \"1e99\"", NULL},
	{"grades as numbers",
	 "path,level\na.jpg,10\nb.jpg,9\nc.jpg,10\nq.jpg,9\n",
	 {.task = "grade"},
	 "grade 2 2/-/~2",
	 NULL},
	{"grades as words",
	 "path,level\na.jpg,low\nb.jpg,high\nc.jpg,low\nq.jpg,high\n",
	 {.grades = "low, middle,high"},
	 "grade 3 2/-/~2",
	 NULL},
	{"grades without an order",
	 "path,level\na.jpg,low\nb.jpg,high\n",
	 {.task = "grade"},
	 "!78 grade \"high\" is not a number: m.csv: line 3",
	 NULL},
	{"another grade",
	 "path,level\na.jpg,low\nb.jpg,worst\n",
	 {.grades = "low,high"},
	 "!65 grade \"worst\" is not one of --grades low,high: m.csv: line 3",
	 NULL},
	{"the same grade twice",
	 "path,level\na.jpg,1\nb.jpg,1.0\n",
	 {.task = "grade"},
	 "!65 write equal numbers alike",
	 NULL},
	{"grades of another task",
	 "path,level\na.jpg,1\n",
	 {.task = "class", .grades = "1,2"},
	 "!64 grades of the task",
	 NULL},
	{"an unknown task", "path,label\na.jpg,1\n", {.task = "detection"}, "!64 unknown task: --task detection", NULL},

	/* Paths. */
	{"folders",
	 "path,label\nbox/g.jpg,x\nbox\\h.jpg,x\na.jpg,y\nb.jpg,y\n",
	 {0},
	 "class 2 2/-/~2",
	 "backslashes in 1 paths are read as /"},
	{"without extensions",
	 "id_code,diagnosis\na,x\nb,x\nc.jpg,y\nbox/g,y\n",
	 {0},
	 "class 2 2/-/~2",
	 "3 paths of the manifest lack the extension"},
	{"two files fit", "path,label\na,x\ntwice,y\n", {0}, "!65 several files fit \"twice\": m.csv: line 3", NULL},
	{"in folders below",
	 "image_id,dx\nx1,a\nx2.jpg,a\nx3,b\na,b\n",
	 {0},
	 "class 2 2/-/~2",
	 "3 images were found by their names in folders below"},
	{"in two folders below",
	 "path,label\na,x\nsame.jpg,y\n",
	 {0},
	 "!65 several files fit \"same.jpg\": m.csv: line 3",
	 NULL},
	{"one is missing",
	 "path,label\na.jpg,x\nb.jpg,x\nc.jpg,y\nq.jpg,y\ne.jpg,y\nnone.jpg,x\n",
	 {0},
	 "class 2 4/-/~2",
	 "1 of the training images are missing and skipped like damaged ones (first: line 7: none.jpg)"},
	{"most are missing",
	 "path,label\nq/a.jpg,x\nq/b.jpg,x\nc.jpg,y\n",
	 {0},
	 "!74 2 of 3 images are missing: m.csv: line 2: q/a.jpg is not in .",
	 NULL},
	{"names in UTF-8 and Latin-1",
	 "path,label\nb\xc3\xbc.jpg,x\nl\xfc.jpg,x\na.jpg,\xe4\nb.jpg,\xe4\n",
	 {0},
	 "class 2 2/-/~2",
	 NULL},
	{"a file without extension",
	 "path,label\nno extension,x\na.jpg,x\nb.jpg,y\nc.jpg,y\n",
	 {0},
	 "class 2 2/-/~2",
	 NULL},
};

static char top[PATH]; /* the folder that the tests are started in; they work in others */

static int make(void **state)
{
	void *bytes;
	size_t size;
	if (chdir(top) != 0 || scratch_make(state) != 0 || thaw_file_read(&bytes, &size, IMAGE, 1 << 20) != THAW_OK)
		return -1;
	struct scratch *s = *state;
	for (int i = 0; i < 3; i++)
		mkdir(scratch_file(s, ((const char *const[]){"box", "one", "two"})[i]), 0755);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		scratch_put(scratch_file(s, files[i]), bytes, size);
	thaw_free(bytes);
	return 0;
}

static void write_manifest(void **state, const char *text)
{
	assert_int_equal(chdir(((struct scratch *)*state)->path), 0);
	scratch_put("m.csv", text, strlen(text));
}

static const struct thaw_dataset_options plain = {.test_share = 0.25, .seed = 3};

static struct thaw_dataset open_ok(enum thaw_split split, struct thaw_dataset_options options)
{
	struct thaw_dataset d = {0};
	if (thaw_dataset_open(&d, "m.csv", split, &options) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return d;
}

static char *count_text(char text[16], const struct thaw_dataset *d, bool there)
{
	if (!there)
		snprintf(text, 16, "-");
	else
		snprintf(text, 16, "%s%lld", d->found->held_out ? "~" : "", (long long)d->count);
	return text;
}

static void check_found(const struct manifest_case *c, const struct thaw_dataset_options *options)
{
	char found[96], val[16], test[16], text[FOUND_TEXT];
	struct thaw_dataset d[SPLITS] = {open_ok(THAW_SPLIT_TRAIN, *options), open_ok(THAW_SPLIT_VAL, *options),
					 open_ok(THAW_SPLIT_TEST, *options)};
	const struct thaw_dataset *parts[] = {&d[0], &d[1], &d[2]};
	snprintf(found, sizeof(found), "%s %d %lld/%s/%s", thaw_task_name(d[0].task), d[0].classes,
		 (long long)d[0].count, count_text(val, &d[1], d[1].found->split == THAW_SPLIT_VAL),
		 count_text(test, &d[2], d[2].found->split == THAW_SPLIT_TEST));
	found_text(text, "m.csv", parts, SPLITS);
	if (strcmp(found, c->found) != 0 || (c->also && !strstr(text, c->also)))
		fail_msg("%s: %s instead of %s, or no \"%s\" in\n%s", c->name, found, c->found, c->also ? c->also : "",
			 text);
	for (int k = 0; k < SPLITS; k++) {
		struct thaw_encoded_image image;
		for (int64_t i = 0; i < d[k].count && d[k].found->missing == 0; i++) {
			if (d[k].read(&d[k], i, &image) != THAW_OK)
				fail_msg("%s: %s", c->name, thaw_error_message());
			thaw_encoded_image_free(&image);
		}
		thaw_dataset_close(&d[k]);
	}
}

static void described(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct manifest_case *c = &cases[i];
		struct thaw_dataset_options options = plain;
		struct thaw_dataset d = {.classes = 77};
		options.manifest = c->options;
		write_manifest(state, c->text);
		if (c->found[0] != '!') {
			check_found(c, &options);
			continue;
		}
		int wanted = atoi(c->found + 1);
		int status = (int)thaw_dataset_open(&d, "m.csv", THAW_SPLIT_TRAIN, &options);
		if (status != wanted || !strstr(thaw_error_message(), c->found + 4))
			fail_msg("%s: %d instead of %s: %s", c->name, status, c->found, thaw_error_message());
		assert_int_equal(d.classes, 77);
	}
}

static void check_targets(const float *targets, const float *wanted, int count)
{
	for (int i = 0; i < count; i++)
		if (isnan(wanted[i]) ? !isnan(targets[i]) : targets[i] != wanted[i])
			fail_msg("target %d is %g instead of %g", i, targets[i], wanted[i]);
}

/* Classes are sorted; -1 and empty are unknown; rows are in the order of the manifest. */
static void targets(void **state)
{
	struct thaw_dataset_options o = plain;
	o.test_share = 0;
	write_manifest(state, "path,tags,x,y\na.jpg,z|k,1,0\nb.jpg,k,0,-1\nc.jpg,|,,1\n");
	struct thaw_dataset d = open_ok(THAW_SPLIT_TRAIN, o);
	assert_string_equal(d.class_names[0], "k");
	check_targets(d.targets, (const float[]){1, 1, 1, 0, 0, 0}, 6);
	thaw_dataset_close(&d);
	o.manifest.label_column = "y,x";
	d = open_ok(THAW_SPLIT_TRAIN, o);
	assert_string_equal(d.class_names[0], "y");
	check_targets(d.targets, (const float[]){0, 1, NAN, 0, 1, NAN}, 6);
	thaw_dataset_close(&d);
	o.manifest.task = "value";
	d = open_ok(THAW_SPLIT_TRAIN, o);
	check_targets(d.targets, (const float[]){0, 1, -1, 0, 1, NAN}, 6);
	assert_int_equal(d.labels[2], 0);
	thaw_dataset_close(&d);
	write_manifest(state, "path,label\na.jpg,x\nb.jpg,y\na.jpg,z\nb.jpg,\n");
	o.manifest = (struct thaw_manifest_options){.task = "labels"};
	d = open_ok(THAW_SPLIT_TRAIN, o);
	assert_int_equal(d.count, 2);
	check_targets(d.targets, (const float[]){1, 0, 1, 0, 1, 0}, 6);
	thaw_dataset_close(&d);
}

static void classes_and_weights(void **state)
{
	char name[64];
	struct thaw_dataset_options o = plain;
	o.test_share = 0;
	write_manifest(state, "weight,path,label\n0.5,c.jpg,10\n1,b.jpg,9\n2,a.jpg,10\n");
	struct thaw_dataset d = open_ok(THAW_SPLIT_TRAIN, o);
	assert_string_equal(d.class_names[0], "10"); /* bytewise, as folders are */
	assert_int_equal(d.labels[1], 1);
	assert_true(d.weights[0] == 0.5F && d.weights[2] == 2.0F);
	d.name(&d, 2, name, sizeof(name));
	assert_string_equal(name, "a.jpg");
	assert_null(d.groups);
	thaw_dataset_close(&d);
	o.manifest.task = "grade";
	d = open_ok(THAW_SPLIT_TRAIN, o);
	assert_string_equal(d.class_names[0], "9"); /* as numbers */
	assert_int_equal(d.labels[1], 0);
	thaw_dataset_close(&d);
}

/* Nothing is held out, or too little: there is nothing to measure. */
static void empty_parts(void **state)
{
	struct thaw_dataset d = {0};
	struct thaw_dataset_options o = plain;
	write_manifest(state, "path,tags\na.jpg,x|y\nb.jpg,z\n");
	for (int i = 0; i < 2; i++) {
		o.test_share = i == 0 ? 0 : 0.01;
		assert_int_equal(thaw_dataset_open(&d, "m.csv", THAW_SPLIT_VAL, &o), THAW_DATA);
		assert_non_null(strstr(thaw_error_message(), "no samples in this split: m.csv"));
	}
	o.limit_per_class = 1;
	assert_int_equal(thaw_dataset_open(&d, "m.csv", THAW_SPLIT_TRAIN, &o), THAW_USAGE);
	assert_non_null(strstr(thaw_error_message(), "not of one class each: --per-class 1"));
}

/* Paths begin in the folder that is given, else in that of the manifest. */
static void folders(void **state)
{
	struct scratch *s = *state;
	struct thaw_dataset d = {0};
	struct thaw_dataset_options o = plain;
	write_manifest(state, "path,label\ng.jpg,x\nh,y\n");
	o.test_share = 0;
	o.manifest.file = "m.csv";
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "box"), THAW_SPLIT_TRAIN, &o), THAW_OK);
	struct thaw_fingerprint f = thaw_dataset_fingerprint(&d, 1, true);
	assert_true(f.content != 0);
	thaw_dataset_close(&d);
	o.manifest.file = scratch_file(s, "m.csv");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(thaw_dataset_open(&d, NULL, THAW_SPLIT_TRAIN, &o), THAW_OK); /* in the folders below */
	thaw_dataset_close(&d);
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "none"), THAW_SPLIT_TRAIN, &o), THAW_IO);
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "m.csv"), THAW_SPLIT_TRAIN, &o), THAW_USAGE);
	assert_non_null(strstr(thaw_error_message(), "two manifests"));
	char text[2 * PATH];
	snprintf(text, sizeof(text), "path,label\n%s/a.jpg,x\n%s/box/g,y\n", s->path, s->path);
	write_manifest(state, text);
	assert_int_equal(thaw_dataset_open(&d, scratch_file(s, "two"), THAW_SPLIT_TRAIN, &o), THAW_OK);
	thaw_dataset_close(&d);
}

/* Groups that are in two given splits are counted. */
static void groups_across_splits(void **state)
{
	write_manifest(state, "path,label,split,patient\na.jpg,x,train,p1\nb.jpg,y,train,p2\nc.jpg,x,test,p1\n"
			      "q.jpg,y,test,p1\ne.jpg,y,test,p3\nf.jpg,y,test,\n");
	struct thaw_dataset d = open_ok(THAW_SPLIT_TEST, plain);
	assert_int_equal(d.found->groups, 2);
	assert_int_equal(d.groups[3], 0);
	bool noted = false;
	for (int i = 0; i < d.found->note_count; i++)
		noted |= strstr(d.found->notes[i],
				"1 of the 2 groups of the test images, with 2 images, are also in the "
				"training images (first: c.jpg)") != NULL;
	assert_true(noted);
	thaw_dataset_close(&d);
}

/* The digest of a dataset depends on its manifest alone: a file that disappears does not make it another one. */
static void missing_files_keep_the_digest(void **state)
{
	write_manifest(state, "path,label\na,x\nb,x\nc,y\nq,y\ne,y\n");
	struct thaw_dataset d = open_ok(THAW_SPLIT_TRAIN, plain);
	uint64_t before = thaw_dataset_digest(&d);
	assert_int_equal(d.found->missing, 0);
	thaw_dataset_close(&d);
	assert_int_equal(unlink("a.jpg"), 0);
	d = open_ok(THAW_SPLIT_TRAIN, plain);
	assert_int_equal(thaw_dataset_digest(&d), before);
	assert_int_equal(d.found->missing, 1);
	thaw_dataset_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(described, make, scratch_remove),
		cmocka_unit_test_setup_teardown(targets, make, scratch_remove),
		cmocka_unit_test_setup_teardown(classes_and_weights, make, scratch_remove),
		cmocka_unit_test_setup_teardown(empty_parts, make, scratch_remove),
		cmocka_unit_test_setup_teardown(folders, make, scratch_remove),
		cmocka_unit_test_setup_teardown(groups_across_splits, make, scratch_remove),
		cmocka_unit_test_setup_teardown(missing_files_keep_the_digest, make, scratch_remove),
	};
	if (!getcwd(top, sizeof(top)))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
