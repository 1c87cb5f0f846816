/* The launch guard.
 *
 * When srun without PMIx, or the mpirun of another MPI, starts N processes, MPI sees one rank in each. Each process
 * would do the whole job, in the same folder, without a warning. The environment reveals it: the launcher counts N
 * tasks, MPI counts 1.
 *
 * Slurm's variables alone prove nothing. A batch script has them and is not a step; ranks under mpirun have those of
 * the daemons that srun started, one per node. Hence the order of the checks in thaw_launch_read. */
#include "mpi/guard.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>

#include "src/base/minmax.h"

/* Slurm's SLURM_MAX_NORMAL_STEP_ID: steps above are the batch script, an interactive shell, the prolog. */
#define SLURM_LAST_STEP 0xfffffff0U

/* The value of a variable that holds a number of 0 .. limit, or -1. */
static long long number(const char *name, long long limit)
{
	const char *text = getenv(name);
	char *end;
	if (!text || text[0] < '0' || text[0] > '9')
		return -1;
	long long value = strtoll(text, &end, 10);
	return *end == '\0' && value <= limit ? value : -1;
}

static int task_number(const char *name)
{
	return (int)number(name, INT_MAX);
}

/* A connection from the launcher to its processes: PMIx, or the older PMI over a descriptor, a port or Cray's PALS. */
static bool has_connection(void)
{
	static const char *const names[] = {"PMIX_RANK", "PMI_RANK", "PMI_FD", "PMI_CONTROL_PORT", "PALS_RANKID"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (getenv(names[i]))
			return true;
	return false;
}

struct thaw_launch thaw_launch_read(void)
{
	int tasks = task_number("OMPI_COMM_WORLD_SIZE");
	if (tasks > 0)
		return (struct thaw_launch){"mpirun", tasks, max_int(task_number("OMPI_COMM_WORLD_RANK"), 0), true};
	tasks = task_number("PMI_SIZE");
	if (tasks > 0)
		return (struct thaw_launch){"mpiexec", tasks, max_int(task_number("PMI_RANK"), 0), true};

	long long step = number("SLURM_STEP_ID", UINT_MAX);
	int rank = task_number("SLURM_PROCID");
	if (step >= 0 && step <= SLURM_LAST_STEP && rank >= 0) {
		tasks = task_number("SLURM_STEP_NUM_TASKS");
		if (tasks < 0)
			tasks = task_number("SLURM_NTASKS");
		return (struct thaw_launch){"srun", max_int(tasks, 0), rank, has_connection()};
	}
	if (has_connection())
		return (struct thaw_launch){"the launcher", 0, max_int(task_number("PMIX_RANK"), 0), true};
	return (struct thaw_launch){0};
}

thaw_status thaw_launch_check(const struct thaw_launch *launch)
{
	if (!launch->by || launch->wired || launch->tasks <= 1)
		return THAW_OK;
	return thaw_fail(
		THAW_CONFIG,
		"%s started %d processes that cannot find each other, not one job of %d ranks: use "
		"`srun --mpi=pmix thaw ...` (`srun --mpi=list` shows what this Slurm has), or `mpirun thaw ...` "
		"inside the job",
		launch->by, launch->tasks, launch->tasks);
}

thaw_status thaw_launch_check_size(const struct thaw_launch *launch, int size, const char *library)
{
	if (launch->tasks == 0 || launch->tasks == size)
		return THAW_OK;
	return thaw_fail(
		THAW_CONFIG,
		"%s started %d processes, but MPI sees %d: the launcher belongs to another MPI than this program, "
		"which was built with %s: use the mpirun of that MPI by its full path, or `srun --mpi=pmix thaw ...` "
		"under Slurm",
		launch->by, launch->tasks, size, library);
}
