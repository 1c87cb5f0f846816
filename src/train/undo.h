/* Takes the updates of a step back.
 *
 * With several ranks, weights are updated while the backward pass is still running. A rank that abandons its pass then
 * would leave a step half done, so each rank keeps what its updates overwrite: its shards of the values and of the
 * optimizer's state. */
#ifndef THAW_SRC_TRAIN_UNDO_H
#define THAW_SRC_TRAIN_UNDO_H

#include "src/train/flat_params.h"

struct thaw_undo;

/* Memory for this rank's shards of `params`. Not collective. */
thaw_status thaw_undo_create(struct thaw_undo **undo, const struct thaw_flat_params *params,
			     const struct thaw_comm *comm);
void thaw_undo_destroy(struct thaw_undo *undo); /* NULL is fine */

/* A new step begins: forgets what was kept. */
void thaw_undo_begin(struct thaw_undo *undo);
/* Keeps the shard, or a part of one, before its update. Each value is updated once in a step. */
void thaw_undo_keep(struct thaw_undo *undo, const struct thaw_flat_params *params, struct thaw_shard shard);
/* Restores the values and states that were kept since thaw_undo_begin, and all values on all ranks. Collective. */
thaw_status thaw_undo_restore(struct thaw_undo *undo, struct thaw_flat_params *params, struct thaw_comm *comm);

#endif
