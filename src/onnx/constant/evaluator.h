/* Shared by the evaluators of constant nodes. Internal to src/onnx/constant.
 *
 * To add an operator, add a line to list.h and define `const struct thaw_onnx_evaluator thaw_onnx_evaluate_NAME`. */
#ifndef THAW_ONNX_CONSTANT_EVALUATOR_H
#define THAW_ONNX_CONSTANT_EVALUATOR_H

#include "src/onnx/constant/operators.h"
#include "src/onnx/wire/node.h"

/* One evaluation. An evaluator that does not support the types of its operands calls thaw_onnx_unsupported. */
struct thaw_onnx_call {
	const struct thaw_onnx_operation *o;
	const struct thaw_onnx_evaluator *evaluator;
	bool unsupported;
};

struct thaw_onnx_evaluator {
	thaw_status (*evaluate)(struct thaw_onnx_call *c);
	/* Elementwise operators: the function for floating types, and for integers and bool. NULL: not defined. */
	double (*float1)(double x);
	int64_t (*int1)(int64_t x);
	double (*float2)(double x, double y);
	int64_t (*int2)(int64_t x, int64_t y);
	double start; /* of a reduction; infinity stands for the smallest or largest integer */
};

#define ONNX_OPERATOR(name) extern const struct thaw_onnx_evaluator thaw_onnx_evaluate_##name;
#include "src/onnx/constant/list.h"
#undef ONNX_OPERATOR

/* ---- Operands ---- */

/* *input = input i; THAW_DATA if it is omitted. */
thaw_status thaw_onnx_input(const struct thaw_onnx_constant **input, const struct thaw_onnx_call *c, int i);
/* Input i, or NULL if it is omitted. */
const struct thaw_onnx_constant *thaw_onnx_optional(const struct thaw_onnx_call *c, int i);
/* *output = output i, allocated and zeroed. */
thaw_status thaw_onnx_output(struct thaw_onnx_constant **output, const struct thaw_onnx_call *c, int i,
			     enum thaw_dtype type, const struct thaw_shape *shape);
/* Output 0 = a copy of `from` in another shape with the same number of elements. */
thaw_status thaw_onnx_output_reshaped(const struct thaw_onnx_call *c, const struct thaw_onnx_constant *from,
				      const struct thaw_shape *shape);
/* Sets c->unsupported; returns THAW_OK. */
thaw_status thaw_onnx_unsupported(struct thaw_onnx_call *c);

/* ---- Numbers ---- */

bool thaw_onnx_is_float(enum thaw_dtype type);
/* Element i. get_int truncates floating types towards zero and saturates to 64 bits; NaN becomes 0. */
double thaw_onnx_get_float(const struct thaw_onnx_constant *c, int64_t i);
int64_t thaw_onnx_get_int(const struct thaw_onnx_constant *c, int64_t i);
/* Sets element i, rounded to the element type; integers wrap around. */
void thaw_onnx_put_float(struct thaw_onnx_constant *c, int64_t i, double value);
void thaw_onnx_put_int(struct thaw_onnx_constant *c, int64_t i, int64_t value);

/* A short list of integers, such as axes. */
struct thaw_onnx_ints {
	int count;
	int64_t value[THAW_MAX_DIMS];
};
/* From input i, a vector or a scalar; THAW_DATA for more than THAW_MAX_DIMS elements. */
thaw_status thaw_onnx_ints_input(struct thaw_onnx_ints *list, const struct thaw_onnx_call *c, int i);
/* From an attribute; empty if it is absent. */
thaw_status thaw_onnx_ints_attribute(struct thaw_onnx_ints *list, const struct thaw_onnx_call *c, const char *name);
/* The axes: input 1 from opset `since` on, the attribute "axes" before; empty if absent. */
thaw_status thaw_onnx_read_axes(struct thaw_onnx_ints *axes, const struct thaw_onnx_call *c, int64_t since);

/* Adds `ndim` to a negative axis; THAW_DATA unless -ndim <= axis < ndim. */
thaw_status thaw_onnx_normalise_axis(int64_t *axis, const struct thaw_onnx_call *c, int ndim);
/* marked[axis] = true for each of the axes; THAW_DATA if one is out of range or duplicate. */
thaw_status thaw_onnx_mark_axes(bool marked[THAW_MAX_DIMS], const struct thaw_onnx_call *c,
				const struct thaw_onnx_ints *axes, int ndim);

/* ---- Walks over elements ---- */

/* Iterates over the elements of a shape, last axis fastest, and tracks the offset in another, strided array. */
struct thaw_onnx_walk {
	struct thaw_shape shape;
	int64_t index[THAW_MAX_DIMS];
	int64_t stride[THAW_MAX_DIMS]; /* of the other array, in elements */
	int64_t at;                    /* offset in the other array, in elements */
};

/* Strides of a dense array, in elements. */
void thaw_onnx_strides(int64_t stride[THAW_MAX_DIMS], const struct thaw_shape *shape);
void thaw_onnx_walk_next(struct thaw_onnx_walk *w);
/* to[i] = from[w->at] for all elements of `to`, which has the walk's shape. */
void thaw_onnx_walk_copy(struct thaw_onnx_walk *w, struct thaw_onnx_constant *to,
			 const struct thaw_onnx_constant *from);

/* *shape = what both shapes broadcast to under numpy's rules; THAW_DATA if they do not. */
thaw_status thaw_onnx_broadcast(struct thaw_shape *shape, const struct thaw_onnx_call *c,
				const struct thaw_shape *other);
/* A walk over `shape` whose offsets are in an array of shape `from`, broadcast to it. */
struct thaw_onnx_walk thaw_onnx_walk_broadcast(const struct thaw_shape *shape, const struct thaw_shape *from);

#endif
