/* Starting MPI, or not. */
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
