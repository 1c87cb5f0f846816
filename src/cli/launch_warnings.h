/* Warnings of a launch that wastes cores or mixes nodes: one line each, with the command to use instead. */
#ifndef THAW_SRC_CLI_LAUNCH_WARNINGS_H
#define THAW_SRC_CLI_LAUNCH_WARNINGS_H

#include <jansson.h>

#include "src/cli/rank_facts.h"

struct launch {
	const struct rank_facts *all; /* [ranks] */
	int ranks;
	int threads;         /* of BLAS, per rank */
	bool oversubscribed; /* on request: more ranks than cores are intended */
	bool by_srun;        /* commands are given for srun, otherwise for mpirun */
};

/* Appends lines to the JSON array. */
void launch_warnings(const struct launch *launch, json_t *lines);

/* Whether the launcher was told to start more ranks than cores (mpirun --oversubscribe, srun --overcommit). */
bool launch_is_oversubscribed(void);

#endif
