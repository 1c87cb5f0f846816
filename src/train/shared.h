/* Frozen weights in memory that the ranks of a node hold together: written once, read by all.
 *
 * Each rank makes or loads its own copy first, as if it were alone; then the node's first rank moves its values into
 * the common memory, and the others let go of theirs. Where there is no common memory every rank keeps its own.
 */
#ifndef THAW_SRC_TRAIN_SHARED_H
#define THAW_SRC_TRAIN_SHARED_H

#include "thaw/comm.h"
#include "thaw/graph.h"
#include "thaw/plan.h"

struct thaw_shared {
	struct thaw_comm *comm;
	void *data; /* NULL: nothing is shared */
	size_t bytes;
};

/* Moves the parameters that the graph itself owns and that are frozen, the same values on all ranks of a node, and
 * prepares the plan (NULL: none) in the same memory. *without becomes true on all ranks when some node cannot share:
 * thaw_error_message then says which rank and why. Collective. Release after graph and plan are gone. */
thaw_status thaw_shared_create(struct thaw_shared *shared, struct thaw_comm *comm, struct thaw_graph *graph,
			       struct thaw_plan *plan, bool *without);
void thaw_shared_release(struct thaw_shared *shared); /* zeroed is fine; not collective */

#endif
