/* Ranks that open tar shards together: each finds what one rank finds alone, and those of a node have it once. */
#include "tests/unit/comm_threads.h"
#include "tests/unit/tar_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include "src/data/tar_index.h"
#include "thaw/dataset.h"
#include "thaw/train.h"

enum { RANKS = 3, PATH = 2 * SCRATCH_PATH, NAME = 256 };

/* Threads share all memory: the first rank's is that of the node. */
static void *node_memory;
static int blocks; /* allocated by the first rank */

static thaw_status share_memory(struct thaw_comm *comm, size_t bytes, void **data)
{
	if (comm->rank == 0) {
		node_memory = thaw_alloc(bytes, 1);
		blocks++;
	}
	comm->barrier(comm);
	*data = node_memory;
	return comm->barrier(comm);
}

static void free_memory(struct thaw_comm *comm, void *data, size_t bytes)
{
	(void)bytes;
	comm->barrier(comm); /* the others may still read it */
	if (comm->rank == 0)
		thaw_free(data);
}

struct together {
	const char *path, *other; /* other: of rank 1; NULL: the same */
	enum thaw_split split;
	struct thaw_dataset_options options;
	bool shared;                      /* the ranks of the node can share memory */
	const struct thaw_dataset *alone; /* NULL: all ranks fail */
	thaw_status status[RANKS];
	bool same[RANKS];
	const int32_t *labels[RANKS];
};

static bool is_same_sample(const struct thaw_dataset *d, const struct thaw_dataset *alone, int64_t i)
{
	char name[NAME], want[NAME];
	void *bytes = NULL, *wanted = NULL;
	size_t size, wanted_size;
	d->name(d, i, name, sizeof(name));
	alone->name(alone, i, want, sizeof(want));
	bool same = strcmp(name, want) == 0 && d->labels[i] == alone->labels[i] &&
		    d->read_file(d, i, &bytes, &size) == THAW_OK &&
		    alone->read_file(alone, i, &wanted, &wanted_size) == THAW_OK && size == wanted_size;
	thaw_free(bytes);
	thaw_free(wanted);
	return same;
}

static bool is_same(const struct thaw_dataset *d, const struct thaw_dataset *alone)
{
	bool same = d->count == alone->count && thaw_dataset_digest(d) == thaw_dataset_digest(alone);
	for (int64_t i = 0; same && i < d->count; i++)
		same = is_same_sample(d, alone, i);
	return same;
}

static void open_rank(struct thaw_comm *comm, void *argument)
{
	struct together *t = argument;
	struct thaw_dataset d = {0};
	const char *path = comm->rank == 1 && t->other ? t->other : t->path;
	if (t->shared) {
		comm->node_alloc = share_memory;
		comm->node_free = free_memory;
	}
	t->status[comm->rank] = thaw_dataset_open_together(comm, &d, path, t->split, &t->options);
	t->same[comm->rank] = t->status[comm->rank] == THAW_OK && t->alone && is_same(&d, t->alone);
	t->labels[comm->rank] = d.labels;
	thaw_dataset_close(&d);
}

/* Opens a split alone and together, with and without memory of the node. */
static void check_split(const char *path, enum thaw_split split, const struct thaw_dataset_options *options)
{
	for (int shared = 0; shared < 2; shared++) {
		struct thaw_dataset alone = {0};
		struct together t = {
			.path = path, .split = split, .options = *options, .shared = shared, .alone = &alone};
		if (thaw_dataset_open(&alone, path, split, options) != THAW_OK)
			fail_msg("%s", thaw_error_message());
		blocks = 0;
		ranks_run(RANKS, open_rank, &t);
		assert_true(shared ? blocks >= 3 : blocks == 0); /* records, labels of shards, labels of the dataset */
		for (int r = 0; r < RANKS; r++)
			assert_true(t.status[r] == THAW_OK && t.same[r]);
		assert_true((t.labels[0] == t.labels[1]) == shared);
		thaw_dataset_close(&alone);
	}
}

/* A shard of `count` images, every third of them of class b, and its index. */
static void put_shard(const struct scratch *s, const char *name, int count)
{
	char members[4096] = "", path[PATH];
	for (int i = 0; i < count; i++)
		snprintf(members + strlen(members), sizeof(members) - strlen(members), "%s%d.jpg %d.cls=%s",
			 i > 0 ? " " : "", i, i, i % 3 == 2 ? "b" : "a");
	snprintf(path, sizeof(path), "%s", scratch_file(s, name));
	tar_write(path, "ustar", members);
	tar_write_index(path);
}

