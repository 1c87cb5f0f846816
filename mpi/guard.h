/* The launcher of this process, found from the environment before MPI starts. */
#ifndef MPI_GUARD_H
#define MPI_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "thaw/error.h"

struct thaw_launch {
	const char *by;      /* "mpirun", "srun", ...; NULL: none, started from a shell or a batch script */
	int tasks;           /* processes that it started, 0: unknown */
	int rank;            /* of this process */
	bool wired;          /* it provides what MPI needs to connect the processes */
	const char *instead; /* the command to use if MPI finds another number: printf format of the number of ranks */
};

struct thaw_launch thaw_launch_read(void);

/* THAW_CONFIG when several processes were started that cannot find each other. Call before MPI_Init. */
thaw_status thaw_launch_check(const struct thaw_launch *launch);

/* THAW_CONFIG when MPI has another number of ranks than processes were started. Call after MPI_Init.
 * `library`: MPI's name, for the message. */
thaw_status thaw_launch_check_size(const struct thaw_launch *launch, int size, const char *library);

/* For a launcher that does not tell how many processes it started: a warning that each may be alone, in `text`;
 * otherwise NULL. */
const char *thaw_launch_doubt(const struct thaw_launch *launch, char *text, size_t size);

#endif
