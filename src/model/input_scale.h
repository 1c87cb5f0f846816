/* Normalisation inside an imported network. Internal to src/model. */
#ifndef THAW_SRC_MODEL_INPUT_SCALE_H
#define THAW_SRC_MODEL_INPUT_SCALE_H

#include "thaw/graph.h"
#include "thaw/transform.h"

/* Whether the network normalises its input, so that preprocessing must not: sets mean and std of *p so that the input
 * has values 0..1, or 0..255 if the network scales those or `bytes` is set. */
bool thaw_input_scale_apply(struct thaw_preprocess *p, const struct thaw_graph *g, bool bytes);

#endif
