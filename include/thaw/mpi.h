/* Ranks over MPI: the one place where a program meets the message layer. Part of the program, not of
 * libthaw: needs mpi/. */
#ifndef THAW_MPI_H
#define THAW_MPI_H

#include "thaw/api.h"
#include "thaw/comm.h"

THAW_BEGIN_DECLS

/* Fills `comm` for this process. Under a launcher (mpirun, srun, ...) that starts MPI, which only the
 * calling thread may use from here on; without one it is thaw_comm_alone(), at once. comm->close ends MPI.
 *
 * THAW_CONFIG, with what to type instead, when the launcher started several processes that do not find each
 * other: N times the same job, each overwriting the other. `comm` is usable also after a failure: alone, but
 * with `rank` as the launcher numbered this process, so that only rank 0 need print the message. */
thaw_status thaw_mpi_open(struct thaw_comm *comm);

THAW_END_DECLS

#endif
