/* How the axes of an ONNX value lie in a tensor of the graph.
 *
 * ONNX says (N,C,H,W) and moves axes about with Reshape, Transpose, Slice and their like; the graph holds (N,H,W,C) and
 * wants as few copies as may be. So a value of the importer is a tensor and a view of it: the tensor's axes are split
 * into factors, and each axis that ONNX sees is a run of factors, in any order. Most nodes that only move elements then
 * change the view and compute nothing; a tensor is rearranged when an operator needs its axes otherwise.
 *
 * The first factor of a value that depends on the images counts them. It may stand anywhere in the view, but in
 * tensors it stays where it is, so that a batch can be shorter than planned.
 */
#ifndef THAW_SRC_ONNX_AXES_H
#define THAW_SRC_ONNX_AXES_H

#include "thaw/ops.h"

struct thaw_onnx_factor {
	int axis; /* of the tensor; factors stand in the order of its axes, slowest first */
	int64_t size;
	int64_t start, step, take; /* what the view shows of it: start, start + step, ..., `take` of them */
};

struct thaw_onnx_axes {
	struct thaw_shape tensor;
	bool batched; /* factor 0 counts the images */
	struct thaw_onnx_factor factor[THAW_MAX_FACTORS];
	int count;
	int ndim;                    /* of the view */
	int order[THAW_MAX_FACTORS]; /* factors as the view has them, slowest first */
	int of[THAW_MAX_FACTORS];    /* axis of the view that order[k] belongs to, rising */
};

/* The view that shows a tensor as it is. images: how many its first dimension holds, 0 for a fixed value. */
void thaw_onnx_axes_set(struct thaw_onnx_axes *v, const struct thaw_shape *tensor, int64_t images);

int64_t thaw_onnx_axes_dim(const struct thaw_onnx_axes *v, int axis);
int64_t thaw_onnx_axes_count(const struct thaw_onnx_axes *v); /* of elements */

/* Changes of a view. False: this view cannot show that, but one of a tensor made in the order of this view can. */
bool thaw_onnx_axes_transpose(struct thaw_onnx_axes *v, const int *permutation); /* [ndim]; true always */
bool thaw_onnx_axes_reshape(struct thaw_onnx_axes *v, const int64_t *dim, int ndim);
bool thaw_onnx_axes_slice(struct thaw_onnx_axes *v, int axis, int64_t start, int64_t step, int64_t take);

/* An axis becomes the last; and back, the last this axis. */
void thaw_onnx_axes_to_end(struct thaw_onnx_axes *v, int axis);
void thaw_onnx_axes_from_end(struct thaw_onnx_axes *v, int axis);

/* Whether the view shows all elements of the tensor. */
bool thaw_onnx_axes_whole(const struct thaw_onnx_axes *v);
/* Whether one axis of the view is one axis of the tensor, whole; *axis becomes it. */
bool thaw_onnx_axes_is_axis(const struct thaw_onnx_axes *v, int of, int *axis);
/* Whether two views show tensors of one shape in the same way. */
bool thaw_onnx_axes_equal(const struct thaw_onnx_axes *a, const struct thaw_onnx_axes *b);

/* The tensor's axis gets another size, as one factor of the view's axis that it is. */
void thaw_onnx_axes_resize(struct thaw_onnx_axes *v, int axis, int64_t size);

/* A tensor made from a view: which factors come in which order, into which axes. */
struct thaw_onnx_arrangement {
	int order[THAW_MAX_FACTORS], target[THAW_MAX_FACTORS];
	int ndim;
};

/* In the order of the view, images first: *made is the view of that tensor that shows the same. */
void thaw_onnx_axes_in_order(const struct thaw_onnx_axes *v, struct thaw_onnx_arrangement *arrangement);

/* Makes `v` the view of the tensor that `arrangement` makes of its own, and writes what rearrange needs to make it.
 * *copy: the elements move (otherwise reshape will do). *change: the tensor's shape is another one. */
void thaw_onnx_axes_rearrange(struct thaw_onnx_axes *v, const struct thaw_onnx_arrangement *arrangement,
			      struct thaw_factors *factors, bool *copy, bool *change);

#endif
