/* Reports on the launch of a command when it starts. */
#ifndef THAW_SRC_CLI_LAUNCH_REPORT_H
#define THAW_SRC_CLI_LAUNCH_REPORT_H

#include <jansson.h>

#include "src/cli/rank_facts.h"

/* Appends the warnings on this launch to the JSON array: those of launch_warnings, and that this process may not be a
 * rank of a job. For rank 0. `all`: the facts of all ranks; `threads`: BLAS threads per rank. */
void launch_append_warnings(const struct thaw_comm *comm, const struct rank_facts *all, int threads, json_t *lines);

/* Gathers the facts of all ranks, and logs these warnings on rank 0. Collective. */
thaw_status launch_report(struct thaw_comm *comm, int threads);

#endif