/* 20 training images in 3 lanes, and 6 validation images. */
static void put_lanes(const struct scratch *s)
{
	static const struct {
		const char *name;
		int images;
	} shards[] = {{"train-lane0of3-000000.tar", 4}, {"train-lane0of3-000001.tar", 3},
		      {"train-lane1of3-000000.tar", 7}, {"train-lane2of3-000000.tar", 1},
		      {"train-lane2of3-000001.tar", 5}, {"val-000000.tar", 6}};
	for (size_t i = 0; i < sizeof(shards) / sizeof(*shards); i++)
		put_shard(s, shards[i].name, shards[i].images);
}

static const struct thaw_dataset_options plain = {.test_share = 0.25, .seed = 3};

static void shards_with_indexes(void **state)
{
	const struct scratch *s = *state;
	put_lanes(s);
	check_split(s->path, THAW_SPLIT_TRAIN, &plain);
	check_split(s->path, THAW_SPLIT_VAL, &plain);
}

static void an_index_is_missing(void **state)
{
	const struct scratch *s = *state;
	put_lanes(s);
	unlink(scratch_file(s, "train-lane1of3-000000.tar.index"));
	check_split(s->path, THAW_SPLIT_TRAIN, &plain);
}

/* Only reading all of an index shows that it is damaged. */
static void an_index_is_damaged_behind_its_beginning(void **state)
{
	const struct scratch *s = *state;
	struct stat st;
	char path[PATH];
	put_lanes(s);
	snprintf(path, sizeof(path), "%s", scratch_file(s, "train-lane2of3-000001.tar.index"));
	assert_int_equal(stat(path, &st), 0);
	const struct timespec times[2] = {st.st_mtim, st.st_mtim};
	int fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "\xff\xff", 2, st.st_size / 2), 2);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
	check_split(s->path, THAW_SPLIT_TRAIN, &plain);
}

static void a_part_is_held_out(void **state)
{
	const struct scratch *s = *state;
	struct thaw_dataset_options limited = plain;
	put_shard(s, "a-000000.tar", 14);
	put_shard(s, "a-000001.tar", 13);
	check_split(s->path, THAW_SPLIT_TRAIN, &plain);
	check_split(s->path, THAW_SPLIT_TEST, &plain);
	limited.limit_per_class = 3;
	check_split(s->path, THAW_SPLIT_TRAIN, &limited);
}

static void a_manifest_names_the_images(void **state)
{
	static const char rows[] = "path,label\na-1.tar/2,x\na-0.tar/5.jpg,y\na-0.tar/0,x\na-1.tar/3,y\n";
	const struct scratch *s = *state;
	struct thaw_dataset_options options = plain;
	char path[PATH];
	put_shard(s, "a-0.tar", 6);
	put_shard(s, "a-1.tar", 4);
	snprintf(path, sizeof(path), "%s", scratch_file(s, "m.csv"));
	scratch_put(path, rows, sizeof(rows) - 1);
	options.test_share = 0;
	options.manifest.file = path;
	check_split(s->path, THAW_SPLIT_TRAIN, &options);
}

/* One rank finds other shards, or cannot read one: all ranks fail, none waits. */
static void ranks_fail_together(void **state)
{
	const struct scratch *s = *state;
	static const struct {
		const char *other;
		thaw_status status;
	} cases[] = {{"more", THAW_CONFIG}, {"bytes", THAW_CONFIG}, {"cut", THAW_DATA}};
	char path[PATH], other[PATH];
	snprintf(path, sizeof(path), "%s/one", s->path);
	for (int i = 0; i < 4; i++) {
		snprintf(other, sizeof(other), "%s/%s", s->path, i < 3 ? cases[i].other : "one");
		assert_int_equal(thaw_make_directory(other), THAW_OK);
	}
	put_shard(s, "one/t-0.tar", 6);
	put_shard(s, "more/t-0.tar", 6);
	put_shard(s, "more/t-1.tar", 1);
	tar_write(scratch_file(s, "bytes/t-0.tar"), "ustar",
		  "x.jpg x.cls=a 1.jpg 1.cls=a 2.jpg 2.cls=b 3.jpg 3.cls=a 4.jpg 4.cls=a 5.jpg 5.cls=b");
	scratch_put(scratch_file(s, "cut/t-0.tar"), "\x1F\x8B and more", 10);
	for (int i = 0; i < 6; i++) {
		struct together t = {.path = path, .split = THAW_SPLIT_ALL, .options = plain, .shared = i >= 3};
		snprintf(other, sizeof(other), "%s/%s", s->path, cases[i % 3].other);
		t.other = other;
		ranks_run(RANKS, open_rank, &t);
		for (int r = 0; r < RANKS; r++)
			if (t.status[r] != cases[i % 3].status)
				fail_msg("%s: rank %d: status %d", cases[i % 3].other, r, t.status[r]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shards_with_indexes),
		TEST(an_index_is_missing),
		TEST(an_index_is_damaged_behind_its_beginning),
		TEST(a_part_is_held_out),
		TEST(a_manifest_names_the_images),
		TEST(ranks_fail_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
