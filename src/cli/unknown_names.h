/* Names in the list of --exclude that a dataset does not have. */
#ifndef THAW_SRC_CLI_UNKNOWN_NAMES_H
#define THAW_SRC_CLI_UNKNOWN_NAMES_H

#include "thaw/comm.h"
#include "thaw/exclude.h"

/* Says how many there are, when all splits are open. A zeroed list has none. */
void log_unknown_names(const struct thaw_comm *comm, const struct thaw_exclude *exclude);

#endif
