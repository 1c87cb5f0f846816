/* Two tensors of one ndim, one repeated along axes of the other where its size is 1, cut into blocks of rows.
 *
 * Neighbouring axes along which the same tensor is repeated are one loop. What is left are few cases: a bias is rows
 * against one row, the gate of an image (N,1,1,C) is for every n rows against one row, equal shapes are one long row.
 */
#ifndef THAW_SRC_OPS_KERNELS_BROADCAST_H
#define THAW_SRC_OPS_KERNELS_BROADCAST_H

#include "thaw/ops.h"

/* Floats of a block: several of them stay in the first cache. */
enum { THAW_BLOCK_FLOATS = 2048 };

struct thaw_broadcast {
	int ndim;                                                    /* of the merged axes, at least 2 */
	int64_t size[THAW_MAX_DIMS + 1], step[2][THAW_MAX_DIMS + 1]; /* steps in floats; 0: repeated */
	bool repeated[2];                                            /* along any axis */
	int64_t at[THAW_MAX_DIMS + 1], done;                         /* where the next block begins */
};

/* rows * columns elements, dense in the result, of which the block is `from` elements after its start. Element (r,c)
 * of tensor k is first[k] + r * row[k] + c * column[k]; column is 0 or 1, not 0 for both. */
struct thaw_block {
	int64_t rows, columns, from, first[2], row[2];
	bool column[2];
};

/* The common shape; THAW_CONFIG if the shapes do not fit. `op` names the operator. */
thaw_status thaw_broadcast_shape(const struct thaw_shape x[2], struct thaw_shape *y, const char *op);

/* For shapes that fit. */
struct thaw_broadcast thaw_broadcast_of(const struct thaw_shape *a, const struct thaw_shape *b);

/* The next block, or false at the end. */
bool thaw_broadcast_next(struct thaw_broadcast *b, struct thaw_block *block);

#endif
