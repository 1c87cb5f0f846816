/* Failures on all ranks, or on a single rank.
 *
 * Most failures are detected by every rank or before an agreement that all ranks reach. The others (no memory on one
 * node, a failing disk) leave the other ranks blocked in a collective that the failed rank will not enter. Therefore a
 * thread enforces a timeout while a failed rank waits for the agreement. */
#include "src/cli/failure.h"
#include "src/base/try.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "src/base/clock.h"
#include "src/base/thread.h"
#include "src/cli/log.h"

#define MESSAGE_SIZE 1024 /* bytes; the limit of thaw_fail */
#define TIMEOUT      6.0  /* seconds; the job must end within 10 seconds of the failure */

struct guard {
	struct thaw_comm *comm;
	thaw_status status;
	char message[MESSAGE_SIZE]; /* thaw_error_message() is per thread */
	pthread_mutex_t mutex;
	pthread_cond_t agreed_changed;
	bool agreed; /* all ranks have arrived */
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
	double end = thaw_clock() + TIMEOUT;
	pthread_mutex_lock(&g->mutex);
	while (!g->agreed && thaw_cond_wait_until(&g->agreed_changed, &g->mutex, end))
		continue;
	bool agreed = g->agreed;
	pthread_mutex_unlock(&g->mutex);
	if (!agreed) {
		print_alone(g->comm, g->message);
		g->comm->abort(g->comm, g->status);
	}
	return NULL;
}

thaw_status failure_agree(struct thaw_comm *comm, thaw_status status)
{
	if (status == THAW_OK || comm->size == 1)
		return thaw_comm_agree(comm, status);
	struct guard g = {.comm = comm, .status = status, .mutex = PTHREAD_MUTEX_INITIALIZER};
	thaw_cond_init(&g.agreed_changed);
	snprintf(g.message, sizeof(g.message), "%s", thaw_error_message());
	pthread_t thread;
	if (thaw_thread_start(&thread, watch, &g) != 0) {
		print_alone(comm, g.message);
		comm->abort(comm, status);
		return status;
	}
	thaw_status common = thaw_comm_agree(comm, status);
	pthread_mutex_lock(&g.mutex);
	g.agreed = true;
	pthread_cond_signal(&g.agreed_changed);
	pthread_mutex_unlock(&g.mutex);
	pthread_join(thread, NULL);
	return common;
}

thaw_status failure_of_first(struct thaw_comm *comm, thaw_status status)
{
	int32_t first = status;
	THAW_TRY(comm->broadcast(comm, &first, sizeof(first), 0));
	return thaw_comm_agree(comm, (thaw_status)first);
}
