/* Failures on all ranks, or on a single rank. */
#ifndef THAW_SRC_CLI_FAILURE_H
#define THAW_SRC_CLI_FAILURE_H

#include "thaw/comm.h"

/* thaw_comm_agree with a timeout for failed ranks. If the other ranks do not arrive within seconds, this rank has
 * failed alone and they are blocked in another collective: it prints its message with its rank and aborts the job.
 * Collective. */
thaw_status failure_agree(struct thaw_comm *comm, thaw_status status);

/* The status of rank 0, whose message is then that of all ranks. Collective. */
thaw_status failure_of_first(struct thaw_comm *comm, thaw_status status);

#endif
