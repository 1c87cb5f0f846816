#include "mpi/watch_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/compare.h"
#include "src/base/minmax.h"
#include "thaw/memory.h"

#define STEPS_PER_TIMEOUT 20.0
#define START_TIMEOUTS    5.0  /* for MPI_Init and MPI_Finalize: they may read libraries over the network */
#define UNHEARD_TIMEOUTS  10.0 /* where no sign of life can be received, a busy rank looks like a silent one */
#define SILENT_SHARE      0.2  /* of the timeout, from which on a rank is called silent */
#define STAGGER           2.0  /* seconds between ranks that would end the job for the same reason: one line */
#define MOST_STAGGER      10.0
#define STOP_SECONDS      2.0 /* of waiting, after which a stop request is answered */

struct peer {
	int rank;
	char host[THAW_HOST_SIZE];
	bool heard;    /* at least once */
	double silent; /* seconds since then */
	bool waiting;
	uint64_t moved;
	bool warned;
};

struct watch_rules {
	int rank;
	char host[THAW_HOST_SIZE];
	struct peer *peers;
	int count;
	enum watch_stage stage;
	double in_stage; /* seconds */
	bool warned;     /* of the stage */

	/* While RUNNING. */
	uint64_t moved;     /* of this rank, at the last tick */
	double waited;      /* seconds in which the main thread waited and nothing moved */
	uint64_t all_moved; /* the sum over all ranks */
	double stuck;       /* seconds in which all ranks waited and nothing moved */
	bool warned_stuck, warned_unheard, answered_stop;
	double busy_said; /* the wait at which a busy rank was named last */
};

thaw_status watch_rules_create(struct watch_rules **rules, int rank, const char *host)
{
	struct watch_rules *r = thaw_alloc(1, sizeof(*r));
	if (!r)
		return THAW_RESOURCE;
	r->rank = rank;
	snprintf(r->host, sizeof(r->host), "%s", host);
	*rules = r;
	return THAW_OK;
}

thaw_status watch_rules_join(struct watch_rules *r, int rank, int size, const struct thaw_place *places)
{
	int count = rank == 0 ? size - 1 : 1;
	r->rank = rank;
	r->peers = thaw_alloc((size_t)max_int(count, 1), sizeof(*r->peers));
	if (!r->peers)
		return THAW_RESOURCE;
	r->count = count;
	for (int i = 0; i < count; i++) {
		struct peer *p = &r->peers[i];
		p->rank = rank == 0 ? i + 1 : 0;
		snprintf(p->host, sizeof(p->host), "%.*s", (int)sizeof(p->host) - 1, places[p->rank].host);
	}
	return THAW_OK;
}

void watch_rules_destroy(struct watch_rules *r)
{
	if (r)
		thaw_free(r->peers);
	thaw_free(r);
}

void watch_rules_heard(struct watch_rules *r, const struct thaw_beat *beat)
{
	int i = r->rank == 0 ? beat->from - 1 : 0;
	if (i < 0 || i >= r->count || r->peers[i].rank != beat->from)
		return;
	struct peer *p = &r->peers[i];
	p->heard = true;
	p->silent = 0.0;
	p->waiting = beat->waiting != 0;
	p->moved = beat->moved;
}

double watch_timeout(const double *seconds, int64_t count)
{
	double sorted[THAW_WATCH_STEPS];
	int n = (int)min_int64(count, THAW_WATCH_STEPS);
	if (n == 0)
		return THAW_WATCH_TIMEOUT;
	memcpy(sorted, seconds, (size_t)n * sizeof(*sorted));
	qsort(sorted, (size_t)n, sizeof(*sorted), compare_double);
	double pace = STEPS_PER_TIMEOUT * sorted[n / 2];
	return pace > THAW_WATCH_TIMEOUT ? pace : THAW_WATCH_TIMEOUT;
}

