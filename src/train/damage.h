/* The damaged images of one dataset, and those that cannot be read. They are skipped and counted; rank 0 logs each
 * once, whichever rank found it. */
#ifndef THAW_SRC_TRAIN_DAMAGE_H
#define THAW_SRC_TRAIN_DAMAGE_H

#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/loader.h"
#include "thaw/train.h"

struct thaw_damage;

/* The dataset must live until thaw_damage_destroy. *damage is valid, and must be destroyed, after a failure too. */
thaw_status thaw_damage_create(struct thaw_damage **damage, const struct thaw_dataset *dataset);
void thaw_damage_destroy(struct thaw_damage *damage); /* NULL is fine */

/* Records the damaged images of a batch of this rank. Returns how many of them were not known before. */
int64_t thaw_damage_note(struct thaw_damage *damage, const struct thaw_batch *batch);

/* Logs what all ranks recorded since the last report. *lost receives a class whose images are now all known to be
 * damaged, or -1. Collective. */
thaw_status thaw_damage_report(struct thaw_damage *damage, struct thaw_comm *comm,
			       const struct thaw_callbacks *callbacks, int *lost);

/* The number of damaged images at which a run stops is above this: `share` of the dataset, or, if share is negative, a
 * tenth, but at least 10 images. */
int64_t thaw_damage_limit(const struct thaw_dataset *dataset, double share);

/* Records that `count` images of the dataset are damaged, more than `limit`. Returns THAW_DATA. */
thaw_status thaw_fail_damaged(const struct thaw_dataset *dataset, int64_t count, int64_t limit);

#endif
