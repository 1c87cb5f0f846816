/* Digests of the images of a run: which rank has which, the file of all, changes, and damaged files. */
#include "tests/scratch.h"

#include "src/train/contents_file.h"
#include "tests/unit/comm_threads.h"
#include "thaw/file.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"

enum { MAX_RANKS = 4 };

static uint64_t digest_of(int64_t sample)
{
	return 1000 + (uint64_t)sample;
}

/* Each sample is at one position of one rank, and is found again there. */
static void every_sample_has_one_place(void **state)
{
	(void)state;
	for (int64_t samples = 0; samples < 23; samples++)
		for (int lanes = 1; lanes <= 9; lanes++)
			for (int ranks = 1; ranks <= lanes; ranks++) {
				int64_t next = 0, seen = 0;
				for (int rank = 0; rank < ranks; rank++) {
					struct thaw_contents *c;
					assert_int_equal(thaw_contents_create(&c, samples, lanes, ranks, rank),
							 THAW_OK);
					assert_int_equal(c->begin, next);
					next = c->end;
					for (int lane = thaw_lanes_first(lanes, ranks, rank);
					     lane < thaw_lanes_first(lanes, ranks, rank + 1); lane++)
						for (int64_t i = lane; i < samples; i += lanes, seen++)
							thaw_contents_note(c, i, digest_of(i));
					for (int64_t at = c->begin; at < c->end; at++)
						assert_int_equal(c->digest[at - c->begin],
								 digest_of(thaw_contents_sample(c, at)));
					thaw_contents_destroy(c);
				}
				assert_int_equal(next, samples);
				assert_int_equal(seen, samples);
			}
}

static void even_parts_cover_all(void **state)
{
	(void)state;
	for (int64_t samples = 0; samples < 9; samples++)
		for (int ranks = 1; ranks <= 12; ranks++) {
			int64_t next = 0;
			for (int rank = 0; rank < ranks; rank++) {
				struct thaw_contents *c;
				assert_int_equal(thaw_contents_create_even(&c, samples, 3, ranks, rank), THAW_OK);
				assert_int_equal(c->begin, next);
				next = c->end;
				thaw_contents_destroy(c);
			}
			assert_int_equal(next, samples);
		}
}

static void changes_are_noted_once(void **state)
{
	(void)state;
	struct thaw_contents *c;
	assert_int_equal(thaw_contents_create(&c, 5, 2, 1, 0), THAW_OK);
	c->phase = 1;
	c->epoch = 3;
	thaw_contents_note(c, 4, 7);
	assert_true(c->dirty);
	c->dirty = false;
	thaw_contents_note(c, 4, 7);
	thaw_contents_note(c, 3, 0); /* not read */
	assert_false(c->dirty);
	assert_int_equal(c->change_count, 0);
	thaw_contents_note(c, 4, 8);
	thaw_contents_note(c, 4, 8);
	assert_true(c->dirty);
	assert_int_equal(c->change_count, 1);
	assert_int_equal(c->change[0].sample, 4);
	assert_int_equal(c->change[0].was, 7);
	assert_int_equal(c->change[0].is, 8);
	assert_int_equal(c->change[0].phase, 1);
	assert_int_equal(c->change[0].epoch, 3);
	for (uint64_t k = 0; k < 2 * CONTENTS_CHANGES; k++)
		thaw_contents_note(c, 0, 100 + k);
	assert_int_equal(c->change_count, 2 * CONTENTS_CHANGES);
	thaw_contents_note(NULL, 0, 1);
	thaw_contents_destroy(c);
}

/* What the ranks do together. */
struct job {
	const char *path;
	int lanes;
	bool save;
	int64_t counts[CONTENTS_PARTS];
	uint64_t sum[MAX_RANKS]; /* of the rank's digests */
	thaw_status status[MAX_RANKS];
	bool header; /* rank 0 has the line that was written */
	char message[256];
};

static const char *const kinds[CONTENTS_PARTS] = {"training", "test", NULL};

static thaw_status save_or_load(struct thaw_comm *comm, struct job *job, struct thaw_contents **part)
{
	thaw_status written = THAW_OK;
	json_t *header = job->save ? json_pack("{s:s}", "data", "/data") : NULL;
	thaw_status status = job->save ? thaw_contents_save(comm, part, kinds, header, job->path, &written)
				       : thaw_contents_load(comm, part, &header, job->path);
	const char *data = json_string_value(json_object_get(header, "data"));
	if (comm->rank == 0)
		job->header = data && strcmp(data, "/data") == 0 &&
			      json_integer_value(json_object_get(header, "lanes")) == job->lanes;
	json_decref(header);
	return status == THAW_OK ? written : status;
}

