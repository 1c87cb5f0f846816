/* Packing datasets as tar shards, and staging shards on the disks of nodes. */
#include "tests/unit/comm_threads.h"
#include "tests/unit/tar_writer.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "thaw/dataset.h"
#include "thaw/found.h"
#include "thaw/image.h"
#include "thaw/lanes.h"
#include "thaw/pack.h"
#include "thaw/stage.h"

enum { PATH = 2 * SCRATCH_PATH };

/* Writes `count` different images to FOLDER/class. Their bytes differ behind the image. */
static void put_images(struct scratch *s, const char *class, int count)
{
	void *image;
	size_t size;
	char folder[PATH], path[PATH + 32];
	static int number;
	snprintf(folder, sizeof(folder), "%s/%s", s->path, class);
	assert_int_equal(thaw_make_directory(folder), THAW_OK);
	assert_int_equal(thaw_file_read(&image, &size, TAR_IMAGE, 1 << 20), THAW_OK);
	char *grown = calloc(size + 1000, 1);
	memcpy(grown, image, size);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%d.x.jpg", folder, i);
		scratch_put(path, grown, size + (size_t)(++number % 999));
	}
	thaw_free(image);
	free(grown);
}

static struct thaw_pack_options options_of(struct scratch *s, const char *data, const char *out, int shards)
{
	static char paths[2][PATH];
	snprintf(paths[0], PATH, "%s/%s", s->path, data);
	snprintf(paths[1], PATH, "%s/%s", s->path, out);
	return (struct thaw_pack_options){
		.data = paths[0], .out = paths[1], .shards = shards, .test_share = 0.25, .seed = 3};
}

