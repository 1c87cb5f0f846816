/* The rules of the watch: what is said, and when the job ends. They see only reports and seconds, so that tests need
 * neither MPI nor time. One thread uses an object at a time. */
#ifndef THAW_MPI_WATCH_RULES_H
#define THAW_MPI_WATCH_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "mpi/beat.h"
#include "thaw/error.h"

#define THAW_WATCH_TIMEOUT 60.0 /* seconds */
#define THAW_WATCH_STEPS   15   /* whose median is the pace of a run */
#define WATCH_LINE_SIZE    512

enum watch_stage {
	WATCH_STARTING, /* in MPI_Init */
	WATCH_RUNNING,
	WATCH_LEAVING, /* in MPI_Finalize */
};

/* This rank, at a tick. */
struct watch_state {
	enum watch_stage stage;
	double limit;   /* the timeout */
	bool waiting;   /* the main thread waits for other ranks */
	uint64_t moved; /* messages that it has completed */
	bool stop;      /* the job was asked to stop */
};

struct watch_rules;

/* rank: of the launcher, if it is known. */
thaw_status watch_rules_create(struct watch_rules **rules, int rank, const char *host);
/* places: [size] on rank 0, [1] on others. */
thaw_status watch_rules_join(struct watch_rules *rules, int rank, int size, const struct thaw_place *places);
void watch_rules_destroy(struct watch_rules *rules); /* NULL is fine */

void watch_rules_heard(struct watch_rules *rules, const struct thaw_beat *beat);
/* `seconds` have passed. Returns whether there is a line for the user, at most WATCH_LINE_SIZE bytes; then call it
 * again with 0 seconds. *end: set to the exit code when the job must end. */
bool watch_rules_tick(struct watch_rules *rules, const struct watch_state *now, double seconds, char *line, int *end);

/* The timeout for the newest of `count` steps, which are in seconds[THAW_WATCH_STEPS] in a ring. */
double watch_timeout(const double *seconds, int64_t count);

#endif