static void run_rank(struct thaw_comm *comm, void *argument)
{
	struct job *job = argument;
	struct thaw_contents *part[CONTENTS_PARTS] = {0};
	int64_t unread = 0;
	thaw_status status = THAW_OK;
	for (int p = 0; p < CONTENTS_PARTS && status == THAW_OK; p++) {
		if (job->counts[p] > 0)
			status = thaw_contents_create(&part[p], job->counts[p], job->lanes, comm->size, comm->rank);
		for (int64_t at = part[p] ? part[p]->begin : 0; job->save && part[p] && at < part[p]->end; at++)
			thaw_contents_note(part[p], thaw_contents_sample(part[p], at),
					   digest_of(thaw_contents_sample(part[p], at)) + (uint64_t)p);
	}
	job->status[comm->rank] = status == THAW_OK ? save_or_load(comm, job, part) : status;
	if (comm->rank == 0)
		snprintf(job->message, sizeof(job->message), "%s", thaw_error_message());
	job->sum[comm->rank] = 0;
	for (int p = 0; p < CONTENTS_PARTS; p++) {
		if (part[p])
			job->sum[comm->rank] += thaw_contents_sum(part[p], &unread);
		thaw_contents_destroy(part[p]);
	}
}

/* The sum over the ranks, after all of them succeeded. */
static uint64_t run_job(struct job *job, int ranks)
{
	uint64_t sum = 0;
	ranks_run(ranks, run_rank, job);
	for (int rank = 0; rank < ranks; rank++) {
		if (job->status[rank] != THAW_OK)
			fail_msg("rank %d of %d: %s", rank, ranks, job->message);
		sum += job->sum[rank];
	}
	assert_true(job->header);
	return sum;
}

static void any_number_of_ranks_reads_what_any_wrote(void **state)
{
	struct job job = {.path = scratch_file(*state, CONTENTS_FILE), .lanes = 5, .counts = {17, 3, 0}};
	uint64_t sum = 0;
	for (int writers = 1; writers <= MAX_RANKS; writers++) {
		job.save = true;
		uint64_t written = run_job(&job, writers);
		assert_true(sum == 0 || written == sum);
		sum = written;
		job.save = false;
		for (int readers = 1; readers <= MAX_RANKS; readers++)
			assert_int_equal(run_job(&job, readers), sum);
	}
}

static void load_fails(struct job *job, const char *words)
{
	ranks_run(2, run_rank, job);
	assert_int_equal(job->status[0], THAW_DATA);
	assert_int_equal(job->status[1], THAW_DATA);
	if (!strstr(job->message, words))
		fail_msg("wanted \"%s\": %s", words, job->message);
}

static void damaged_files_are_refused(void **state)
{
	struct job job = {.path = scratch_file(*state, CONTENTS_FILE), .lanes = 5, .save = true, .counts = {17, 3, 0}};
	void *bytes;
	size_t size;
	const uint64_t sum = run_job(&job, 1);
	job.save = false;
	assert_int_equal(thaw_file_read(&bytes, &size, job.path, 1 << 20), THAW_OK);
	for (size_t at = 0; at < size; at++) {
		((unsigned char *)bytes)[at] ^= 1;
		scratch_put(job.path, bytes, size);
		ranks_run(2, run_rank, &job);
		if (job.status[0] == THAW_OK) /* zstd has bits without a meaning */
			assert_int_equal(job.sum[0] + job.sum[1], sum);
		else
			load_fails(&job, "damaged file: ");
		((unsigned char *)bytes)[at] ^= 1;
		scratch_put(job.path, bytes, at);
		load_fails(&job, "damaged file: ");
	}
	scratch_put(job.path, bytes, size);
	job.counts[1] = 4;
	load_fails(&job, "the digests are not those of these images: ");
	job.counts[1] = 0;
	load_fails(&job, "the digests are not those of these images: ");
	job.counts[1] = 3;
	job.lanes = 4;
	load_fails(&job, "the digests are not those of these images: ");
	thaw_free(bytes);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sample_has_one_place),
		cmocka_unit_test(even_parts_cover_all),
		cmocka_unit_test(changes_are_noted_once),
		TEST(any_number_of_ranks_reads_what_any_wrote),
		TEST(damaged_files_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
