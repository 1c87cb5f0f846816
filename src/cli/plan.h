/* The flags of a plan that thaw advise wrote, as entries of a configuration. */
#ifndef THAW_SRC_CLI_PLAN_H
#define THAW_SRC_CLI_PLAN_H

#include "src/cli/config.h"

/* Reads the members of the plan's "train"; their lines are not known. As thaw_training_plan_read. */
thaw_status plan_read(struct config **config, const char *path);

#endif
