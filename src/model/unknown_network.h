/* What to say about a state dict that no family recognises. Internal to src/model. */
#ifndef THAW_SRC_MODEL_UNKNOWN_NETWORK_H
#define THAW_SRC_MODEL_UNKNOWN_NETWORK_H

#include "thaw/weights.h"

/* THAW_DATA with a message about a convolution that reads images of another number of channels than three; THAW_OK if
 * the shapes do not differ in this. */
thaw_status thaw_check_channels(const struct thaw_named_tensor *t, const struct thaw_shape *expected,
				const char *source);

/* Fails with what the tensors, or a config.json beside the file, say about the network, and what to do. */
thaw_status thaw_fail_unknown_network(struct thaw_weights *w, const char *source);

#endif
