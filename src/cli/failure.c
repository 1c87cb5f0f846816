/* Failures of ranks: of all together, or of one alone.
 *
 * Most failures are found by every rank, or come to an agreement that all ranks reach. The rest (no memory
 * on one node, a broken disk) leave the others waiting in some exchange for a rank that will not come,
 * and no call can reach them there. So a thread watches the clock while a failed rank waits to agree. */
#include "src/cli/failure.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "src/cli/command.h"

#define MESSAGE_SIZE 1024 /* that of thaw_fail */
#define PATIENCE     6    /* seconds; the job must be over 10 seconds after a rank failed */

struct guard {
	struct thaw_comm *comm;
	thaw_status status;
	char message[MESSAGE_SIZE]; /* the watching thread has no message of its own */
	pthread_mutex_t mutex;
	pthread_cond_t met_changed;
	bool met; /* the ranks have agreed */
};

static void print_alone(const struct thaw_comm *comm, const char *message)
{
	char line[MESSAGE_SIZE + 64];
	snprintf(line, sizeof(line), "rank %d of %d: %s", comm->rank, comm->size, message);
	print_error(line);
}

static void *watch(void *context)
{
	struct guard *g = context;
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE;
	pthread_mutex_lock(&g->mutex);
	int error = 0;
	while (!g->met && error == 0)
		error = pthread_cond_timedwait(&g->met_changed, &g->mutex, &end);
	bool met = g->met;
	pthread_mutex_unlock(&g->mutex);
	if (!met) {
		print_alone(g->comm, g->message);
		g->comm->abort(g->comm, g->status);
	}
	return NULL;
}

thaw_status failure_agree(struct thaw_comm *comm, thaw_status status)
{
	if (status == THAW_OK || comm->size == 1)
		return thaw_comm_agree(comm, status);
	struct guard g = {.comm = comm,
			  .status = status,
			  .mutex = PTHREAD_MUTEX_INITIALIZER,
			  .met_changed = PTHREAD_COND_INITIALIZER};
	snprintf(g.message, sizeof(g.message), "%s", thaw_error_message());
	pthread_t thread;
	if (pthread_create(&thread, NULL, watch, &g) != 0) {
		print_alone(comm, g.message);
		comm->abort(comm, status);
		return status;
	}
	thaw_status agreed = thaw_comm_agree(comm, status);
	pthread_mutex_lock(&g.mutex);
	g.met = true;
	pthread_cond_signal(&g.met_changed);
	pthread_mutex_unlock(&g.mutex);
	pthread_join(thread, NULL);
	return agreed;
}
