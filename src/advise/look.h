/* Which images advice looks at, and how ranks share them: the same for thaw_advise and thaw_compare. */
#ifndef THAW_SRC_ADVISE_LOOK_H
#define THAW_SRC_ADVISE_LOOK_H

#include "thaw/advise.h"

/* The training images: all of them, or where they are more than two thousand, the same number of each class (two at
 * least, however many classes there are, since a probe leaves one out). */
thaw_status thaw_look_open(struct thaw_dataset *d, const struct thaw_advise_options *options);

/* Lanes to spread them over: --lanes, or 8, or as many as ranks. */
int thaw_look_lanes(const struct thaw_advise_options *options, const struct thaw_comm *comm);

/* THAW_CONFIG on all ranks unless all have the same digest: ranks that see other images or weights would wait for each
 * other for ever, or add up what does not belong together. Collective; see thaw_comm_same. */
thaw_status thaw_look_same(struct thaw_comm *comm, uint64_t digest, const char *what, const char *remedy);

#endif
