/* Frozen weights in memory that the ranks of a node hold together: written once, read by all.
 *
 * Each rank makes or loads its own copy first, as if it were alone; then the node's first rank moves its values into
 * the common memory, and the others let go of theirs. Where there is no common memory every rank keeps its own.
 */
#ifndef THAW_SRC_TRAIN_NODE_WEIGHTS_H
#define THAW_SRC_TRAIN_NODE_WEIGHTS_H

#include "thaw/comm.h"
#include "thaw/executor.h"
#include "thaw/graph.h"

struct thaw_node_weights {
	struct thaw_comm *comm;
	void *data; /* NULL: nothing is shared */
	size_t bytes;
};

/* Moves the parameters that the graph itself owns and that are frozen, the same values on all ranks of a node, and
 * prepares the executor (NULL: none) in the same memory. *without becomes true on all ranks when some node cannot
 * share: thaw_error_message then says which rank and why. Collective. Release after graph and executor are gone. */
thaw_status thaw_node_weights_create(struct thaw_node_weights *shared, struct thaw_comm *comm, struct thaw_graph *graph,
				     struct thaw_executor *executor, bool *without);
void thaw_node_weights_release(struct thaw_node_weights *shared); /* zeroed is fine; not collective */

#endif
