/* Staging: copies of tar shards on a disk of each node, ahead of their use. */
#ifndef THAW_STAGE_H
#define THAW_STAGE_H

#include <stdint.h>

#include "thaw/api.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/train.h"

THAW_BEGIN_DECLS

/* Copies the shards that the ranks of each node need with so many lanes to the folder, by one rank per node, and makes
 * the datasets read the copies. A copy is used only if its bytes have the digest of its source. Copies of an earlier
 * time are used if source and copy are unchanged; stale ones of the same shards are removed. limit: bytes that the
 * copies may take, such as "200G"; NULL: nine tenths of the free space. What has no room, or cannot be copied, is read
 * from where it is; the log says so. Datasets that are not of shards stay as they are. THAW_USAGE if the limit is not a
 * size, THAW_IO if the folder cannot be made, THAW_UNFINISHED when callbacks->stop returns true. Collective. */
thaw_status thaw_stage(struct thaw_comm *comm, const char *folder, const char *limit,
		       struct thaw_dataset *const *datasets, int count, int lanes,
		       const struct thaw_callbacks *callbacks);

THAW_END_DECLS

#endif
