/* Checks across ranks: a check passes when it holds on every rank. Rank 0 prints one line for each. An alarm ends a
 * rank that hangs, and mpirun then ends the others. */
#ifndef TESTS_MPI_CHECK_H
#define TESTS_MPI_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "thaw/mpi.h"

#define TIME_LIMIT 120 /* seconds for the whole program */

struct checks {
	struct thaw_comm comm;
	int failed;
};

static inline bool checks_begin(struct checks *c)
{
	alarm(TIME_LIMIT);
	c->failed = 0;
	if (thaw_mpi_open(&c->comm) == THAW_OK)
		return true;
	printf("not ok - start: %s\n", thaw_error_message());
	return false;
}

static inline void check(struct checks *c, bool holds, const char *what)
{
	int64_t fails[2] = {!holds, holds ? 0 : c->comm.size - c->comm.rank};
	bool agreed = c->comm.max(&c->comm, fails, 2) == THAW_OK;
	if (!agreed || fails[0]) {
		c->failed++;
		if (c->comm.rank == 0)
			printf("not ok - %s (%d ranks, first wrong: %d)\n", what, c->comm.size,
			       c->comm.size - (int)fails[1]);
	} else if (c->comm.rank == 0) {
		printf("ok - %s (%d ranks)\n", what, c->comm.size);
	}
	fflush(stdout);
}

static inline int checks_end(struct checks *c)
{
	c->comm.close(&c->comm);
	return c->failed ? 1 : 0;
}

#endif
