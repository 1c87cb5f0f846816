/* Ranks over MPI. The one header of libthaw-mpi (-lthaw-mpi, pkg-config thaw-mpi), the only library of Thaw that uses
 * MPI. thaw/thaw.h does not include it.
 */
#ifndef THAW_MPI_H
#define THAW_MPI_H

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

THAW_END_DECLS

#endif
