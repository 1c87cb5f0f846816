/* Ranks over MPI. The one header of libthaw-mpi (-lthaw-mpi, pkg-config thaw-mpi), the only library of Thaw that uses
 * MPI. thaw/thaw.h does not include it.
 */
#ifndef THAW_MPI_H
#define THAW_MPI_H

#include <stdbool.h>

#include "thaw/api.h"
#include "thaw/comm.h"

THAW_BEGIN_DECLS

/* Fills `comm` for this process. Under a launcher (mpirun, srun, ...) this starts MPI, which only the calling thread
 * may use afterwards; without a launcher `comm` is thaw_comm_alone(). comm->close ends MPI; comm->abort ends the
 * processes of all ranks. Collective.
 *
 * THAW_CONFIG when the launcher started several processes that do not find each other: each of them would do the whole
 * job. The message says what to type instead. THAW_RESOURCE when MPI fails. After a failure `comm` is the communicator
 * of one rank, but its `rank` is the number that the launcher gave this process, so that rank 0 alone can print the
 * message. */
thaw_status thaw_mpi_open(struct thaw_comm *comm);

/* What to do about ranks that have gone silent. Callbacks are called from a thread of the library, and must not call
 * MPI or functions of struct thaw_comm; each may be NULL. */
struct thaw_watch_options {
	double timeout; /* seconds without a sign of life after which all processes end; 0: never; negative: 60, or 20
			 * steps (thaw_comm's `step`) if that is longer */
	void *context;
	void (*log)(void *context, const char *line); /* a message for the user, without newline */
	bool (*stop)(void *context);                  /* whether the job was asked to stop */
};

/* The same, and a thread that watches over the other ranks: a stopped process, a node or network that is down, and MPI
 * that does not start or end. It names the silent rank, and ends the processes of all ranks with exit code
 * THAW_UNFINISHED; with THAW_RESOURCE if MPI does not start or end. A rank that is alive is waited for, however long it
 * takes. options: copied; NULL: nothing is watched, as with thaw_mpi_open. */
thaw_status thaw_mpi_open_watched(struct thaw_comm *comm, const struct thaw_watch_options *options);

THAW_END_DECLS

#endif
