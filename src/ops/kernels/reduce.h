/* The reductions of `reduce` and their gradients, on one block; tensor 0 of the block is x, tensor 1 the result. */
#ifndef THAW_SRC_OPS_KERNELS_REDUCE_H
#define THAW_SRC_OPS_KERNELS_REDUCE_H

#include "src/ops/kernels/broadcast.h"

/* Arrays in the result's shape. */
struct thaw_reduce {
	float *y;
	const float *dy;
	float *other, *zeros; /* counts, see reduce_list.h; in forward, `other` has the peaks of LOG_SUM_EXP */
	float n;              /* number of elements per result */
};

/* The value to fill y with before the first block. */
float thaw_reduce_start(enum thaw_reduction kind);
/* Reduces one block of x to y, except for thaw_reduce_finish. terms[rows][columns] is working memory. */
void thaw_reduce_block(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *to,
		       const float *x, float *terms);
/* Computes y from its sums, after the last block. */
void thaw_reduce_finish(enum thaw_reduction kind, const struct thaw_reduce *to, int64_t count);

/* Counts one block into `other` and `zeros`, before thaw_reduce_slope. The caller fills both: `other` with 1 for a
 * product and 0 otherwise, `zeros` with 0. */
void thaw_reduce_count(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *from,
		       const float *x);
/* dx[rows][columns] = dy * slope, added to dx if `add`. */
void thaw_reduce_slope(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *from,
		       const float *x, float *dx, bool add);

#endif
