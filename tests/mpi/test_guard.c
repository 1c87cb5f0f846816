/* The launch guard, in the environments that launchers and Slurm set. Does not start MPI, so it runs the same with and
 * without mpirun. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/guard.h"

#define VARIABLES 8

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
	return failed ? 1 : 0;
}
