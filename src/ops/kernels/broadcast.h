/* Broadcasting of two tensors with the same ndim, in blocks of rows. A tensor whose size is 1 along an axis is repeated
 * along it.
 *
 * Neighbouring axes along which the same tensor is repeated are merged, so few cases remain: a bias is one row repeated
 * for all rows, a gate (N,1,1,C) one row repeated for all rows of an image, tensors of equal shapes one long row.
 */
#ifndef THAW_SRC_OPS_KERNELS_BROADCAST_H
#define THAW_SRC_OPS_KERNELS_BROADCAST_H

#include "thaw/ops.h"

/* At most so many floats per block: several blocks fit in the first-level cache. */
enum { THAW_BLOCK_FLOATS = 2048 };

struct thaw_broadcast {
	int ndim;                                                    /* number of merged axes, at least 2 */
	int64_t size[THAW_MAX_DIMS + 1], step[2][THAW_MAX_DIMS + 1]; /* steps in floats; 0: repeated */
	bool repeated[2];                                            /* along any axis */
	int64_t at[THAW_MAX_DIMS + 1], done;                         /* where the next block begins */
};

/* A block of rows * columns elements, contiguous in the result from offset `from` on. Element (r,c) of tensor k is at
 * offset first[k] + r * row[k] + c * column[k]; column is 0 or 1, and 1 for at least one tensor. */
struct thaw_block {
	int64_t rows, columns, from, first[2], row[2];
	bool column[2];
};

/* *y = the shape of the result; THAW_CONFIG if the shapes do not fit. `op` names the operator in the message. */
thaw_status thaw_broadcast_shape(const struct thaw_shape x[2], struct thaw_shape *y, const char *op);

/* For shapes that thaw_broadcast_shape accepts. */
struct thaw_broadcast thaw_broadcast_of(const struct thaw_shape *x0, const struct thaw_shape *x1);

/* The next block, or false at the end. */
bool thaw_broadcast_next(struct thaw_broadcast *b, struct thaw_block *block);

#endif
