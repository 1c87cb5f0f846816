/* The network that a command works on. */
#ifndef THAW_SRC_CLI_NETWORK_H
#define THAW_SRC_CLI_NETWORK_H

#include "src/cli/command.h"
#include "thaw/model.h"

/* Loads a network as thaw_model_load does. from: --from, the checkpoint of a run directory; NULL: its trained network.
 * Logs which one was loaded. */
thaw_status network_load(const struct session *session, struct thaw_model **model, const char *spec, const char *from,
			 int64_t classes, uint64_t seed);

#endif
