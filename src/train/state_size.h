/* How many bytes the state of a run takes in a checkpoint. */
#ifndef THAW_TRAIN_STATE_SIZE_H
#define THAW_TRAIN_STATE_SIZE_H

#include <stddef.h>

#include "thaw/graph.h"
#include "thaw/train.h"

/* Bytes of the trainable parameters and of their optimizer state. */
size_t thaw_state_size(const struct thaw_graph *g, const struct thaw_optimizer *optimizer);

/* Bytes of all parameters of the network. */
size_t thaw_network_size(const struct thaw_graph *g);

/* Bytes that no checkpoint of this network exceeds, whatever is trained and with which optimizer. */
size_t thaw_state_bound(const struct thaw_graph *g);

#endif
