/* --recompute: how many blocks of the tail are computed again in the backward pass. */
#ifndef THAW_SRC_TRAIN_RECOMPUTE_H
#define THAW_SRC_TRAIN_RECOMPUTE_H

#include "thaw/comm.h"
#include "thaw/graph.h"

/* Sets g->recomputed for a training executor of the tail with images (batch,H,W,C). how: "off", "auto" (the values
 * between layers may take half of the free memory of this rank), or bytes such as "4G". THAW_USAGE for anything else,
 * THAW_CONFIG if so many bytes are not enough. */
thaw_status thaw_recompute_choose(struct thaw_graph *g, const struct thaw_shape *image, const char *how,
				  const struct thaw_comm *comm);

/* Whether `how` is one of these words. */
thaw_status thaw_recompute_check(const char *how);

#endif
