/* Shapes, and views of tensors. */
#ifndef THAW_TENSOR_H
#define THAW_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

#define THAW_MAX_DIMS 8

/* Sizes along each axis, slowest first. Images are (N,H,W,C), flat features (N,C). */
struct thaw_shape {
	int ndim;
	int64_t dim[THAW_MAX_DIMS];
};

/* thaw_shape_of(n,h,w,c), thaw_shape_of(n,c), ...: a shape from its dimensions. */
#define thaw_shape_of(...) \
	((struct thaw_shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})

/* Product of all dimensions; 1 for no dimensions. Cannot overflow for a shape that passed thaw_shape_check. */
int64_t thaw_shape_count(const struct thaw_shape *s);
bool thaw_shape_equal(const struct thaw_shape *a, const struct thaw_shape *b);

/* THAW_DATA when the number of dimensions is out of range, a dimension is negative, or count * 8 bytes does not fit in
 * 47 bits. Shapes are checked where they enter the library. `what` names the tensor in the message. */
thaw_status thaw_shape_check(const struct thaw_shape *s, const char *what);

#define THAW_SHAPE_TEXT 192 /* bytes that hold the text of any shape */
/* Writes "(1, 56, 56, 64)" into text[size] and returns text. */
const char *thaw_shape_text(const struct thaw_shape *s, char *text, size_t size);

/* A dense tensor in memory of another owner. */
struct thaw_view {
	float *data;
	struct thaw_shape shape;
	uint16_t *bf16; /* instead of data, which is then NULL: the values in bfloat16 */
};

/* The values in fp32: v->data, or, of a tensor in bfloat16, `room`, which receives them. */
const float *thaw_view_values(const struct thaw_view *v, float *room);

THAW_END_DECLS

#endif
