/* The sum over lanes beside the backward pass: tells the sum how far down the vector gradients are final. */
#ifndef THAW_SRC_TRAIN_OVERLAP_H
#define THAW_SRC_TRAIN_OVERLAP_H

#include "src/train/tail.h"
#include "thaw/lanes.h"
#include "thaw/plan.h"

struct thaw_overlap {
	struct thaw_sum *sum;
	int64_t *final_from; /* [nodes] after a node's backward call the tail's vector is final from here on */
};

/* From now on every backward pass of `plan`, a tail plan of `graph`, tells `sum`, whose vectors begin with the tail's.
 * `overlap` must outlive these passes and not move. */
thaw_status thaw_overlap_create(struct thaw_overlap *overlap, const struct thaw_tail *tail,
				const struct thaw_graph *graph, struct thaw_plan *plan, struct thaw_sum *sum);
void thaw_overlap_release(struct thaw_overlap *overlap); /* zeroed is fine */

#endif
