/* Damaged images of one dataset: left out, counted, and each named once, from whatever rank met it. */
#ifndef THAW_SRC_TRAIN_DAMAGE_H
#define THAW_SRC_TRAIN_DAMAGE_H

#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/loader.h"
#include "thaw/train.h"

struct thaw_damage;

/* The dataset is used until thaw_damage_destroy. */
thaw_status thaw_damage_create(struct thaw_damage **damage, const struct thaw_dataset *dataset);
void thaw_damage_destroy(struct thaw_damage *damage); /* NULL is fine */

/* Notes what was left out of a batch of this rank. */
void thaw_damage_note(struct thaw_damage *damage, const struct thaw_batch *batch);

/* Names on the log what was noted since the last report. *lost receives a class whose last good image was among
 * it, -1 when there is none. Collective. */
thaw_status thaw_damage_report(struct thaw_damage *damage, struct thaw_comm *comm,
			       const struct thaw_callbacks *callbacks, int *lost);

#endif
