/* A thaw_comm over a communicator that exists; thaw_mpi_open and the tests use it. */
#ifndef MPI_OVER_MPI_H
#define MPI_OVER_MPI_H

#include <mpi.h>
#include <stddef.h>

#include "thaw/comm.h"

/* Over a duplicate of `parent`. No message is longer than `piece` bytes, 1 .. INT_MAX: longer ones go in several.
 * `close` frees the duplicate, and ends MPI if `finalize`. Collective. */
thaw_status thaw_comm_over_mpi(struct thaw_comm *comm, MPI_Comm parent, size_t piece, int finalize);

#endif
