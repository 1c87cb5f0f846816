/* Memory that the ranks of a node share, if several open a dataset together. Internal to src/data. */
#ifndef THAW_SRC_DATA_NODE_BLOCK_H
#define THAW_SRC_DATA_NODE_BLOCK_H

#include "thaw/dataset.h"

/* As share->block; share NULL: this rank is alone. */
thaw_status thaw_node_block_open(struct thaw_node_block *block, const struct thaw_share *share, size_t bytes);
void thaw_node_block_close(struct thaw_node_block *block); /* zeroed is fine */

/* As share->filled. */
thaw_status thaw_node_block_filled(const struct thaw_share *share, uint64_t digest, bool *again);

#endif
