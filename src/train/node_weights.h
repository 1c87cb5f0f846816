/* Frozen weights in node memory: one copy per node, written by the node's first rank and read by all.
 *
 * Each rank first loads or computes its own copy. Then the node's first rank moves its values to node memory, and the
 * others release theirs. Without node memory every rank keeps its own copy.
 */
#ifndef THAW_SRC_TRAIN_NODE_WEIGHTS_H
#define THAW_SRC_TRAIN_NODE_WEIGHTS_H

#include "thaw/comm.h"
#include "thaw/executor.h"
#include "thaw/graph.h"

struct thaw_node_weights {
	struct thaw_comm *comm;
	void *data; /* node memory; NULL: each rank has its own copy */
	size_t bytes;
};

/* Moves the frozen parameters that the graph owns, which must be equal on all ranks of a node, to node memory, and
 * packs the weights of the executor (NULL: none) there. *separate becomes true on all ranks when some node has no node
 * memory: thaw_error_message then says which rank and why. Release after graph and executor.
 * Collective. */
thaw_status thaw_node_weights_create(struct thaw_node_weights *weights, struct thaw_comm *comm,
				     struct thaw_graph *graph, struct thaw_executor *executor, bool *separate);
void thaw_node_weights_release(struct thaw_node_weights *weights); /* zeroed is fine; not collective */

#endif
