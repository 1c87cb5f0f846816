/* Shapes, element types and aligned memory. */
#ifndef THAW_TENSOR_H
#define THAW_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

#define THAW_MAX_DIMS  8
#define THAW_ALIGNMENT 64 /* bytes: a cache line, and an AVX-512 vector */

/* Sizes along each axis, slowest first. Images are (N,H,W,C), flat features (N,C). */
struct thaw_shape {
	int ndim;
	int64_t dim[THAW_MAX_DIMS];
};

/* thaw_shape_of(n,h,w,c), thaw_shape_of(n,c), ...: a shape from its dimensions. */
#define thaw_shape_of(...) \
	((struct thaw_shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})

/* Product of all dimensions; 1 for rank 0. Shapes are validated where they enter the library
 * (thaw_shape_check), so that the product cannot overflow here. */
int64_t thaw_shape_count(const struct thaw_shape *s);
bool thaw_shape_equal(const struct thaw_shape *a, const struct thaw_shape *b);

/* THAW_DATA if the rank is out of range, a dimension is negative, or count * 8 bytes does not fit
 * in 47 bits. `what` names the tensor in the message. */
thaw_status thaw_shape_check(const struct thaw_shape *s, const char *what);

#define THAW_SHAPE_TEXT 192 /* bytes that hold the text of any shape */
/* Writes "(1, 56, 56, 64)" into text[size] and returns text. */
const char *thaw_shape_text(const struct thaw_shape *s, char *text, size_t size);

enum thaw_dtype {
	THAW_F32,
	THAW_F16,
	THAW_BF16,
	THAW_F64,
	THAW_I8,
	THAW_U8,
	THAW_I16,
	THAW_I32,
	THAW_I64,
	THAW_BOOL,
	THAW_DTYPES /* how many there are */
};

size_t thaw_dtype_size(enum thaw_dtype t);
/* The name in safetensors files: "F32", "BF16", "I64", ... */
const char *thaw_dtype_name(enum thaw_dtype t);
bool thaw_dtype_parse(const char *name, enum thaw_dtype *t);

/* Converts n elements of type t at `from` (any alignment) to fp32, and back with round to nearest
 * even (F32, F16, BF16 only). Integers convert by value. */
void thaw_to_f32(enum thaw_dtype t, const void *from, float *to, int64_t n);
void thaw_from_f32(enum thaw_dtype t, const float *from, void *to, int64_t n);

/* A tensor that someone else owns. */
struct thaw_view {
	float *data;
	struct thaw_shape shape;
};

/* Zeroed, THAW_ALIGNMENT-aligned memory of count * size bytes, or NULL with THAW_RESOURCE recorded
 * (also on overflow of the product). Never NULL for a count of 0. Release with thaw_free. */
void *thaw_alloc(size_t count, size_t size);
void thaw_free(void *p);

/* The same text or bytes in memory from thaw_alloc; NULL as above. */
char *thaw_strdup(const char *text);
/* printf into memory from thaw_alloc. */
char *thaw_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* XXH3 of bytes, 64 bits; chain by passing the previous digest as seed. */
uint64_t thaw_digest(const void *data, size_t bytes, uint64_t seed);

THAW_END_DECLS

#endif