/* Packs with all calls; returns the number of shards that were kept. */
static int pack(const struct thaw_pack_options *o)
{
	struct thaw_pack *p;
	struct thaw_packed packed;
	int kept = 0;
	if (thaw_pack_open(&p, o) != THAW_OK || thaw_pack_begin(p) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	for (int i = thaw_pack_count(p) - 1; i >= 0; i--) {
		if (thaw_pack_write(p, i, NULL, NULL, &packed) != THAW_OK)
			fail_msg("%s", thaw_error_message());
		kept += packed.kept;
	}
	assert_int_equal(thaw_pack_end(p), THAW_OK);
	thaw_pack_close(p);
	return kept;
}

static struct thaw_dataset open_data(const char *path, enum thaw_split split)
{
	const struct thaw_dataset_options o = {.test_share = 0.25, .seed = 3};
	struct thaw_dataset d = {0};
	if (thaw_dataset_open(&d, path, split, &o) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return d;
}

/* The datasets have the same images, labels and classes in the same order. */
static void expect_same(const char *one, const char *other, enum thaw_split split)
{
	struct thaw_dataset a = open_data(one, split), b = open_data(other, split);
	assert_int_equal(a.count, b.count);
	assert_int_equal(a.classes, b.classes);
	assert_int_equal(a.task, b.task);
	for (int c = 0; c < a.classes; c++)
		assert_string_equal(a.class_names[c], b.class_names[c]);
	for (int64_t i = 0; i < a.count; i++) {
		struct thaw_fingerprint x = thaw_dataset_fingerprint(&a, i, true);
		struct thaw_fingerprint y = thaw_dataset_fingerprint(&b, i, true);
		assert_int_equal(a.labels[i], b.labels[i]);
		assert_true(x.blocks == y.blocks && x.content == y.content);
	}
	thaw_dataset_close(&a);
	thaw_dataset_close(&b);
}

static void folders_with_splits(void **state)
{
	struct scratch *s = *state;
	put_images(s, "d/train/rose", 7);
	put_images(s, "d/train/a.b c", 6);
	put_images(s, "d/val/rose", 2);
	put_images(s, "d/val/a.b c", 3);
	put_images(s, "d/test/rose", 1);
	put_images(s, "d/test/a.b c", 1);
	struct thaw_pack_options o = options_of(s, "d", "p", 4);
	assert_int_equal(pack(&o), 0);
	for (int split = THAW_SPLIT_TRAIN; split <= THAW_SPLIT_VAL; split++)
		expect_same(o.data, o.out, (enum thaw_split)split);
	struct thaw_dataset d = open_data(o.out, THAW_SPLIT_TRAIN);
	char name[256];
	d.name(&d, 12, name, sizeof(name));
	assert_string_equal(name, "train-000003.tar/00000012_6_x.jpg");
	thaw_dataset_close(&d);
}

static void folders_without_splits(void **state)
{
	struct scratch *s = *state;
	put_images(s, "d/x", 9);
	put_images(s, "d/y", 8);
	struct thaw_pack_options o = options_of(s, "d", "p", 2);
	pack(&o);
	expect_same(o.data, o.out, THAW_SPLIT_TRAIN); /* the same images are held out */
	expect_same(o.data, o.out, THAW_SPLIT_TEST);
	expect_same(o.data, o.out, THAW_SPLIT_ALL);
	assert_int_equal(access(scratch_file(s, "p/shard-000001.tar.index"), F_OK), 0);
}

static void shards_of_lanes(void **state)
{
	struct scratch *s = *state;
	put_images(s, "d/x", 13);
	put_images(s, "d/y", 10);
	struct thaw_pack_options o = options_of(s, "d", "p", 6);
	o.lanes = 3;
	pack(&o);
	expect_same(o.data, o.out, THAW_SPLIT_TRAIN);
	expect_same(o.data, o.out, THAW_SPLIT_TEST);
	struct thaw_dataset d = open_data(o.out, THAW_SPLIT_TRAIN);
	char wanted[32];
	for (int64_t i = 0; i < d.count; i++) {
		snprintf(wanted, sizeof(wanted), "train-lane%dof3", (int)(i % 3));
		assert_non_null(strstr(d.parts->path(&d, d.parts->of_sample(&d, i)), wanted));
	}
	thaw_dataset_close(&d);
	/* Fewer images than lanes in a split. */
	put_images(s, "e/train/x", 9);
	put_images(s, "e/train/y", 9);
	put_images(s, "e/val/x", 1);
	put_images(s, "e/val/y", 1);
	o = options_of(s, "e", "q", 3);
	o.lanes = 3;
	pack(&o);
	expect_same(o.data, o.out, THAW_SPLIT_VAL);
}

static void a_shuffled_packing(void **state)
{
	struct scratch *s = *state;
	bool mixed = false;
	put_images(s, "d/train/x", 20);
	put_images(s, "d/train/y", 20);
	put_images(s, "d/val/x", 2);
	put_images(s, "d/val/y", 2);
	struct thaw_pack_options o = options_of(s, "d", "p", 2);
	o.shuffle = true;
	pack(&o);
	struct thaw_dataset d = open_data(o.out, THAW_SPLIT_TRAIN);
	int64_t ones = 0;
	for (int64_t i = 0; i < d.count; i++) {
		ones += d.labels[i];
		mixed |= i < 20 && d.labels[i] == 1;
	}
	assert_int_equal(d.count, 40);
	assert_int_equal(ones, 20);
	assert_true(mixed);
	thaw_dataset_close(&d);
}

/* Pixels become a PNG, which has the same pixels. */
static void pixels_of_other_formats(void **state)
{
	struct scratch *s = *state;
	uint8_t record[3073];
	assert_int_equal(mkdir(scratch_file(s, "c"), 0777), 0);
	scratch_put(scratch_file(s, "c/batches.meta.txt"), "x\ny\n", 4);
	for (size_t i = 0; i < sizeof(record); i++)
		record[i] = (uint8_t)(i * i / 7);
	for (int f = 0; f < 6; f++) {
		char name[32];
		snprintf(name, sizeof(name), f < 5 ? "c/data_batch_%d.bin" : "c/test_batch.bin", f + 1);
		record[0] = (uint8_t)(f % 2);
		record[1] = (uint8_t)f;
		scratch_put(scratch_file(s, name), record, sizeof(record));
	}
	struct thaw_pack_options o = options_of(s, "c", "p", 2);
	pack(&o);
	struct thaw_dataset a = open_data(o.data, THAW_SPLIT_TRAIN), b = open_data(o.out, THAW_SPLIT_TRAIN);
	assert_int_equal(b.count, 5);
	for (int64_t i = 0; i < a.count; i++) {
		struct thaw_encoded_image x, y;
		assert_int_equal(a.read(&a, i, &x), THAW_OK);
		assert_int_equal(b.read(&b, i, &y), THAW_OK);
		assert_int_equal(b.labels[i], a.labels[i]);
		assert_memory_equal(x.image.pixels, y.image.pixels, 3 * 32 * 32);
		thaw_encoded_image_free(&x);
		thaw_encoded_image_free(&y);
	}
	thaw_dataset_close(&a);
	thaw_dataset_close(&b);
}

static void targets_and_weights(void **state)
{
	struct scratch *s = *state;
	static const char *const members[] = {
		"a.jpg a.json={\"labels\":[\"x\",\"z\"]} b.jpg "
		"b.json={\"labels\":[],\"unknown\":[\"y\"],\"weight\":0.25}",
		"a.jpg a.json={\"values\":[0.1,null]} b.jpg b.json={\"values\":[-3,7.5]}",
		"a.jpg a.json={\"grade\":2} b.jpg b.json={\"grade\":0,\"weight\":3}",
		"a.jpg a.cls=1 a.json={\"weight\":0.3} b.jpg b.cls=0",
	};
	for (int k = 0; k < 4; k++) {
		char data[16], out[16];
		snprintf(data, sizeof(data), "d%d", k);
		snprintf(out, sizeof(out), "p%d", k);
		assert_int_equal(mkdir(scratch_file(s, data), 0777), 0);
		strcat(data, "/s.tar");
		tar_write(scratch_file(s, data), "ustar", members[k]);
		data[2] = '\0';
		struct thaw_pack_options o = options_of(s, data, out, 1);
		pack(&o);
		expect_same(o.data, o.out, THAW_SPLIT_ALL);
		struct thaw_dataset a = open_data(o.data, THAW_SPLIT_ALL), b = open_data(o.out, THAW_SPLIT_ALL);
		for (int i = 0; a.targets && i < 2 * a.classes; i++)
			assert_true(a.targets[i] == b.targets[i] || (isnan(a.targets[i]) && isnan(b.targets[i])));
		assert_true(!a.weights == !b.weights);
		for (int i = 0; a.weights && i < 2; i++)
			assert_true(a.weights[i] == b.weights[i]);
		thaw_dataset_close(&a);
		thaw_dataset_close(&b);
	}
}

static void expect_refused(const struct thaw_pack_options *o, thaw_status status, const char *text)
{
	struct thaw_pack *p = NULL;
	thaw_status got = thaw_pack_open(&p, o);
	if (got == THAW_OK)
		got = thaw_pack_begin(p);
	if (got != status || !strstr(thaw_error_message(), text))
		fail_msg("%d: %s", (int)got, thaw_error_message());
	thaw_pack_close(p);
}

static bool stop_at_once(void *context)
{
	int *calls = context;
	return ++*calls > 3;
}

static void an_interrupted_packing(void **state)
{
	struct scratch *s = *state;
	struct thaw_pack *p;
	struct thaw_packed packed;
	int calls = 0;
	put_images(s, "d/x", 6);
	put_images(s, "d/y", 6);
	struct thaw_pack_options o = options_of(s, "d", "p", 3);
	assert_int_equal(thaw_pack_open(&p, &o), THAW_OK);
	assert_int_equal(thaw_pack_begin(p), THAW_OK);
	expect_refused(&o, THAW_CONFIG, "another process is packing");
	assert_int_equal(thaw_pack_write(p, 0, NULL, NULL, &packed), THAW_OK);
	assert_int_equal(packed.images, 4);
	assert_int_equal(thaw_pack_write(p, 1, stop_at_once, &calls, &packed), THAW_UNFINISHED);
	thaw_pack_close(p);
	assert_int_not_equal(access(scratch_file(s, "p/shard-000001.tar"), F_OK), 0);
	struct thaw_dataset d = {0};
	const struct thaw_dataset_options plain = {.test_share = 0.25, .seed = 3};
	assert_int_equal(thaw_dataset_open(&d, o.out, THAW_SPLIT_ALL, &plain), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "run the same thaw pack command again"));
	scratch_put(scratch_file(s, "p/shard-000001.tar.12345678.tmp"), "x", 1); /* of a process that was killed */
	unlink(scratch_file(s, "p/shard-000000.tar.index"));
	assert_int_equal(pack(&o), 1);
	assert_int_not_equal(access(scratch_file(s, "p/shard-000001.tar.12345678.tmp"), F_OK), 0);
	expect_same(o.data, o.out, THAW_SPLIT_ALL);
	assert_int_equal(pack(&o), 3);
	/* A picture was replaced. */
	unlink(scratch_file(s, "d/x/0.x.jpg"));
	scratch_put(scratch_file(s, "d/x/0.x.jpg"), "other", 5);
	assert_int_equal(pack(&o), 2);
	expect_same(o.data, o.out, THAW_SPLIT_ALL);
}

static void wrong_places_and_options(void **state)
{
	struct scratch *s = *state;
	put_images(s, "d/x", 3);
	put_images(s, "d/y", 3);
	struct thaw_pack_options o = options_of(s, "d", "d/p", 2);
	expect_refused(&o, THAW_CONFIG, "inside the dataset");
	assert_int_not_equal(access(o.out, F_OK), 0);
	o = options_of(s, "d", "p", 7);
	expect_refused(&o, THAW_USAGE, "more shards than images");
	o.shards = 5, o.lanes = 2;
	expect_refused(&o, THAW_USAGE, "with --lanes 2 give 6");
	o.shards = 4, o.shuffle = true;
	expect_refused(&o, THAW_USAGE, "--shuffle");
	o = options_of(s, "d", "p", 2);
	assert_int_equal(mkdir(o.out, 0777), 0);
	scratch_put(scratch_file(s, "p/mine.txt"), "x", 1);
	expect_refused(&o, THAW_CONFIG, "the folder has other files");
	unlink(scratch_file(s, "p/mine.txt"));
	pack(&o);
	o.shards = 3;
	expect_refused(&o, THAW_CONFIG, "of other images, or of other flags");
	put_images(s, "e/a\nb", 3);
	put_images(s, "e/c", 3);
	o = options_of(s, "e", "q", 2);
	expect_refused(&o, THAW_DATA, "class name with a line feed");
}

/* ---- Staging ------------------------------------------------------------------------------------------- */

enum { LANES = 4, RANKS = 2 };

struct stage_case {
	const char *data, *limit;
	char folder[RANKS][PATH];
	char message[RANKS][1024], log[4096];
	int64_t in_copies[RANKS], wrong[RANKS]; /* samples of own lanes that are read from a copy; unreadable ones */
};

static void add_line(void *context, const char *line)
{
	struct stage_case *c = context;
	strncat(c->log, line, sizeof(c->log) - strlen(c->log) - 1);
	strncat(c->log, "\n", sizeof(c->log) - strlen(c->log) - 1);
}

static void stage_rank(struct thaw_comm *comm, void *argument)
{
	struct stage_case *c = argument;
	const struct thaw_dataset_options o = {.test_share = 0.25, .seed = 3};
	const struct thaw_callbacks callbacks = {.context = c, .log = comm->rank == 0 ? add_line : NULL};
	struct thaw_dataset d = {0}, *datasets[] = {&d};
	thaw_status status = thaw_dataset_open(&d, c->data, THAW_SPLIT_TRAIN, &o);
	if (status == THAW_OK)
		status = thaw_stage(comm, c->folder[comm->rank], c->limit, datasets, 1, LANES, &callbacks);
	c->in_copies[comm->rank] = c->wrong[comm->rank] = 0;
	snprintf(c->message[comm->rank], sizeof(c->message[0]), "%s", status == THAW_OK ? "" : thaw_error_message());
	for (int64_t i = 0; status == THAW_OK && i < d.count; i++) {
		struct thaw_encoded_image encoded;
		bool own = i % LANES / (LANES / RANKS) == comm->rank;
		bool copied = strncmp(d.parts->path(&d, d.parts->of_sample(&d, i)), c->folder[comm->rank],
				      strlen(c->folder[comm->rank])) == 0;
		c->in_copies[comm->rank] += copied && own;
		c->wrong[comm->rank] += copied && !own;
		if (d.read(&d, i, &encoded) == THAW_OK)
			thaw_encoded_image_free(&encoded);
		else
			c->wrong[comm->rank]++;
	}
	thaw_dataset_close(&d);
}

static void stage(struct stage_case *c)
{
	c->log[0] = '\0';
	ranks_run(RANKS, stage_rank, c);
	for (int r = 0; r < RANKS; r++)
		if (c->message[r][0] || c->wrong[r])
			fail_msg("rank %d: %d wrong: %s", r, (int)c->wrong[r], c->message[r]);
}

static void expect_log(const struct stage_case *c, const char *text)
{
	if (!strstr(c->log, text))
		fail_msg("not \"%s\":\n%s", text, c->log);
}

/* The first file of a folder that ends so. */
static const char *find_file(const char *folder, const char *end)
{
	static char path[2 * PATH];
	DIR *d = opendir(folder);
	for (const struct dirent *e; (e = readdir(d));)
		if (strlen(e->d_name) > strlen(end) && strcmp(e->d_name + strlen(e->d_name) - strlen(end), end) == 0)
			snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
	closedir(d);
	return path;
}

static void nodes_copy_their_shards(void **state)
{
	struct scratch *s = *state;
	struct stage_case c = {0};
	put_images(s, "d/train/x", 20);
	put_images(s, "d/train/y", 20);
	put_images(s, "d/val/x", 2);
	put_images(s, "d/val/y", 2);
	struct thaw_pack_options o = options_of(s, "d", "p", 2 * LANES);
	o.lanes = LANES;
	pack(&o);
	c.data = o.out;
	for (int r = 0; r < RANKS; r++) /* each rank is a node */
		snprintf(c.folder[r], PATH, "%s/local%d", s->path, r);
	stage(&c);
	expect_log(&c, "8 shards copied");
	assert_true(c.in_copies[0] == 20 && c.in_copies[1] == 20);
	stage(&c);
	expect_log(&c, "0 shards copied (0.0 MB), 8 there");
	/* A copy with other bytes of the same size is made anew. */
	int fd = open(find_file(c.folder[0], ".tar"), O_WRONLY);
	assert_int_equal(pwrite(fd, "?", 1, 700), 1);
	close(fd);
	stage(&c);
	expect_log(&c, "1 shards copied");
	expect_log(&c, "7 there");
	/* So is one without a record, of a start that was killed. */
	unlink(find_file(c.folder[1], ".stage"));
	stage(&c);
	expect_log(&c, "1 shards copied");
	/* Copies beyond the limit are removed. */
	c.limit = "0";
	stage(&c);
	expect_log(&c, "0 shards copied (0.0 MB), 0 there");
	expect_log(&c, "8 shards");
	expect_log(&c, "are read from where they are: no room");
	c.limit = "many";
	ranks_run(RANKS, stage_rank, &c);
	assert_non_null(strstr(c.message[0], "not a size: --stage-limit many"));
}

static void copies_of_changed_shards(void **state)
{
	struct scratch *s = *state;
	struct stage_case c = {0};
	put_images(s, "d/x", 20);
	put_images(s, "d/y", 20);
	struct thaw_pack_options o = options_of(s, "d", "p", LANES);
	o.lanes = LANES;
	pack(&o);
	c.data = o.out;
	for (int r = 0; r < RANKS; r++) /* the two share a disk */
		snprintf(c.folder[r], PATH, "%s/local", s->path);
	ranks_run(RANKS, stage_rank, &c);
	expect_log(&c, "4 shards copied");
	scratch_put(scratch_file(s, "local/mine.tar"), "x", 1);
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	assert_int_equal(utimensat(AT_FDCWD, scratch_file(s, "p/train-lane0of4-000000.tar"), times, 0), 0);
	c.log[0] = '\0';
	ranks_run(RANKS, stage_rank, &c);
	expect_log(&c, "1 shards copied");
	assert_int_equal(access(scratch_file(s, "local/mine.tar"), F_OK), 0);
	/* Another program removes a copy. */
	struct thaw_dataset d = open_data(o.out, THAW_SPLIT_TRAIN), *datasets[] = {&d};
	struct thaw_comm alone = thaw_comm_alone();
	struct thaw_encoded_image encoded;
	assert_int_equal(thaw_stage(&alone, c.folder[0], NULL, datasets, 1, LANES, NULL), THAW_OK);
	unlink(d.parts->path(&d, d.parts->of_sample(&d, 0)));
	assert_int_equal(d.read(&d, 0, &encoded), THAW_OK);
	thaw_encoded_image_free(&encoded);
	thaw_dataset_close(&d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(folders_with_splits),      TEST(folders_without_splits),   TEST(shards_of_lanes),
		TEST(a_shuffled_packing),       TEST(pixels_of_other_formats),  TEST(targets_and_weights),
		TEST(an_interrupted_packing),   TEST(wrong_places_and_options), TEST(nodes_copy_their_shards),
		TEST(copies_of_changed_shards),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
