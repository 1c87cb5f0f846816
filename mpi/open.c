/* Starting MPI, or not.
 *
 * What Open MPI 4.1's mpirun does with signals and ends, as tried:
 * - SIGUSR1, SIGUSR2 and SIGXCPU sent to mpirun reach every rank, which then has all the time it wants; mpirun
 *   returns the ranks' exit code. These are the signals to ask a batch system for.
 * - SIGTERM and SIGINT (^C) end the job: every rank gets SIGTERM, whichever it was, and SIGKILL 1 s later;
 *   `--mca odls_base_sigkill_timeout T` makes that longer, and every other end that is not 0, 75 included, about
 *   2 (T - 1) s slower. mpirun returns 1 whatever the ranks return.
 * - A signal before thaw_signals_install ends the rank: call it before thaw_mpi_open, MPI leaves handlers alone.
 * - A rank killed: mpirun ends the others after about 2 s and returns 128 + the signal. MPI_Abort(74): 74. All ranks
 *   return 65 after MPI_Finalize: 65. mpirun adds some ten lines about it, none under `mpirun -q`. */
#include <mpi.h>
#include <string.h>

#include "mpi/guard.h"
#include "mpi/over_mpi.h"
#include "thaw/mpi.h"

#define PIECE ((size_t)1 << 30) /* bytes: half of what an int counts */

static thaw_status start(struct thaw_comm *comm, const struct thaw_launch *launch)
{
	int provided = MPI_THREAD_SINGLE, size = 0, length = 0;
	char library[MPI_MAX_LIBRARY_VERSION_STRING] = "another MPI";
	/* Loader and checkpoint threads run beside the one that calls MPI. */
	if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
		return thaw_fail(THAW_RESOURCE, "MPI does not start: see its own messages above");
	thaw_status status = THAW_OK;
	if (provided < MPI_THREAD_FUNNELED)
		status = thaw_fail(THAW_CONFIG, "this MPI allows no threads beside the one that calls it: use one that "
						"provides MPI_THREAD_FUNNELED");
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Get_library_version(library, &length);
	library[strcspn(library, ",\n")] = '\0'; /* the name without the build's particulars */
	if (status == THAW_OK)
		status = thaw_launch_check_size(launch, size, library);
	if (status == THAW_OK)
		status = thaw_comm_over_mpi(comm, MPI_COMM_WORLD, PIECE, 1);
	if (status != THAW_OK)
		MPI_Finalize();
	return status;
}

thaw_status thaw_mpi_open(struct thaw_comm *comm)
{
	struct thaw_launch launch = thaw_launch_read();
	*comm = thaw_comm_alone();
	thaw_status status = thaw_launch_check(&launch);
	if (status == THAW_OK && launch.wired)
		status = start(comm, &launch);
	if (status != THAW_OK)
		comm->rank = launch.rank;
	return status;
}
