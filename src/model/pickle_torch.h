/* What the pickle of a state dict may name. Internal to src/model. */
#ifndef THAW_SRC_MODEL_PICKLE_TORCH_H
#define THAW_SRC_MODEL_PICKLE_TORCH_H

#include "src/pickle/pickle.h"

extern const struct thaw_pickle_vocabulary thaw_pickle_torch;

#endif
