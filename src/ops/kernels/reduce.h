/* The reductions of `reduce` and their gradients, on one block; tensor 0 of the block is x (`from`), tensor 1 the
 * result. */
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
/* Reduces one block of `from` to y, except for thaw_reduce_finish. terms[rows][columns] is working memory. */
void thaw_reduce_block(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *to,
		       const float *from, float *terms);
/* Computes y from its sums, after the last block. */
void thaw_reduce_finish(enum thaw_reduction kind, const struct thaw_reduce *to, int64_t count);

/* Counts one block of `from` into to->other and to->zeros, which thaw_reduce_slope reads. Before the first block, the
 * caller fills `other` with 1 for a product and 0 otherwise, and `zeros` with 0. */
void thaw_reduce_count(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *to,
		       const float *from);
/* dx[rows][columns] = dy * slope at the block of `from`, added to dx if `add`. */
void thaw_reduce_slope(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *result,
		       const float *from, float *dx, bool add);

#endif
