/* What the evaluators of constant nodes share. Internal to src/onnx/constant and constant.c.
 *
 * An operator is one line in list.h and one `const struct thaw_onnx_evaluator thaw_onnx_evaluate_NAME`. */
#ifndef THAW_ONNX_EVALUATOR_H
#define THAW_ONNX_EVALUATOR_H

#include "src/onnx/constant/operators.h"
#include "src/onnx/wire/node.h"

/* A node on its way through its evaluator, which returns THAW_OK with `unsupported` set where it does not know the
 * types.
 */
struct thaw_onnx_call {
	const struct thaw_onnx_operation *o;
	const struct thaw_onnx_evaluator *evaluator;
	bool unsupported;
};

struct thaw_onnx_evaluator {
	thaw_status (*evaluate)(struct thaw_onnx_call *c);
	/* The arithmetic of those that work element by element: on floating types, on integers and bool. NULL: not
	 * defined. */
	double (*float1)(double x);
	int64_t (*int1)(int64_t x);
	double (*float2)(double x, double y);
	int64_t (*int2)(int64_t x, int64_t y);
	double start; /* of a reduction; the smallest or largest integer where it is infinite */
};

#define ONNX_OPERATOR(name) extern const struct thaw_onnx_evaluator thaw_onnx_evaluate_##name;
#include "src/onnx/constant/list.h"
#undef ONNX_OPERATOR

/* ---- Operands ---- */

/* *input = input i; THAW_DATA when it is left out. */
thaw_status thaw_onnx_input(const struct thaw_onnx_constant **input, const struct thaw_onnx_call *c, int i);
/* Input i, or NULL when it is left out. */
const struct thaw_onnx_constant *thaw_onnx_optional(const struct thaw_onnx_call *c, int i);
/* Makes output i, zeroed. */
thaw_status thaw_onnx_output(struct thaw_onnx_constant **output, const struct thaw_onnx_call *c, int i,
			     enum thaw_dtype type, const struct thaw_shape *shape);
/* Output 0 is a copy of `from` in another shape of as many elements. */
thaw_status thaw_onnx_output_reshaped(const struct thaw_onnx_call *c, const struct thaw_onnx_constant *from,
				      const struct thaw_shape *shape);
/* Leaves the node to others. */
thaw_status thaw_onnx_unsupported(struct thaw_onnx_call *c);

/* ---- Numbers ---- */

bool thaw_onnx_is_float(enum thaw_dtype type);
/* Element i by value; a float as integer is cut off towards zero and kept within 64 bits, NaN becomes 0. */
double thaw_onnx_get_float(const struct thaw_onnx_constant *c, int64_t i);
int64_t thaw_onnx_get_int(const struct thaw_onnx_constant *c, int64_t i);
/* Rounds to the element type; integers wrap around. */
void thaw_onnx_put_float(struct thaw_onnx_constant *c, int64_t i, double value);
void thaw_onnx_put_int(struct thaw_onnx_constant *c, int64_t i, int64_t value);

/* A short list of whole numbers, such as axes. */
struct thaw_onnx_ints {
	int count;
	int64_t value[THAW_MAX_DIMS];
};
/* Of input i, which is a vector or a single number; longer than THAW_MAX_DIMS is THAW_DATA. */
thaw_status thaw_onnx_ints_input(struct thaw_onnx_ints *list, const struct thaw_onnx_call *c, int i);
/* The same of an attribute; empty when it is absent. */
thaw_status thaw_onnx_ints_attribute(struct thaw_onnx_ints *list, const struct thaw_onnx_call *c, const char *name);
/* The axes that are input 1 from opset `since` on, and the attribute "axes" before; empty when absent. */
thaw_status thaw_onnx_read_axes(struct thaw_onnx_ints *axes, const struct thaw_onnx_call *c, int64_t since);

/* Adds `ndim` to a negative axis; THAW_DATA when it is not one of that many. */
thaw_status thaw_onnx_normalise_axis(int64_t *axis, const struct thaw_onnx_call *c, int ndim);
/* marked[axis] = true for each of them; THAW_DATA when one is not an axis of this ndim or comes twice. */
thaw_status thaw_onnx_mark_axes(bool marked[THAW_MAX_DIMS], const struct thaw_onnx_call *c,
				const struct thaw_onnx_ints *axes, int ndim);

/* ---- Walks over elements ---- */

/* Goes through the elements of a shape, last axis fastest, and keeps the place in another array beside it. */
struct thaw_onnx_walk {
	struct thaw_shape shape;
	int64_t index[THAW_MAX_DIMS];
	int64_t stride[THAW_MAX_DIMS]; /* of the other array, in elements */
	int64_t at;                    /* its element that belongs to index */
};

/* stride[i] = elements from one index of axis i to the next in a dense array. */
void thaw_onnx_strides(int64_t stride[THAW_MAX_DIMS], const struct thaw_shape *shape);
void thaw_onnx_walk_next(struct thaw_onnx_walk *w);
/* Copies element by element: the next of `to`, which has the walk's shape, from where the walk is in `from`. */
void thaw_onnx_walk_copy(struct thaw_onnx_walk *w, struct thaw_onnx_constant *to,
			 const struct thaw_onnx_constant *from);

/* *shape = what both broadcast to, as numpy does; THAW_DATA when they do not. */
thaw_status thaw_onnx_broadcast(struct thaw_shape *shape, const struct thaw_onnx_call *c,
				const struct thaw_shape *other);
/* A walk over `shape` that is at the elements of `from`, which broadcasts to it. */
struct thaw_onnx_walk thaw_onnx_walk_broadcast(const struct thaw_shape *shape, const struct thaw_shape *from);

#endif
