#include "mpi/watch.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "mpi/beat.h"
#include "mpi/try.h"
#include "mpi/watch_rules.h"
#include "src/base/clock.h"
#include "src/base/minmax.h"
#include "src/base/thread.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define BEATS_PER_TIMEOUT 30
#define LONGEST_BEAT      2.0  /* seconds */
#define NAP_AFTER         10.0 /* seconds of waiting, from which on a rank does not use its core fully */
#define NAP_NS            1000000L
#define ABORT_SECONDS     5.0 /* for MPI_Abort, before this process ends by itself */

enum stage { STARTING, RUNNING, LEAVING };

struct thaw_watch {
	struct thaw_watch_options options;
	pthread_t thread;
	atomic_bool closing;
	atomic_int stage;
	atomic_int ending;     /* exit code with which the job must end; 0: none */
	atomic_int waiting;    /* the main thread waits for other ranks */
	atomic_ullong moved;   /* messages that the main thread has completed */
	_Atomic double limit;  /* the timeout in effect */
	pthread_mutex_t mutex; /* guards `rules` */
	struct watch_rules *rules;

	/* Of the main thread. */
	MPI_Comm comm;
	double wait_start, last_step;
	double steps[THAW_WATCH_STEPS]; /* seconds of the newest steps */
	int64_t step_count;

	/* Of both, constant while RUNNING. */
	int rank, size, socket;
	uint64_t token;
	struct thaw_place here;
	struct thaw_place *places; /* rank 0: [size]; other ranks: [1], of rank 0 */
};

static void say(const struct thaw_watch *w, const char *line)
{
	if (w->options.log)
		w->options.log(w->options.context, line);
}

/* Rank 0 sends to all others, these to rank 0. */
static void send_beats(const struct thaw_watch *w, int end)
{
	int peers = w->rank == 0 ? w->size - 1 : 1;
	for (int i = 0; i < peers; i++) {
		int to = w->rank == 0 ? i + 1 : 0;
		struct thaw_beat beat = {
			.token = w->token,
			.from = w->rank,
			.to = to,
			.end = end,
			.waiting = atomic_load(&w->waiting),
			.moved = atomic_load(&w->moved),
		};
		thaw_beat_send(w->socket, &w->here, &w->places[w->rank == 0 ? to : 0], &beat);
	}
}

/* Ends this process: through the main thread's MPI_Abort, which ends all ranks, if it gets there in time. */
static void end_process(struct thaw_watch *w, int code)
{
	const struct timespec nap = {.tv_nsec = 100 * NAP_NS};
	double start = thaw_clock();
	atomic_store(&w->ending, code);
	while (atomic_load(&w->stage) == RUNNING && thaw_clock() - start < ABORT_SECONDS)
		nanosleep(&nap, NULL);
	_Exit(code);
}

static void receive_beats(struct thaw_watch *w)
{
	/* The rank that ends the job calls MPI_Abort, which prints a page: once is enough. */
	const struct timespec wait = {.tv_sec = 2};
	struct thaw_beat beat;
	while (thaw_beat_receive(w->socket, w->token, w->rank, &beat)) {
		if (beat.end != 0) {
			nanosleep(&wait, NULL);
			end_process(w, beat.end);
		}
		pthread_mutex_lock(&w->mutex);
		watch_rules_heard(w->rules, &beat);
		pthread_mutex_unlock(&w->mutex);
	}
}

static bool next_line(struct thaw_watch *w, const struct watch_state *now, double seconds, char *line, int *end)
{
	pthread_mutex_lock(&w->mutex);
	bool any = watch_rules_tick(w->rules, now, seconds, line, end);
	pthread_mutex_unlock(&w->mutex);
	return any;
}

