/* Overlaps the all-reduce with the backward pass: reports to it from where on the vector's gradients are final. */
#ifndef THAW_SRC_TRAIN_OVERLAP_H
#define THAW_SRC_TRAIN_OVERLAP_H

#include "src/train/flat_params.h"
#include "thaw/allreduce.h"
#include "thaw/executor.h"

struct thaw_overlap {
	struct thaw_allreduce *allreduce;
	int64_t *final_from; /* [nodes] offset from which the vector is final after the node's backward call */
};

/* From now on every backward pass of `executor`, a tail executor of `graph`, calls thaw_allreduce_ready. The vectors of
 * `allreduce` start with those of `params`. `overlap` must outlive these passes and must not move in memory. */
thaw_status thaw_overlap_create(struct thaw_overlap *overlap, const struct thaw_flat_params *params,
				const struct thaw_graph *graph, struct thaw_executor *executor,
				struct thaw_allreduce *allreduce);
void thaw_overlap_release(struct thaw_overlap *overlap); /* zeroed is fine */

#endif
