/* Networks that thaw does not build, but whose files have the tensors of one that it builds. Internal to src/model. */
#ifndef THAW_SRC_MODEL_LOOKALIKE_H
#define THAW_SRC_MODEL_LOOKALIKE_H

#include "src/model/model_internal.h"

/* THAW_CONFIG if the file's name, or a config.json beside it, says that the network is not `variant`, which was
 * recognised by the tensors. A name that the caller gave settles the name, but not the configuration's other values. */
thaw_status thaw_check_lookalike(const char *variant, const struct thaw_weights_request *request);

#endif
