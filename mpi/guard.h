/* Who started this process, as the environment tells it before MPI is asked. */
#ifndef MPI_GUARD_H
#define MPI_GUARD_H

#include <stdbool.h>

#include "thaw/error.h"

struct thaw_launch {
	const char *by; /* "mpirun", "srun", ...; NULL: nobody, a program typed into a shell or a batch script */
	int tasks;      /* processes that it started, 0: it does not tell */
	int rank;       /* of this one */
	bool wired;     /* it gave the processes what MPI needs to find the others */
};

struct thaw_launch thaw_launch_read(void);

/* THAW_CONFIG when several tasks were started that cannot find each other: call before MPI_Init. */
thaw_status thaw_launch_check(const struct thaw_launch *launch);

/* THAW_CONFIG when MPI found another number of ranks than were started: call after MPI_Init.
 * `library`: what MPI calls itself, for the message. */
thaw_status thaw_launch_check_size(const struct thaw_launch *launch, int size, const char *library);

#endif
