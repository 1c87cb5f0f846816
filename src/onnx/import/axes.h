/* Views: how the axes of an ONNX value map to the axes of a graph tensor.
 *
 * ONNX models use (N,C,H,W) and permute or split axes with Reshape, Transpose, Slice and the like; the graph stores
 * (N,H,W,C). The importer therefore represents a value as a graph tensor plus a view of it. The tensor's axes are
 * factored, and each axis of the view (the ONNX axis) is a sequence of these factors, in any order. Example: the tensor
 * (N,14,14,192) is the ONNX value (N,192,14,14) through the view order 0, 3, 1, 2. Most data movement in a model only
 * changes the view and costs nothing at run time; elements are copied only when an operator needs another layout.
 *
 * Factor 0 of a batched value is the number of images. It may be anywhere in the view, but is always outermost in the
 * tensor, so that a batch can have fewer images than the executor was created for.
 */
#ifndef THAW_ONNX_IMPORT_AXES_H
#define THAW_ONNX_IMPORT_AXES_H

#include "thaw/ops.h"

struct thaw_onnx_factor {
	int axis; /* of the tensor; factors are sorted by tensor axis, slowest first */
	int64_t size;
	int64_t start, step, take; /* the view selects start, start + step, ...: `take` indices */
};

struct thaw_onnx_axes {
	struct thaw_shape tensor;
	bool batched; /* factor 0 is the number of images */
	struct thaw_onnx_factor factor[THAW_MAX_FACTORS];
	int count;
	int ndim;                        /* of the view */
	int order[THAW_MAX_FACTORS];     /* factor indices in view order, slowest first */
	int view_axis[THAW_MAX_FACTORS]; /* view axis of factor order[k], ascending */
};

/* The identity view of a tensor. images: number of images in its first dimension; 0 for a value without images. */
void thaw_onnx_axes_set(struct thaw_onnx_axes *v, const struct thaw_shape *tensor, int64_t images);

int64_t thaw_onnx_axes_dim(const struct thaw_onnx_axes *v, int axis);
int64_t thaw_onnx_axes_count(const struct thaw_onnx_axes *v); /* elements */

/* Change the view only. False if the result is not a view of this tensor; it is one of a copy in view order. */
bool thaw_onnx_axes_transpose(struct thaw_onnx_axes *v, const int *permutation); /* [ndim]; always true */
bool thaw_onnx_axes_reshape(struct thaw_onnx_axes *v, const int64_t *dim, int ndim);
bool thaw_onnx_axes_slice(struct thaw_onnx_axes *v, int axis, int64_t start, int64_t step, int64_t take);

/* Moves an axis to the end, and the last axis back to position `axis`. */
void thaw_onnx_axes_to_end(struct thaw_onnx_axes *v, int axis);
void thaw_onnx_axes_from_end(struct thaw_onnx_axes *v, int axis);

/* Whether the view covers all elements of the tensor. */
bool thaw_onnx_axes_whole(const struct thaw_onnx_axes *v);
/* Whether view_axis is exactly one axis of the tensor, unsliced. Sets *axis to it. */
bool thaw_onnx_axes_is_axis(const struct thaw_onnx_axes *v, int view_axis, int *axis);
/* Whether two views are the same and their tensors have equal shapes. */
bool thaw_onnx_axes_equal(const struct thaw_onnx_axes *a, const struct thaw_onnx_axes *b);

/* Sets the size of a tensor axis that is one view axis; it becomes a single factor. */
void thaw_onnx_axes_resize(struct thaw_onnx_axes *v, int axis, int64_t size);

/* The layout of a tensor to be materialised from a view: its factors in order, and the axis that each goes to. */
struct thaw_onnx_arrangement {
	int order[THAW_MAX_FACTORS];  /* factor indices, slowest first */
	int target[THAW_MAX_FACTORS]; /* tensor axis of order[k], ascending */
	int ndim;
};

/* *arrangement = the order of the view, except that the images come first. */
void thaw_onnx_axes_in_order(const struct thaw_onnx_axes *v, struct thaw_onnx_arrangement *arrangement);

/* Replaces v's tensor by one in the given arrangement; the view keeps its axes. *factors = the attributes of the
 * rearrange operator that computes the new tensor. *copy: elements move (otherwise a reshape is enough). *change: the
 * tensor's shape differs. */
void thaw_onnx_axes_rearrange(struct thaw_onnx_axes *v, const struct thaw_onnx_arrangement *arrangement,
			      struct thaw_factors *factors, bool *copy, bool *change);

#endif
