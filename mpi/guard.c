/* The launch guard.
 *
 * When srun without PMIx, or the mpirun of another MPI, starts N processes, MPI sees one rank in each. Each process
 * would do the whole job, in the same folder, without a warning. The environment reveals it: the launcher counts N
 * tasks, MPI counts 1.
 *
 * Slurm's variables alone prove nothing. A batch script has them and is not a step; ranks under mpirun have those of
 * the daemons that srun started, one per node. Hence the order of the checks in thaw_launch_read: what is started last
 * comes first. */
#include "mpi/guard.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/minmax.h"

/* Slurm's SLURM_MAX_NORMAL_STEP_ID: steps above are the batch script, an interactive shell, the prolog. */
#define SLURM_LAST_STEP 0xfffffff0U

#define COMMAND_SIZE 256 /* bytes */
#define MPIRUN       "mpirun -n %d thaw ..."
#define SRUN                                                                                                        \
	"srun --mpi=pmix -n %d thaw ... (srun --mpi=list shows whether Slurm has pmix), or mpirun thaw ... inside " \
	"the job"
#define FLUX_RUN "flux run -o pmi=pmix -n %d thaw ..."

/* Launchers that tell their processes how many there are. One line each: its variables for number and rank; a further
 * variable that must be set where the first two are not particular to it; whether an MPI can find its processes; and
 * the command to use instead, if MPI did not, with the number of ranks. */
static const struct launcher {
	const char *by, *tasks, *rank, *mark;
	bool wired;
	const char *instead;
} launchers[] = {
	{"mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", NULL, true, MPIRUN},
	{"mpirun_rsh of MVAPICH", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK", NULL, true, MPIRUN},
	{"mpirun_rsh of MVAPICH", "MVP_COMM_WORLD_SIZE", "MVP_COMM_WORLD_RANK", NULL, true, MPIRUN},
	{"flux run", "FLUX_JOB_SIZE", "FLUX_TASK_RANK", NULL, true, FLUX_RUN},
	{"mpiexec of Intel MPI", "PMI_SIZE", "PMI_RANK", "I_MPI_MPIRUN", true, MPIRUN},
	{"mpiexec of PALS", "PMI_SIZE", "PMI_RANK", "PALS_RANKID", true, MPIRUN},
	{"mpiexec", "PMI_SIZE", "PMI_RANK", NULL, true, MPIRUN},
	{"torchrun", "WORLD_SIZE", "RANK", "TORCHELASTIC_RUN_ID", false, MPIRUN},
};
#define LAUNCHERS (sizeof(launchers) / sizeof(launchers[0]))

/* Commands of batch systems that start a program on each node and do not tell how many there are. The variable numbers
 * the processes; a job script has the number 1, or none. */
static const struct {
	const char *by, *rank;
} starters[] = {
	{"pbsdsh", "PBS_TASKNUM"},
	{"blaunch", "LSF_PM_TASKID"},
};
#define STARTERS (sizeof(starters) / sizeof(starters[0]))

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

/* Whether srun started this process. */
static bool read_srun(struct thaw_launch *launch)
{
	long long step = number("SLURM_STEP_ID", UINT_MAX);
	int rank = task_number("SLURM_PROCID"), tasks = task_number("SLURM_STEP_NUM_TASKS");
	if (step < 0 || step > SLURM_LAST_STEP || rank < 0)
		return false;
	if (tasks < 0)
		tasks = task_number("SLURM_NTASKS");
	*launch = (struct thaw_launch){"srun", max_int(tasks, 0), rank, has_connection(), SRUN};
	return true;
}

static struct thaw_launch read_starter(void)
{
	for (size_t i = 0; i < STARTERS; i++) {
		int rank = task_number(starters[i].rank);
		if (rank > 1)
			return (struct thaw_launch){starters[i].by, 0, rank - 1, false, MPIRUN};
	}
	return (struct thaw_launch){0};
}

struct thaw_launch thaw_launch_read(void)
{
	struct thaw_launch srun = {0};
	bool by_srun = read_srun(&srun);
	for (const struct launcher *l = launchers; l < launchers + LAUNCHERS; l++) {
		int tasks = task_number(l->tasks), rank = task_number(l->rank);
		if (tasks <= 0 || (l->mark && !getenv(l->mark)))
			continue;
		/* srun --mpi=pmi2 sets PMI's variables too. */
		if (by_srun && srun.tasks == tasks && srun.rank == rank && !getenv("OMPI_COMM_WORLD_SIZE"))
			return srun;
		return (struct thaw_launch){l->by, tasks, max_int(rank, 0), l->wired, l->instead};
	}
	if (by_srun)
		return srun;
	if (has_connection())
		return (struct thaw_launch){"the launcher", 0, max_int(task_number("PMIX_RANK"), 0), true, MPIRUN};
	return read_starter();
}

/* The command to use instead, with the number of ranks. */
static const char *corrected(const struct thaw_launch *launch, char *text, size_t size)
{
	/* The formats are those of the table above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, size, launch->instead, launch->tasks);
#pragma GCC diagnostic pop
	return text;
}

thaw_status thaw_launch_check(const struct thaw_launch *launch)
{
	char command[COMMAND_SIZE];
	if (!launch->by || launch->wired || launch->tasks <= 1)
		return THAW_OK;
	return thaw_fail(THAW_CONFIG, "%d separate processes instead of one job of %d ranks: started by %s: use %s",
			 launch->tasks, launch->tasks, launch->by, corrected(launch, command, sizeof(command)));
}

thaw_status thaw_launch_check_size(const struct thaw_launch *launch, int size, const char *library)
{
	char command[COMMAND_SIZE];
	if (launch->tasks == 0 || launch->tasks == size)
		return THAW_OK;
	return thaw_fail(THAW_CONFIG,
			 "MPI sees %d of %d ranks: started by %s, but this program was built with %s: use %s, with the "
			 "mpirun or PMIx of that MPI",
			 size, launch->tasks, launch->by, library, corrected(launch, command, sizeof(command)));
}

const char *thaw_launch_doubt(const struct thaw_launch *launch, char *text, size_t size)
{
	if (!launch->by || launch->wired || launch->tasks > 0)
		return NULL;
	snprintf(text, size,
		 "this process is not a rank of a job: started by %s: if there are several of it, use mpirun thaw ... "
		 "inside the job instead",
		 launch->by);
	return text;
}
