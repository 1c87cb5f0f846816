/* Learns how saves ended, and decides when a failed one is tried again and when to give up.
 *
 * A failed save is reported and tried again at the next step, then at growing intervals, while the training continues:
 * a disk may have room again, a file server come back. The writer itself removes older checkpoints when the disk is
 * full. If all attempts of some time fail, the run stops: what it would still compute could not be kept. Rank 0 only;
 * the slots of the step's sum tell the other ranks.
 */
#include "src/base/clock.h"
#include "src/base/minmax.h"
#include "src/train/run.h"
#include "thaw/memory.h"

#define LOCK_SECONDS   1.0  /* between two checks of the lock */
#define REPORT_SECONDS 60.0 /* between two lines about removed checkpoints */
#define FIRST_WAIT     1.0  /* seconds from the second attempt to the third; doubles */
#define LONGEST_WAIT   10.0 /* seconds between two attempts */
#define LEAST_ATTEMPTS 5    /* before the run stops */
#define PATIENCE       20.0 /* seconds from the first failure, before the run stops */

void run_note_unsaved(struct run *r, thaw_status status)
{
	struct run_saving *s = &r->saving;
	double now = thaw_clock();
	run_log(r, "checkpoint not written, the previous one is kept: %s", thaw_error_message());
	if (s->failures++ == 0)
		s->first_failure = now;
	thaw_free(s->reason);
	s->reason = thaw_strdup(thaw_error_message());
	s->status = status;
	s->next_attempt = s->failures == 1 ? now : now + s->wait;
	s->wait = s->failures == 1 ? FIRST_WAIT : min_double(2.0 * s->wait, LONGEST_WAIT);
	bool hopeless = status == THAW_CONFIG; /* another job has the directory */
	s->given_up = hopeless || (s->failures >= LEAST_ATTEMPTS && now - s->first_failure >= PATIENCE);
}

void run_note_saved(struct run *r)
{
	if (r->saving.failures > 0)
		run_log(r, "checkpoints are written again");
	thaw_free(r->saving.reason);
	r->saving.reason = NULL;
	r->saving.failures = 0;
	r->saving.status = THAW_OK;
	r->saving.given_up = false;
}

void run_log_removed(struct run *r, int removed, bool now)
{
	struct run_saving *s = &r->saving;
	s->removed += removed;
	if (s->removed == 0 || (!now && s->removal_logged > 0.0 && thaw_clock() - s->removal_logged < REPORT_SECONDS))
		return;
	run_log(r, "the disk is full: older checkpoints removed: %d: --out %s: free some space", s->removed,
		r->options.out);
	s->removed = 0;
	s->removal_logged = thaw_clock();
}

/* Learns from the writer how earlier saves ended. Rank 0. */
static void read_news(struct run *r)
{
	struct thaw_checkpoint_news news = thaw_checkpoint_poll(r->writer);
	run_log_removed(r, news.removed, false);
	if (news.failure != THAW_OK)
		run_note_unsaved(r, news.failure);
	else if (news.completed > r->saving.completed) {
		r->saving.completed = news.completed;
		run_note_saved(r);
	}
}

/* A directory that is gone or taken is noticed although no save is due. Rank 0. */
static void check_lock(struct run *r)
{
	struct run_saving *s = &r->saving;
	double now = thaw_clock();
	if (s->failures > 0 || now - s->lock_checked < LOCK_SECONDS)
		return;
	s->lock_checked = now;
	thaw_status status = thaw_lock_check(r->lock);
	if (status != THAW_OK)
		run_note_unsaved(r, status);
}

bool run_watch_saves(struct run *r)
{
	if (!r->writer)
		return false;
	read_news(r);
	check_lock(r);
	return r->saving.failures > 0 && thaw_clock() >= r->saving.next_attempt;
}
