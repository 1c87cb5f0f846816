/* The launch guard, in the environments that launchers and Slurm set. Does not start MPI, so it runs the same with and
 * without mpirun. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/guard.h"

#define VARIABLES 10

static const struct {
	const char *name;
	const char *environment[VARIABLES]; /* NAME, value, ... */
	const char *by;                     /* expected */
	int tasks, rank;
	bool wired;
	thaw_status check; /* before MPI starts */
	int mpi_size;      /* ranks that MPI finds */
	thaw_status check_size;
} cases[] = {
	{"a shell", {0}, NULL, 0, 0, false, THAW_OK, 1, THAW_OK},
	{"mpirun",
	 {"OMPI_COMM_WORLD_SIZE", "4", "OMPI_COMM_WORLD_RANK", "3"},
	 "mpirun",
	 4,
	 3,
	 true,
	 THAW_OK,
	 4,
	 THAW_OK},
	{"mpirun of another MPI", {"OMPI_COMM_WORLD_SIZE", "4"}, "mpirun", 4, 0, true, THAW_OK, 1, THAW_CONFIG},
	{"mpiexec of another MPI", {"PMI_SIZE", "2", "PMI_RANK", "1"}, "mpiexec", 2, 1, true, THAW_OK, 1, THAW_CONFIG},
	{"mpirun_rsh of MVAPICH",
	 {"MV2_COMM_WORLD_SIZE", "4", "MV2_COMM_WORLD_RANK", "2"},
	 "mpirun_rsh of MVAPICH",
	 4,
	 2,
	 true,
	 THAW_OK,
	 1,
	 THAW_CONFIG},
	{"mpirun_rsh of MVAPICH 4",
	 {"MVP_COMM_WORLD_SIZE", "4", "MVP_COMM_WORLD_RANK", "2"},
	 "mpirun_rsh of MVAPICH",
	 4,
	 2,
	 true,
	 THAW_OK,
	 1,
	 THAW_CONFIG},
	{"mpiexec of Intel MPI, below a daemon that srun started",
	 {"I_MPI_MPIRUN", "mpirun", "PMI_SIZE", "4", "PMI_RANK", "3", "SLURM_STEP_ID", "0"},
	 "mpiexec of Intel MPI",
	 4,
	 3,
	 true,
	 THAW_OK,
	 1,
	 THAW_CONFIG},
	{"mpiexec of MPICH on one node, below a daemon that srun started",
	 {"PMI_SIZE", "4", "PMI_RANK", "3", "SLURM_STEP_ID", "0", "SLURM_PROCID", "0", "SLURM_STEP_NUM_TASKS", "1"},
	 "mpiexec",
	 4,
	 3,
	 true,
	 THAW_OK,
	 1,
	 THAW_CONFIG},
	{"srun with PMI2",
	 {"PMI_SIZE", "4", "PMI_RANK", "3", "SLURM_STEP_ID", "0", "SLURM_PROCID", "3", "SLURM_STEP_NUM_TASKS", "4"},
	 "srun",
	 4,
	 3,
	 true,
	 THAW_OK,
	 1,
	 THAW_CONFIG},
	{"mpiexec of PALS",
	 {"PALS_RANKID", "3", "PMI_SIZE", "4", "PMI_RANK", "3"},
	 "mpiexec of PALS",
	 4,
	 3,
	 true,
	 THAW_OK,
	 1,
	 THAW_CONFIG},
	{"flux run, with the PMI of Flux",
	 {"FLUX_JOB_SIZE", "4", "FLUX_TASK_RANK", "1", "PMI_SIZE", "4", "PMI_RANK", "1"},
	 "flux run",
	 4,
	 1,
	 true,
	 THAW_OK,
	 1,
	 THAW_CONFIG},
	{"flux run of one rank",
	 {"FLUX_JOB_SIZE", "1", "FLUX_TASK_RANK", "0"},
	 "flux run",
	 1,
	 0,
	 true,
	 THAW_OK,
	 1,
	 THAW_OK},
	{"torchrun",
	 {"TORCHELASTIC_RUN_ID", "none", "WORLD_SIZE", "2", "RANK", "1"},
	 "torchrun",
	 2,
	 1,
	 false,
	 THAW_CONFIG,
	 1,
	 THAW_CONFIG},
	{"the variables of torchrun without torchrun",
	 {"WORLD_SIZE", "2", "RANK", "1"},
	 NULL,
	 0,
	 0,
	 false,
	 THAW_OK,
	 1,
	 THAW_OK},
	{"a job script of PBS", {"PBS_JOBID", "7", "PBS_TASKNUM", "1"}, NULL, 0, 0, false, THAW_OK, 1, THAW_OK},
	{"pbsdsh", {"PBS_JOBID", "7", "PBS_TASKNUM", "3"}, "pbsdsh", 0, 2, false, THAW_OK, 1, THAW_OK},
	{"mpirun under PBS",
	 {"PBS_TASKNUM", "3", "OMPI_COMM_WORLD_SIZE", "4", "OMPI_COMM_WORLD_RANK", "1"},
	 "mpirun",
	 4,
	 1,
	 true,
	 THAW_OK,
	 4,
	 THAW_OK},
	{"blaunch", {"LSB_JOBID", "7", "LSF_PM_TASKID", "2"}, "blaunch", 0, 1, false, THAW_OK, 1, THAW_OK},
	{"a batch script of 8 tasks",
	 {"SLURM_NTASKS", "8", "SLURM_PROCID", "0"},
	 NULL,
	 0,
	 0,
	 false,
	 THAW_OK,
	 1,
	 THAW_OK},
	{"a batch script that is a step",
	 {"SLURM_NTASKS", "8", "SLURM_PROCID", "0", "SLURM_STEP_ID", "4294967291"},
	 NULL,
	 0,
	 0,
	 false,
	 THAW_OK,
	 1,
	 THAW_OK},
	{"srun without PMIx",
	 {"SLURM_NTASKS", "8", "SLURM_PROCID", "5", "SLURM_STEP_ID", "0"},
	 "srun",
	 8,
	 5,
	 false,
	 THAW_CONFIG,
	 1,
	 THAW_CONFIG},
	{"srun without PMIx, a step of fewer tasks than the job",
	 {"SLURM_STEP_NUM_TASKS", "1", "SLURM_NTASKS", "8", "SLURM_PROCID", "0", "SLURM_STEP_ID", "2"},
	 "srun",
	 1,
	 0,
	 false,
	 THAW_OK,
	 1,
	 THAW_OK},
	{"srun with PMIx",
	 {"SLURM_STEP_NUM_TASKS", "8", "PMIX_RANK", "5", "SLURM_PROCID", "5", "SLURM_STEP_ID", "0"},
	 "srun",
	 8,
	 5,
	 true,
	 THAW_OK,
	 8,
	 THAW_OK},
	{"srun with a PMIx that MPI does not use",
	 {"SLURM_STEP_NUM_TASKS", "8", "PMIX_RANK", "5", "SLURM_PROCID", "5", "SLURM_STEP_ID", "0"},
	 "srun",
	 8,
	 5,
	 true,
	 THAW_OK,
	 1,
	 THAW_CONFIG},
	{"mpirun inside a batch job, below a daemon that srun started",
	 {"OMPI_COMM_WORLD_SIZE", "4", "SLURM_STEP_NUM_TASKS", "2", "SLURM_PROCID", "1", "SLURM_STEP_ID", "0"},
	 "mpirun",
	 4,
	 0,
	 true,
	 THAW_OK,
	 4,
	 THAW_OK},
	{"nonsense in the variables",
	 {"OMPI_COMM_WORLD_SIZE", "-4", "SLURM_STEP_ID", "x", "SLURM_PROCID", "0"},
	 NULL,
	 0,
	 0,
	 false,
	 THAW_OK,
	 1,
	 THAW_OK},
};