/* Adds `seconds` to all counters, and resets those whose condition has ended. */
static void count_seconds(struct watch_rules *r, const struct watch_state *now, double seconds)
{
	uint64_t all = now->moved;
	bool all_wait = now->waiting;
	if (r->stage != now->stage) {
		r->stage = now->stage;
		r->in_stage = 0.0;
		r->warned = false;
	}
	r->in_stage += seconds;
	for (int i = 0; i < r->count; i++) {
		r->peers[i].silent += seconds;
		all += r->peers[i].moved;
		all_wait &= r->peers[i].waiting && r->peers[i].silent < SILENT_SHARE * now->limit;
	}
	bool moved = !now->waiting || now->moved != r->moved;
	r->waited = moved ? 0.0 : r->waited + seconds;
	r->stuck = !all_wait || all != r->all_moved ? 0.0 : r->stuck + seconds;
	r->moved = now->moved;
	r->all_moved = all;
	if (moved) {
		r->warned_stuck = r->warned_unheard = false;
		r->busy_said = 0.0;
	}
}

/* Several ranks notice that rank 0 is silent: the lowest speaks first, and ends the others before they would. */
static double stagger(const struct watch_rules *r)
{
	return r->rank <= 1 ? 0.0 : min_double(STAGGER * (r->rank - 1), MOST_STAGGER);
}

static bool check_start(struct watch_rules *r, const struct watch_state *now, char *line, int *end)
{
	const char *what = now->stage == WATCH_STARTING ? "start" : "end";
	double limit = START_TIMEOUTS * now->limit;
	if (r->in_stage >= limit + (r->rank > 0 ? STAGGER + stagger(r) : 0.0)) {
		snprintf(line, WATCH_LINE_SIZE,
			 "thaw: MPI does not %s: rank %d on host %s has waited for %.0f s: see the messages of MPI and "
			 "the memory limit of the job, and run the same command again",
			 what, r->rank, r->host, r->in_stage);
		*end = THAW_RESOURCE;
		return true;
	}
	if (r->warned || r->rank > 0 || r->in_stage < now->limit)
		return false;
	r->warned = true;
	snprintf(line, WATCH_LINE_SIZE,
		 "waiting for MPI to %s: rank %d on host %s for %.0f s; the job ends after %.0f s", what, r->rank,
		 r->host, r->in_stage, limit);
	return true;
}

static bool check_silent(struct watch_rules *r, struct peer *p, const struct watch_state *now, char *line, int *end)
{
	if (p->warned && p->silent < SILENT_SHARE * now->limit) {
		p->warned = false;
		snprintf(line, WATCH_LINE_SIZE, "rank %d on host %s answers again", p->rank, p->host);
		return true;
	}
	if (!now->waiting || !p->heard)
		return false;
	if (p->silent >= now->limit + stagger(r)) {
		snprintf(line, WATCH_LINE_SIZE,
			 "thaw: a rank does not answer: rank %d on host %s, silent for %.0f s: check this host and its "
			 "network, and run the same command again to continue",
			 p->rank, p->host, p->silent);
		*end = THAW_UNFINISHED;
		return true;
	}
	if (p->warned || p->silent < now->limit / 2 || r->rank > 1)
		return false;
	p->warned = true;
	snprintf(line, WATCH_LINE_SIZE,
		 "waiting for rank %d on host %s, which has been silent for %.0f s; the job ends after %.0f s", p->rank,
		 p->host, p->silent, now->limit);
	return true;
}

/* All ranks wait for each other: MPI or the network has lost a message. Rank 0 only. */
static bool check_stuck(struct watch_rules *r, const struct watch_state *now, char *line, int *end)
{
	if (r->rank != 0 || r->count == 0 || r->stuck < now->limit / 2)
		return false;
	if (r->stuck >= now->limit) {
		snprintf(line, WATCH_LINE_SIZE,
			 "thaw: no message arrives: all %d ranks are alive and have waited for each other for %.0f s: "
			 "check the network between their hosts, and run the same command again to continue",
			 r->count + 1, r->stuck);
		*end = THAW_UNFINISHED;
		return true;
	}
	if (r->warned_stuck)
		return false;
	r->warned_stuck = true;
	snprintf(line, WATCH_LINE_SIZE,
		 "no message has arrived for %.0f s: all ranks wait for each other; the job ends after %.0f s",
		 r->stuck, now->limit);
	return true;
}

