/* What it costs to show a network an image. */
#ifndef THAW_SRC_ADVISE_COST_H
#define THAW_SRC_ADVISE_COST_H

#include "thaw/comm.h"
#include "thaw/graph.h"

struct thaw_cost {
	double seconds;     /* of a forward pass: the median of this rank, of the slowest rank */
	int64_t flops;      /* of the same: multiply-adds x 2 */
	int64_t parameters; /* as is usual, without moving statistics */
};

/* One image of this side at a time, all ranks at once, through the graph as it runs best. All parameters are frozen
 * (thaw_graph_unfreeze). Takes as long as some forward passes. Collective. */
thaw_status thaw_cost_measure(struct thaw_cost *cost, struct thaw_comm *comm, const struct thaw_graph *graph, int side);

#endif
