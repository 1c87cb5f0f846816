/* Element types of tensors in files, and their conversion to and from fp32. */
#ifndef THAW_DTYPE_H
#define THAW_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"

THAW_BEGIN_DECLS

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

size_t thaw_dtype_size(enum thaw_dtype t); /* bytes */
/* The name in safetensors files: "F32", "BF16", "I64", ... Static storage. */
const char *thaw_dtype_name(enum thaw_dtype t);
/* The type of that name. False when there is none; *t is then unchanged. */
bool thaw_dtype_parse(const char *name, enum thaw_dtype *t);

/* Converts from[n] of type t, at any alignment, to fp32. Integers convert by value. */
void thaw_to_f32(enum thaw_dtype t, const void *from, float *to, int64_t n);
/* Converts fp32 to to[n] of type t, F32, F16 or BF16, with rounding to nearest even. */
void thaw_from_f32(enum thaw_dtype t, const float *from, void *to, int64_t n);

THAW_END_DECLS

#endif