static void tick(struct thaw_watch *w, double seconds)
{
	struct watch_state now = {
		.stage = atomic_load(&w->stage) == STARTING  ? WATCH_STARTING
			 : atomic_load(&w->stage) == RUNNING ? WATCH_RUNNING
							     : WATCH_LEAVING,
		.limit = atomic_load(&w->limit),
		.waiting = atomic_load(&w->waiting) != 0,
		.moved = atomic_load(&w->moved),
		.stop = w->options.stop && w->options.stop(w->options.context),
	};
	char line[WATCH_LINE_SIZE];
	int end = 0;
	while (end == 0 && next_line(w, &now, seconds, line, &end)) {
		say(w, line);
		seconds = 0.0;
	}
	if (end == 0)
		return;
	if (now.stage == WATCH_RUNNING)
		send_beats(w, end);
	end_process(w, end);
}

static double beat_seconds(const struct thaw_watch *w)
{
	double beat = atomic_load(&w->limit) / BEATS_PER_TIMEOUT;
	return beat < LONGEST_BEAT ? beat : LONGEST_BEAT;
}

static void *run(void *argument)
{
	struct thaw_watch *w = argument;
	double last = thaw_clock();
	while (!atomic_load(&w->closing)) {
		bool joined = atomic_load(&w->stage) != STARTING;
		struct pollfd ready = {.fd = joined ? w->socket : -1, .events = POLLIN};
		double beat = beat_seconds(w), left = last + beat - thaw_clock();
		(void)poll(&ready, 1, left > 0.0 ? (int)(1e3 * left) + 1 : 0);
		if (joined)
			receive_beats(w);
		double now = thaw_clock();
		if (now - last < beat)
			continue;
		/* A process that was stopped finds that much time has passed: it does not count. */
		tick(w, now - last < 2.0 * beat ? now - last : 2.0 * beat);
		last = now;
		if (joined)
			send_beats(w, 0);
	}
	return NULL;
}

static thaw_status start_thread(struct thaw_watch *w)
{
	int error = thaw_thread_start(&w->thread, run, w);
	return error == 0
		       ? THAW_OK
		       : thaw_fail(THAW_RESOURCE, "cannot start a thread: %s: raise the limit of threads (ulimit -u)",
				   strerror(error));
}

thaw_status thaw_watch_create(struct thaw_watch **watch, const struct thaw_watch_options *options, int rank)
{
	*watch = NULL;
	if (!options || options->timeout == 0.0)
		return THAW_OK;
	struct thaw_watch *w = thaw_alloc(1, sizeof(*w));
	if (!w)
		return THAW_RESOURCE;
	w->options = *options;
	w->rank = rank;
	w->size = 1;
	w->comm = MPI_COMM_NULL;
	pthread_mutex_init(&w->mutex, NULL);
	atomic_store(&w->limit, options->timeout > 0.0 ? options->timeout : THAW_WATCH_TIMEOUT);
	w->socket = thaw_beat_open(&w->here);
	thaw_status status = watch_rules_create(&w->rules, rank, w->here.host);
	if (status == THAW_OK)
		status = start_thread(w);
	if (status == THAW_OK) {
		*watch = w;
		return THAW_OK;
	}
	if (w->socket >= 0)
		close(w->socket);
	watch_rules_destroy(w->rules);
	pthread_mutex_destroy(&w->mutex);
	thaw_free(w);
	return status;
}

/* Exchanges the places: rank 0 gets all, the others that of rank 0. */
static thaw_status exchange(struct thaw_watch *w, MPI_Comm comm)
{
	const int bytes = (int)sizeof(w->here);
	MPI_TRY(MPI_Gather(&w->here, bytes, MPI_BYTE, w->places, bytes, MPI_BYTE, 0, comm));
	struct thaw_place first = w->here;
	MPI_TRY(MPI_Bcast(&first, bytes, MPI_BYTE, 0, comm));
	w->places[0] = first;
	if (w->rank == 0 && getrandom(&w->token, sizeof(w->token), 0) != (ssize_t)sizeof(w->token))
		w->token = (uint64_t)(1e9 * thaw_clock()) ^ (uint64_t)getpid() << 32;
	MPI_TRY(MPI_Bcast(&w->token, sizeof(w->token), MPI_BYTE, 0, comm));
	return THAW_OK;
}

