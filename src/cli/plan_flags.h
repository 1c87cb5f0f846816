/* The flags in a training plan written by thaw advise, as entries of a configuration. */
#ifndef THAW_SRC_CLI_PLAN_FLAGS_H
#define THAW_SRC_CLI_PLAN_FLAGS_H

#include "src/cli/config.h"

/* Reads the members of the plan's "train" object; their line numbers are unknown. Errors: see
 * thaw_training_plan_read. */
thaw_status plan_flags_read(struct config **config, const char *path);

#endif
