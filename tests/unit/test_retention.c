/* Which checkpoints of a run directory are kept, and failures of writing them. */
#include "tests/unit/checkpoint_sample.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Asserts that exactly these steps have files; ends with -1. */
static void assert_steps(const struct scratch *s, const int *steps)
{
	int count = 0;
	for (; steps[count] >= 0; count++)
		assert_int_equal(access(step_file(s, steps[count]), F_OK), 0);
	if (access(scratch_file(s, "best.json"), F_OK) == 0)
		count++;
	assert_int_equal(scratch_count(s), count);
}
#define assert_steps(s, ...) assert_steps(s, (const int[]){__VA_ARGS__, -1})

static int64_t best_of(const struct scratch *s)
{
	int64_t best = -9;
	assert_int_equal(thaw_checkpoint_best(&best, s->path), THAW_OK);
	return best;
}

static void the_newest_and_the_best_are_kept(void **state)
{
	const struct scratch *s = *state;
	assert_int_equal(best_of(s), -1);
	struct thaw_checkpoint_writer *w = writer(s, 2);
	save(w, 9, false);
	save(w, 10, true);
	for (int step = 11; step <= 14; step++)
		save(w, step, false);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_steps(s, 10, 13, 14);
	save(w, 15, true);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_steps(s, 14, 15);
	assert_int_equal(best_of(s), 15);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);

	/* Another process finds the best one and removes temporary files of this one. */
	scratch_put(scratch_file(s, "step-16.safetensors.zst.0123abcd.tmp"), "x", 1);
	w = writer(s, 2);
	for (int step = 16; step <= 20; step++)
		save(w, step, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	assert_steps(s, 15, 19, 20);
}

/* A record of a checkpoint that was never written. */
static void a_best_that_was_never_written_is_ignored(void **state)
{
	const struct scratch *s = *state;
	static const char record[] = "{\"step\": 3, \"before\": 1}";
	struct thaw_checkpoint_writer *w = writer(s, 2);
	save(w, 1, true);
	save(w, 2, false);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	scratch_put(scratch_file(s, "best.json"), record, strlen(record));
	assert_int_equal(best_of(s), 1);
	save(w, 3, false);
	save(w, 4, false);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_int_equal(best_of(s), 1);
	assert_steps(s, 1, 3, 4);
	scratch_put(scratch_file(s, "best.json"), "{", 1);
	assert_int_equal(save(w, 5, false), THAW_OK);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "best.json"));
	assert_int_equal(access(step_file(s, 1), F_OK), 0);
}

/* A damaged checkpoint does not count as one of the K. */
static void damaged_checkpoints_do_not_count_as_kept(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = writer(s, 2);
	save(w, 1, false);
	save(w, 2, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	damage(step_file(s, 2));
	w = writer(s, 2);
	save(w, 3, false);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_steps(s, 1, 2, 3);
	save(w, 4, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	assert_steps(s, 3, 4);
	/* Nor do files after the step from which a run resumed: they were damaged. */
	damage(step_file(s, 4));
	damage(step_file(s, 3));
	w = writer(s, 2);
	save(w, 1, false);
	save(w, 2, false);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_steps(s, 1, 2, 3, 4);
	save(w, 3, false);
	save(w, 4, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	assert_steps(s, 3, 4);
}

/* A failure is reported once, by the next call; later checkpoints are written. */
static void a_failure_is_reported_once(void **state)
{
	const struct scratch *s = *state;
	struct scratch inner;
	snprintf(inner.path, sizeof(inner.path), "%.400s/run", s->path);
	assert_int_equal(thaw_make_directory(inner.path), THAW_OK);
	struct thaw_checkpoint_writer *w = writer(&inner, 2);
	assert_int_equal(rmdir(inner.path), 0);
	assert_int_equal(save(w, 1, false), THAW_OK);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_IO);
	assert_non_null(strstr(thaw_error_message(), inner.path));
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_int_equal(save(w, 2, false), THAW_OK);
	assert_int_equal(save(w, 3, false), THAW_IO);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_IO);
	assert_int_equal(thaw_make_directory(inner.path), THAW_OK);
	assert_int_equal(save(w, 4, false), THAW_OK);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	assert_steps(&inner, 4);
}

/* The oldest go first, the best one last, and the newest undamaged one stays. */
static void room_is_made_from_the_oldest_on(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = writer(s, 5);
	for (int step = 1; step <= 5; step++)
		save(w, step, step == 1);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	damage(step_file(s, 5));
	w = writer(s, 5);
	assert_true(thaw_checkpoint_make_room(w));
	assert_steps(s, 1, 3, 4, 5);
	assert_true(thaw_checkpoint_make_room(w));
	assert_steps(s, 1, 4, 5);
	assert_true(thaw_checkpoint_make_room(w));
	assert_steps(s, 4, 5);
	assert_false(thaw_checkpoint_make_room(w));
	assert_steps(s, 4, 5);
	struct thaw_checkpoint_news news = thaw_checkpoint_poll(w);
	assert_true(news.completed == 0 && news.removed == 3 && news.failure == THAW_OK);
	assert_int_equal(thaw_checkpoint_poll(w).removed, 0);
	save(w, 6, false);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_int_equal(thaw_checkpoint_poll(w).completed, 1);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
}

static void invalid_options_are_refused(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = NULL;
	struct thaw_checkpoint_options o = {.directory = s->path, .keep_last = 1, .level = 3};
	assert_int_equal(thaw_checkpoint_writer_create(&w, &o), THAW_CONFIG);
	o = (struct thaw_checkpoint_options){.directory = s->path, .keep_last = 2, .level = 0};
	assert_int_equal(thaw_checkpoint_writer_create(&w, &o), THAW_CONFIG);
	o = (struct thaw_checkpoint_options){.directory = scratch_file(s, "none"), .keep_last = 2, .level = 3};
	assert_int_equal(thaw_checkpoint_writer_create(&w, &o), THAW_IO);
	assert_null(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scratch(the_newest_and_the_best_are_kept),
		in_scratch(a_best_that_was_never_written_is_ignored),
		in_scratch(damaged_checkpoints_do_not_count_as_kept),
		in_scratch(a_failure_is_reported_once),
		in_scratch(room_is_made_from_the_oldest_on),
		in_scratch(invalid_options_are_refused),
	};
	return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