static bool check_unheard(struct watch_rules *r, const struct peer *p, const struct watch_state *now, char *line,
			  int *end)
{
	double limit = UNHEARD_TIMEOUTS * now->limit;
	if (p->heard || r->waited < now->limit / 2)
		return false;
	if (r->waited >= limit + stagger(r)) {
		snprintf(line, WATCH_LINE_SIZE,
			 "thaw: a rank does not answer: rank %d on host %s: nothing has arrived from it for %.0f s: "
			 "check this host and its network, and run the same command again to continue",
			 p->rank, p->host, r->waited);
		*end = THAW_UNFINISHED;
		return true;
	}
	if (r->warned_unheard || r->rank > 1)
		return false;
	r->warned_unheard = true;
	snprintf(line, WATCH_LINE_SIZE,
		 "waiting for %.0f s: the signs of life of rank %d on host %s (UDP) do not arrive: the job ends after "
		 "%.0f s even if that rank is busy; --timeout changes this",
		 r->waited, p->rank, p->host, limit);
	return true;
}

/* The rank that this one most probably waits for: the most silent one, else one that is busy. NULL: unknown. */
static const struct peer *awaited(const struct watch_rules *r, const struct watch_state *now)
{
	const struct peer *found = NULL;
	for (int i = 0; i < r->count; i++)
		if (r->peers[i].heard && r->peers[i].silent > SILENT_SHARE * now->limit &&
		    (!found || r->peers[i].silent > found->silent))
			found = &r->peers[i];
	for (int i = 0; i < r->count && !found; i++)
		if (!r->peers[i].waiting)
			found = &r->peers[i];
	return found;
}

/* A rank that is alive and not waiting computes, reads or writes: named after one timeout, then after 2, 4, ... Rank 1
 * speaks for all that wait for rank 0, such as for a checkpoint on a slow disk. */
static bool check_busy(struct watch_rules *r, const struct watch_state *now, char *line)
{
	const struct peer *p = awaited(r, now);
	if (r->rank > 1 || !p || r->waited < now->limit || r->waited < 2.0 * r->busy_said || !p->heard ||
	    p->silent > SILENT_SHARE * now->limit)
		return false;
	r->busy_said = r->waited;
	snprintf(line, WATCH_LINE_SIZE,
		 "waiting for rank %d on host %s for %.0f s: it is alive, and computes, reads or writes", p->rank,
		 p->host, r->waited);
	return true;
}

/* A stop request is seen by the main thread only when its wait ends: say what it waits for. */
static bool answer_stop(struct watch_rules *r, const struct watch_state *now, char *line)
{
	const struct peer *p = awaited(r, now);
	if (r->rank != 0 || r->answered_stop || !now->stop || r->waited < STOP_SECONDS || !p)
		return false;
	r->answered_stop = true;
	if (p->silent > SILENT_SHARE * now->limit)
		snprintf(line, WATCH_LINE_SIZE,
			 "asked to stop while waiting for rank %d on host %s, silent for %.0f s: the job saves if it "
			 "answers, and ends after %.0f s if not",
			 p->rank, p->host, p->silent, now->limit);
	else
		snprintf(line, WATCH_LINE_SIZE,
			 "asked to stop while waiting for rank %d on host %s, which is alive: the job saves when it "
			 "has finished",
			 p->rank, p->host);
	return true;
}

bool watch_rules_tick(struct watch_rules *r, const struct watch_state *now, double seconds, char *line, int *end)
{
	count_seconds(r, now, seconds);
	if (now->stage != WATCH_RUNNING)
		return check_start(r, now, line, end);
	for (int i = 0; i < r->count; i++)
		if (check_silent(r, &r->peers[i], now, line, end) || check_unheard(r, &r->peers[i], now, line, end))
			return true;
	return check_stuck(r, now, line, end) || answer_stop(r, now, line) || check_busy(r, now, line);
}
