/* The watch: a thread of each rank that notices when another rank, the network or MPI itself has gone silent.
 *
 * Calls of MPI wait without a limit, and only one thread may make them. The watch ends the job instead of it:
 * - A rank sends no sign of life (beat.h) for the timeout while this rank waits: its process is stopped, its node or
 *   the network is down.
 * - All ranks are alive and wait, and no message arrives anywhere for the timeout: MPI has lost one.
 * - MPI does not start, or does not end, within five timeouts.
 * A rank that computes, reads or writes is alive however long it takes: the log names it, and the job goes on. The time
 * in which this process itself was stopped does not count.
 *
 * Rank 0 watches all others, these watch rank 0. The first line appears at half of the timeout. Then all ranks end with
 * the same exit code: by MPI_Abort where a thread waits in MPI's calls, by _Exit if that takes too long. */
#ifndef THAW_MPI_WATCH_H
#define THAW_MPI_WATCH_H

#include <mpi.h>

#include "thaw/mpi.h"

struct thaw_watch;

/* Starts the thread; call before MPI_Init. options: copied; a timeout of 0: *watch is NULL, which all functions below
 * accept. `rank`: of the launcher. */
thaw_status thaw_watch_create(struct thaw_watch **watch, const struct thaw_watch_options *options, int rank);
/* After MPI_Init: tells the ranks where to reach each other. If a rank has no watch, none has from now on. Collective.
 */
thaw_status thaw_watch_join(struct thaw_watch **watch, MPI_Comm comm);
/* Before MPI_Finalize: from now on it is the end of MPI that is watched. */
void thaw_watch_leave(struct thaw_watch *watch);
void thaw_watch_destroy(struct thaw_watch *watch); /* ends the thread */

/* The main thread has nothing to do until a message arrives: call it again and again, between MPI's tests. Sleeps a
 * little once the wait is long, and does not return when the job must end. */
void thaw_watch_idle(struct thaw_watch *watch);
/* A message has arrived or was sent. */
void thaw_watch_moved(struct thaw_watch *watch);
/* The end of a step, for the pace of the run. */
void thaw_watch_step(struct thaw_watch *watch);

/* MPI_Waitall and MPI_Wait, watched. */
thaw_status thaw_watch_wait_all(struct thaw_watch *watch, int count, MPI_Request *requests);
thaw_status thaw_watch_wait(struct thaw_watch *watch, MPI_Request *request);

#endif
