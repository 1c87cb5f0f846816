/* The damaged images of one dataset. They are skipped and counted; rank 0 logs each once, whichever rank found it. */
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

/* Records the damaged images of a batch of this rank. */
void thaw_damage_note(struct thaw_damage *damage, const struct thaw_batch *batch);

/* Logs what all ranks recorded since the last report. *lost receives a class whose images are now all known to be
 * damaged, or -1. Collective. */
thaw_status thaw_damage_report(struct thaw_damage *damage, struct thaw_comm *comm,
			       const struct thaw_callbacks *callbacks, int *lost);

#endif
