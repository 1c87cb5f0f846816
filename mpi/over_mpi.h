/* struct thaw_comm over an existing MPI communicator, for thaw_mpi_open and the tests. */
#ifndef MPI_OVER_MPI_H
#define MPI_OVER_MPI_H

#include <mpi.h>
#include <stddef.h>

#include "thaw/comm.h"

/* Uses a duplicate of `parent`. Longer transfers are divided into messages of `max_message` bytes, 1 .. INT_MAX.
 * `close` frees the duplicate, and ends MPI if `finalize`. watch: NULL for none; after success `close` destroys it,
 * after a failure the caller does. Collective. */
struct thaw_watch;
thaw_status thaw_comm_over_mpi(struct thaw_comm *comm, MPI_Comm parent, size_t max_message, int finalize,
			       struct thaw_watch *watch);

#endif
