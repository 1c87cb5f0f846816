/* The sum over lanes beside the backward pass: tells the sum how far down the vector gradients are final. */
#ifndef THAW_SRC_TRAIN_OVERLAP_H
#define THAW_SRC_TRAIN_OVERLAP_H

#include "src/train/flat_params.h"
#include "thaw/allreduce.h"
#include "thaw/executor.h"

struct thaw_overlap {
	struct thaw_allreduce *allreduce;
	int64_t *final_from; /* [nodes] after a node's backward call the tail's vector is final from here on */
};

/* From now on every backward pass of `executor`, a tail executor of `graph`, tells `sum`, whose vectors begin with the
 * tail's. `overlap` must outlive these passes and not move. */
thaw_status thaw_overlap_create(struct thaw_overlap *overlap, const struct thaw_flat_params *params,
				const struct thaw_graph *graph, struct thaw_executor *executor,
				struct thaw_allreduce *allreduce);
void thaw_overlap_release(struct thaw_overlap *overlap); /* zeroed is fine */

#endif
