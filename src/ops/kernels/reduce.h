/* The reductions of `reduce` on one block, of which tensor 0 is x and tensor 1 the result, and back. */
#ifndef THAW_SRC_OPS_KERNELS_REDUCE_H
#define THAW_SRC_OPS_KERNELS_REDUCE_H

#include "src/ops/kernels/broadcast.h"

/* Values of the result's shape. */
struct thaw_reduce {
	float *y;
	const float *dy;
	float *other, *zeros; /* see reduce_list.h; the peak of LOG_SUM_EXP is in `other` in forward */
	float n;
};

/* What y is filled with before the first block. */
float thaw_reduce_start(enum thaw_reduction kind);
/* terms[rows][columns] is working memory. */
void thaw_reduce_block(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *to,
		       const float *x, float *terms);
/* y from its sums, after the last block. */
void thaw_reduce_finish(enum thaw_reduction kind, const struct thaw_reduce *to, int64_t count);

/* Counts into `other` and `zeros`, before the slopes; both must be filled first, with 0 or, for a product, 1 and 0. */
void thaw_reduce_prepare_slope(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *from,
			       const float *x);
/* dx[rows][columns] = dy * slope, or that is added. */
void thaw_reduce_slope(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *from,
		       const float *x, float *dx, bool add);

#endif
