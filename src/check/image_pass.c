#include "src/check/image_pass.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "src/base/clock.h"
#include "src/base/minmax.h"
#include "src/base/thread.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define LOG_SECONDS  30.0
#define POLL_SECONDS 0.2
#define GATHER_BYTES ((int64_t)1 << 26) /* of one rank in one exchange */

/* What the threads of a rank share. */
struct share {
	const struct thaw_image_pass *pass;
	int64_t first, end; /* of this rank */
	char *records;      /* [end - first] */
	pthread_mutex_t mutex;
	pthread_cond_t done;
	int64_t next;     /* the next image; guarded by the mutex, as are the members below */
	int64_t finished; /* images */
	thaw_status status;
	char *message; /* of a failure */
};

static int64_t first_of(int64_t count, int ranks, int rank)
{
	return count / ranks * rank + min_int64(rank, count % ranks);
}

/* The caller holds the mutex. */
static void record_failure(struct share *s, thaw_status status)
{
	if (status == THAW_OK || s->status != THAW_OK)
		return;
	s->status = status;
	s->message = thaw_strdup(thaw_error_message());
}

static void *run_thread(void *argument)
{
	struct share *s = argument;
	const struct thaw_image_pass *p = s->pass;
	pthread_mutex_lock(&s->mutex);
	while (s->next < s->end && s->status == THAW_OK) {
		int64_t i = s->next++;
		pthread_mutex_unlock(&s->mutex);
		thaw_status status = p->work(p->dataset, p->samples ? p->samples[i] : i,
					     s->records + (size_t)(i - s->first) * p->record_size);
		pthread_mutex_lock(&s->mutex);
		record_failure(s, status);
		s->finished++;
	}
	pthread_cond_signal(&s->done);
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

/* Logs the progress of rank 0, whose share is like that of the others. The caller holds the mutex. */
static void log_progress(const struct share *s, const struct thaw_comm *comm, double *shown)
{
	const struct thaw_callbacks *c = s->pass->callbacks;
	char line[160];
	if (comm->rank != 0 || !c || !c->log || thaw_clock() - *shown < LOG_SECONDS)
		return;
	*shown = thaw_clock();
	snprintf(line, sizeof(line), "%s: %" PRId64 " of %" PRId64, s->pass->what,
		 min_int64(s->finished * comm->size, s->pass->count), s->pass->count);
	c->log(c->context, line);
}

static bool is_over(const struct share *s)
{
	bool all = s->next >= s->end || s->status != THAW_OK;
	return all && s->finished == s->next - s->first;
}

static void wait_for_threads(struct share *s, const struct thaw_comm *comm)
{
	double shown = thaw_clock();
	pthread_mutex_lock(&s->mutex);
	while (!is_over(s)) {
		(void)thaw_cond_wait_until(&s->done, &s->mutex, thaw_clock() + POLL_SECONDS);
		log_progress(s, comm, &shown);
	}
	pthread_mutex_unlock(&s->mutex);
}

static thaw_status run_threads(struct share *s, const struct thaw_comm *comm)
{
	int count = (int)min_int64(max_int(s->pass->threads, 1), s->end - s->first), started = 0, error = 0;
	pthread_t *thread = thaw_alloc((size_t)count, sizeof(*thread));
	if (!thread)
		return THAW_RESOURCE;
	for (; started < count && error == 0; started += error == 0)
		error = thaw_thread_start(&thread[started], run_thread, s);
	if (started > 0)
		wait_for_threads(s, comm);
	for (int t = 0; t < started; t++)
		pthread_join(thread[t], NULL);
	thaw_free(thread);
	if (started == 0 && count > 0)
		return thaw_fail(THAW_RESOURCE, "cannot start a thread: %s: use a smaller --decode-threads",
				 strerror(error));
	return s->status == THAW_OK ? THAW_OK : thaw_fail(s->status, "%s", s->message ? s->message : "out of memory");
}

/* Gathers a part of the records of each rank, `each` records from position `at` of its share on. */
static thaw_status gather_part(struct thaw_comm *comm, const struct share *s, int64_t at, int64_t each, char *mine,
			       char *all, char *records)
{
	const size_t size = s->pass->record_size;
	const int64_t have = max_int64(0, min_int64(each, s->end - s->first - at));
	if (have > 0)
		memcpy(mine, s->records + (size_t)at * size, (size_t)have * size);
	THAW_TRY(comm->gather(comm, mine, (size_t)each * size, all));
	for (int r = 0; comm->rank == 0 && r < comm->size; r++) {
		int64_t first = first_of(s->pass->count, comm->size, r);
		int64_t n = min_int64(each, first_of(s->pass->count, comm->size, r + 1) - first - at);
		if (n > 0)
			memcpy(records + (size_t)(first + at) * size, all + (size_t)(r * each) * size,
			       (size_t)n * size);
	}
	return THAW_OK;
}

static thaw_status gather(struct thaw_comm *comm, const struct share *s, void **records)
{
	const size_t size = s->pass->record_size;
	const int64_t most = s->pass->count / comm->size + 1;
	const int64_t each = min_int64(most, max_int64(1, GATHER_BYTES / (int64_t)size));
	char *mine = thaw_alloc((size_t)each, size), *all = NULL, *made = NULL;
	if (comm->rank == 0) {
		all = thaw_alloc((size_t)(each * comm->size), size);
		made = thaw_alloc((size_t)s->pass->count, size);
	}
	thaw_status status = mine && (comm->rank != 0 || (all && made)) ? THAW_OK : THAW_RESOURCE;
	status = thaw_comm_agree(comm, status);
	for (int64_t at = 0; at < most && status == THAW_OK; at += each)
		status = gather_part(comm, s, at, each, mine, all, made);
	thaw_free(mine);
	thaw_free(all);
	if (status == THAW_OK)
		*records = made;
	else
		thaw_free(made);
	return status;
}

thaw_status thaw_image_pass_run(struct thaw_comm *comm, const struct thaw_image_pass *pass, void **records)
{
	struct share s = {.pass = pass,
			  .first = first_of(pass->count, comm->size, comm->rank),
			  .end = first_of(pass->count, comm->size, comm->rank + 1)};
	*records = NULL;
	s.next = s.first;
	s.records = thaw_alloc((size_t)(s.end - s.first), pass->record_size);
	pthread_mutex_init(&s.mutex, NULL);
	thaw_cond_init(&s.done);
	thaw_status status = s.records ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && s.end > s.first)
		status = run_threads(&s, comm);
	status = thaw_comm_agree(comm, status);
	if (status == THAW_OK)
		status = gather(comm, &s, records);
	pthread_cond_destroy(&s.done);
	pthread_mutex_destroy(&s.mutex);
	thaw_free(s.records);
	thaw_free(s.message);
	return status;
}
