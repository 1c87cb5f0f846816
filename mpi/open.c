/* Starts MPI when a launcher started the process.
 *
 * Behaviour of Open MPI 4.1's mpirun on signals and exits, as measured:
 * - SIGUSR1, SIGUSR2 and SIGXCPU sent to mpirun are passed to every rank, without a time limit; mpirun returns the
 *   ranks' exit code. These are the signals to request from a batch system.
 * - SIGTERM and SIGINT (^C) end the job: every rank gets SIGTERM in either case, and SIGKILL 1 s later.
 *   `--mca odls_base_sigkill_timeout T` makes that T s, but also delays every other exit that is not 0, 75 included, by
 *   about 2 (T - 1) s. mpirun returns 1 whatever the ranks return.
 * - A signal before a handler is installed ends the rank: install handlers before thaw_mpi_open; MPI does not change
 *   them.
 * - When a rank is killed, mpirun ends the others after about 2 s and returns 128 + the signal. It returns 74 after
 *   MPI_Abort(74), and 65 when all ranks return 65 after MPI_Finalize. In both cases it prints about ten lines, which
 *   `mpirun -q` suppresses. */
#include <mpi.h>
#include <string.h>

#include "mpi/guard.h"
#include "mpi/over_mpi.h"
#include "mpi/watch.h"
#include "src/base/try.h"
#include "thaw/mpi.h"

#define MAX_MESSAGE ((size_t)1 << 26) /* bytes: on a slow network too, messages complete well within the timeout */

static thaw_status start(struct thaw_comm *comm, const struct thaw_launch *launch, struct thaw_watch *watch)
{
	int provided = MPI_THREAD_SINGLE, size = 0, length = 0;
	char library[MPI_MAX_LIBRARY_VERSION_STRING] = "another MPI";
	/* Loader and checkpoint threads run beside the thread that calls MPI. */
	if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
		return thaw_fail(THAW_RESOURCE, "MPI cannot start: MPI_Init_thread: see the messages of MPI above");
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Get_library_version(library, &length);
	library[strcspn(library, ",\n")] = '\0'; /* the name without details of the build */
	thaw_status status = THAW_OK;
	if (provided < MPI_THREAD_FUNNELED)
		status = thaw_fail(THAW_CONFIG,
				   "this MPI does not allow other threads: %s: use one that provides "
				   "MPI_THREAD_FUNNELED",
				   library);
	if (status == THAW_OK)
		status = thaw_launch_check_size(launch, size, library);
	if (status == THAW_OK)
		status = thaw_comm_over_mpi(comm, MPI_COMM_WORLD, MAX_MESSAGE, 1, watch);
	if (status != THAW_OK)
		MPI_Finalize();
	return status;
}

static thaw_status start_watched(struct thaw_comm *comm, const struct thaw_launch *launch,
				 const struct thaw_watch_options *options)
{
	struct thaw_watch *watch;
	THAW_TRY(thaw_watch_create(&watch, options, launch->rank));
	thaw_status status = start(comm, launch, watch);
	if (status != THAW_OK)
		thaw_watch_destroy(watch);
	return status;
}

thaw_status thaw_mpi_open_watched(struct thaw_comm *comm, const struct thaw_watch_options *options)
{
	struct thaw_launch launch = thaw_launch_read();
	*comm = thaw_comm_alone();
	thaw_status status = thaw_launch_check(&launch);
	if (status == THAW_OK && launch.wired)
		status = start_watched(comm, &launch, options);
	if (status != THAW_OK)
		comm->rank = launch.rank;
	return status;
}

thaw_status thaw_mpi_open(struct thaw_comm *comm)
{
	return thaw_mpi_open_watched(comm, NULL);
}
