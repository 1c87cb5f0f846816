/* Saves checkpoints during the training, when it is stopped, and when it can no longer be saved. */
#include <stdio.h>

#include "src/base/clock.h"
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "src/train/state_size.h"
#include "thaw/memory.h"

#define SLOW_DISK 5e7 /* bytes per second that any file system writes */

/* What the ranks waited for, and the rest that a thread writes. */
void run_report_save_cost(const struct run *r, double seconds)
{
	double bytes = (double)thaw_state_size(r->model->graph, r->optimizer);
	if (r->callbacks && r->callbacks->save_cost)
		r->callbacks->save_cost(r->callbacks->context, seconds + bytes / SLOW_DISK);
}

static void note_wait(struct run_waits *w, double seconds, double processor)
{
	w->count++;
	w->seconds += seconds;
	w->processor += processor;
	w->longest = max_double(w->longest, seconds);
}

thaw_status run_save(struct run *r, bool best)
{
	thaw_status written;
	double start = r->last_checkpoint = thaw_clock(), used = thaw_clock_thread();
	THAW_TRY(run_compare_weights(r));
	THAW_TRY(run_contents_save(r));
	THAW_TRY(run_write_checkpoint(r, best, &written));
	note_wait(&r->waits, thaw_clock() - start, thaw_clock_thread() - used);
	run_report_save_cost(r, thaw_clock() - start);
	if (written != THAW_OK)
		run_note_unsaved(r, written);
	return THAW_OK;
}

/* One attempt, until the checkpoint is on disk. */
static thaw_status save_once(struct run *r, thaw_status *written)
{
	THAW_TRY(run_write_checkpoint(r, false, written));
	if (*written == THAW_OK && r->comm->rank == 0)
		*written = thaw_checkpoint_flush(r->writer);
	return THAW_OK;
}

/* A full disk may be reported when the bytes are gone; the writer has then made room for a second attempt. */
thaw_status run_save_now(struct run *r, thaw_status *written)
{
	THAW_TRY(run_compare_weights(r));
	THAW_TRY(run_contents_save(r));
	if (r->comm->rank == 0 && thaw_checkpoint_flush(r->writer) != THAW_OK)
		run_log(r, "an earlier checkpoint was not written: %s", thaw_error_message());
	THAW_TRY(save_once(r, written));
	int64_t again = *written == THAW_IO;
	THAW_TRY(r->comm->max(r->comm, &again, 1));
	if (again)
		THAW_TRY(save_once(r, written));
	if (r->comm->rank == 0)
		run_log_removed(r, thaw_checkpoint_poll(r->writer).removed, true);
	return THAW_OK;
}

/* The newest step with a checkpoint; -1: none. Rank 0. */
static int64_t newest_step(const struct run *r)
{
	int64_t *steps, newest = -1;
	int count;
	if (thaw_checkpoint_list(&steps, &count, r->options.out) != THAW_OK)
		return -1;
	for (int i = 0; i < count; i++)
		if (steps[i] <= r->at.total_steps)
			newest = max_int64(newest, steps[i]);
	thaw_free(steps);
	return newest;
}

/* Why the run stops, and from where it can go on. Rank 0. */
static thaw_status fail_unsaved(const struct run *r)
{
	char saved[64] = "there is no checkpoint";
	int64_t newest = newest_step(r);
	const char *reason = r->saving.reason ? r->saving.reason : "out of memory";
	if (r->saving.status == THAW_CONFIG)
		return thaw_fail(THAW_CONFIG, "%s", reason);
	if (newest >= 0)
		snprintf(saved, sizeof(saved), "the newest checkpoint is of step %lld", (long long)newest);
	return thaw_fail(THAW_IO,
			 "stopped at step %lld of %lld, since the run cannot be saved (%s): %s: then run the same "
			 "command again",
			 (long long)r->at.total_steps, (long long)run_total_steps(r), saved, reason);
}

thaw_status run_stop_unsaved(struct run *r)
{
	thaw_status written = THAW_OK;
	int64_t hopeless = r->saving.status == THAW_CONFIG;
	THAW_TRY(r->comm->max(r->comm, &hopeless, 1));
	if (!hopeless)
		THAW_TRY(run_save_now(r, &written));
	if (r->comm->rank == 0 && !hopeless && written == THAW_OK)
		run_note_saved(r);
	return thaw_comm_agree(r->comm, r->comm->rank == 0 && r->saving.given_up ? fail_unsaved(r) : THAW_OK);
}

thaw_status run_save_end(struct run *r)
{
	thaw_status written;
	char *reason = thaw_strdup(thaw_error_message());
	run_metrics_repeat_last(r); /* the next start evaluates again */
	thaw_status status = run_save_now(r, &written);
	if (status == THAW_OK)
		status = thaw_comm_agree(r->comm, written);
	thaw_fail(THAW_IO, "%s (%s): then run the same command again", reason ? reason : "out of memory",
		  status == THAW_OK ? "the state after the last step is saved"
				    : "the state after the last step could not be saved either");
	thaw_free(reason);
	return THAW_IO;
}