thaw_status thaw_watch_join(struct thaw_watch **watch, MPI_Comm comm)
{
	struct thaw_watch *w = *watch;
	int all = w != NULL;
	MPI_TRY(MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, comm));
	if (!all) {
		thaw_watch_destroy(w);
		*watch = NULL;
		return THAW_OK;
	}
	MPI_TRY(MPI_Comm_rank(comm, &w->rank));
	MPI_TRY(MPI_Comm_size(comm, &w->size));
	size_t count = w->rank == 0 ? (size_t)w->size : 1;
	w->places = thaw_alloc(count, sizeof(*w->places));
	if (!w->places)
		return THAW_RESOURCE;
	THAW_TRY(exchange(w, comm));
	pthread_mutex_lock(&w->mutex);
	thaw_status status = watch_rules_join(w->rules, w->rank, w->size, w->places);
	pthread_mutex_unlock(&w->mutex);
	THAW_TRY(status);
	/* Each rank sends a sign of life before any is RUNNING: one that is stopped from then on is not "unheard". */
	send_beats(w, 0);
	MPI_TRY(MPI_Barrier(comm));
	w->comm = comm;
	atomic_store(&w->stage, RUNNING);
	return THAW_OK;
}

void thaw_watch_leave(struct thaw_watch *w)
{
	if (w)
		atomic_store(&w->stage, LEAVING);
}

void thaw_watch_destroy(struct thaw_watch *w)
{
	if (!w)
		return;
	atomic_store(&w->closing, true);
	pthread_join(w->thread, NULL);
	if (w->socket >= 0)
		close(w->socket);
	watch_rules_destroy(w->rules);
	pthread_mutex_destroy(&w->mutex);
	thaw_free(w->places);
	thaw_free(w);
}

void thaw_watch_moved(struct thaw_watch *w)
{
	if (!w)
		return;
	atomic_fetch_add_explicit(&w->moved, 1, memory_order_relaxed);
	atomic_store_explicit(&w->waiting, 0, memory_order_relaxed);
}

void thaw_watch_idle(struct thaw_watch *w)
{
	const struct timespec nap = {.tv_nsec = NAP_NS}, second = {.tv_sec = 1};
	if (!w)
		return;
	if (!atomic_load_explicit(&w->waiting, memory_order_relaxed)) {
		w->wait_start = thaw_clock();
		atomic_store_explicit(&w->waiting, 1, memory_order_relaxed);
	}
	int code = atomic_load_explicit(&w->ending, memory_order_relaxed);
	if (code != 0) {
		MPI_Abort(w->comm, code);
		for (;;) /* the watch's thread ends the process */
			nanosleep(&second, NULL);
	}
	if (thaw_clock() - w->wait_start > NAP_AFTER)
		nanosleep(&nap, NULL);
}

void thaw_watch_step(struct thaw_watch *w)
{
	if (!w)
		return;
	double now = thaw_clock();
	if (w->last_step > 0.0)
		w->steps[w->step_count++ % THAW_WATCH_STEPS] = now - w->last_step;
	w->last_step = now;
	if (w->options.timeout < 0.0)
		atomic_store(&w->limit, watch_timeout(w->steps, w->step_count));
}

thaw_status thaw_watch_wait_all(struct thaw_watch *w, int count, MPI_Request *requests)
{
	if (!w) {
		MPI_TRY(MPI_Waitall(count, requests, MPI_STATUSES_IGNORE));
		return THAW_OK;
	}
	int complete = 0;
	for (;;) {
		MPI_TRY(MPI_Testall(count, requests, &complete, MPI_STATUSES_IGNORE));
		if (complete)
			break;
		thaw_watch_idle(w);
	}
	thaw_watch_moved(w);
	return THAW_OK;
}

thaw_status thaw_watch_wait(struct thaw_watch *w, MPI_Request *request)
{
	return thaw_watch_wait_all(w, 1, request);
}
