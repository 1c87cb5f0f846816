/* Failures of ranks: of all together, or of one alone. */
#ifndef THAW_SRC_CLI_FAILURE_H
#define THAW_SRC_CLI_FAILURE_H

#include "thaw/comm.h"

/* thaw_comm_agree with a guard. A rank that comes with a failure and does not find the others here
 * within seconds has failed alone, and they wait for it somewhere else: it prints its message with its
 * rank and ends the job. Collective. */
thaw_status failure_agree(struct thaw_comm *comm, thaw_status status);

#endif
