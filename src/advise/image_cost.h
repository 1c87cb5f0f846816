/* Cost of running one image through a network. */
#ifndef THAW_SRC_ADVISE_IMAGE_COST_H
#define THAW_SRC_ADVISE_IMAGE_COST_H

#include "thaw/comm.h"
#include "thaw/graph.h"
#include "thaw/transform.h"

struct thaw_image_cost {
	double seconds;     /* of a forward pass: the median on each rank, the maximum over ranks */
	int64_t flops;      /* of a forward pass: 2 x multiply-adds */
	int64_t parameters; /* without moving statistics, as is usual */
};

/* Measures the lowered graph with one image of this size (pixels) at a time, on all ranks at once. All parameters must
 * be frozen (thaw_graph_unfreeze). Takes 16 forward passes. Collective. */
thaw_status thaw_image_cost_measure(struct thaw_image_cost *cost, struct thaw_comm *comm,
				    const struct thaw_graph *graph, struct thaw_size size);

#endif