/* The messages: the number of processes, the launcher, and the command to use instead. */
static bool messages_are_right(void)
{
	char text[256];
	clearenv();
	setenv("FLUX_JOB_SIZE", "4", 1);
	setenv("FLUX_TASK_RANK", "0", 1);
	struct thaw_launch l = thaw_launch_read();
	thaw_launch_check_size(&l, 1, "Open MPI");
	bool flux =
		strcmp(thaw_error_message(),
		       "MPI sees 1 of 4 ranks: started by flux run, but this program was built with Open MPI: use flux "
		       "run -o pmi=pmix -n 4 thaw ..., with the mpirun or PMIx of that MPI") == 0 &&
		!thaw_launch_doubt(&l, text, sizeof(text));
	clearenv();
	setenv("SLURM_STEP_ID", "0", 1);
	setenv("SLURM_PROCID", "1", 1);
	setenv("SLURM_NTASKS", "2", 1);
	l = thaw_launch_read();
	thaw_launch_check(&l);
	bool srun =
		strcmp(thaw_error_message(),
		       "2 separate processes instead of one job of 2 ranks: started by srun: use srun --mpi=pmix -n 2 "
		       "thaw ... (srun --mpi=list shows whether Slurm has pmix), or mpirun thaw ... inside the job") ==
		0;
	clearenv();
	setenv("PBS_TASKNUM", "2", 1);
	l = thaw_launch_read();
	const char *doubt = thaw_launch_doubt(&l, text, sizeof(text));
	return flux && srun && doubt && strstr(doubt, "started by pbsdsh: ");
}

int main(void)
{
	int failed = 0;
	const char *rank = getenv("OMPI_COMM_WORLD_RANK");
	bool prints = !rank || strcmp(rank, "0") == 0;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		clearenv();
		for (int v = 0; v + 1 < VARIABLES && cases[i].environment[v]; v += 2)
			setenv(cases[i].environment[v], cases[i].environment[v + 1], 1);
		struct thaw_launch l = thaw_launch_read();
		bool by = cases[i].by ? l.by && strcmp(l.by, cases[i].by) == 0 : !l.by;
		bool good = by && l.tasks == cases[i].tasks && l.rank == cases[i].rank && l.wired == cases[i].wired &&
			    thaw_launch_check(&l) == cases[i].check &&
			    thaw_launch_check_size(&l, cases[i].mpi_size, "an MPI") == cases[i].check_size;
		failed += !good;
		if (prints)
			printf("%s - guard: %s\n", good ? "ok" : "not ok", cases[i].name);
	}
	bool good = messages_are_right();
	failed += !good;
	if (prints)
		printf("%s - guard: the messages\n", good ? "ok" : "not ok");
	return failed ? 1 : 0;
}
