/* Weights in several files, with an index: NAME.index.json. Internal to src/model. */
#ifndef THAW_SRC_MODEL_SHARDS_H
#define THAW_SRC_MODEL_SHARDS_H

#include "thaw/weights.h"

bool thaw_weights_is_index(const char *path); /* by its name */

/* Reads the files that the index names, which must be in its folder, as one set. Fails like thaw_weights_read, and with
 * THAW_DATA if a tensor of the index is missing. */
thaw_status thaw_weights_read_index(struct thaw_weights *w, const char *path);

#endif
