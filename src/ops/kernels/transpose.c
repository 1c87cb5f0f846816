#include "src/ops/kernels/transpose.h"

#include "src/base/minmax.h"
#include "src/ops/kernels/vector.h"

enum { SIDE = THAW_VECTOR_WIDTH };

/* The elements of a and b interleaved: a0 b0 a1 b1 ... */
#define INTERLEAVE_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define INTERLEAVE_HIGH(a, b) \
	__builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

/* Rows 2i and 2i + 1 are row i interleaved with row i + 8. This rotates the eight bits of an element's row and column
 * by one; after four times rows and columns are exchanged. */
THAW_INLINE void interleave_rows(thaw_vec *to, const thaw_vec *from)
{
	for (int i = 0; i < SIDE / 2; i++) {
		to[2 * i] = INTERLEAVE_LOW(from[i], from[i + SIDE / 2]);
		to[2 * i + 1] = INTERLEAVE_HIGH(from[i], from[i + SIDE / 2]);
	}
}

/* a = SIDE columns of SIDE rows of `from`. */
THAW_INLINE void load_columns(thaw_vec *a, const void *from, int64_t from_stride)
{
	thaw_vec b[SIDE];
	for (int i = 0; i < SIDE; i++)
		a[i] = *(const thaw_vec *)((const float *)from + i * from_stride);
	interleave_rows(b, a);
	interleave_rows(a, b);
	interleave_rows(b, a);
	interleave_rows(a, b);
}

THAW_INLINE void transpose_block(float *to, int64_t to_stride, bool add, const float *from, int64_t from_stride)
{
	thaw_vec a[SIDE];
	load_columns(a, from, from_stride);
	for (int i = 0; i < SIDE; i++) {
		thaw_vec *row = (thaw_vec *)(to + i * to_stride);
		*row = a[i] + (add ? *row : (thaw_vec){0});
	}
}

THAW_INLINE void transpose_edge(float *to, int64_t to_stride, bool add, const float *from, int64_t from_stride,
				int64_t rows, int64_t columns)
{
	for (int64_t c = 0; c < columns; c++)
		for (int64_t r = 0; r < rows; r++) {
			float *at = to + c * to_stride + r;
			*at = add ? *at + from[r * from_stride + c] : from[r * from_stride + c];
		}
}

THAW_INLINE void transpose_blocks(float *to, int64_t to_stride, bool add, const float *from, int64_t from_stride,
				  int64_t rows, int64_t columns)
{
	for (int64_t r = 0; r < rows; r += SIDE)
		for (int64_t c = 0; c < columns; c += SIDE) {
			float *there = to + c * to_stride + r;
			const float *here = from + r * from_stride + c;
			int64_t high = min_int64(rows - r, SIDE), wide = min_int64(columns - c, SIDE);
			if (high == SIDE && wide == SIDE)
				transpose_block(there, to_stride, add, here, from_stride);
			else
				transpose_edge(there, to_stride, add, here, from_stride, high, wide);
		}
}

THAW_MULTIVERSION
void thaw_transpose(float *to, int64_t to_stride, bool add, const float *from, int64_t from_stride, int64_t rows,
		    int64_t columns)
{
	if (add)
		transpose_blocks(to, to_stride, true, from, from_stride, rows, columns);
	else
		transpose_blocks(to, to_stride, false, from, from_stride, rows, columns);
}

THAW_MULTIVERSION
void thaw_transpose_pairs(uint32_t *to, int64_t to_stride, const uint32_t *from, int64_t from_stride, int64_t rows,
			  int64_t columns)
{
	for (int64_t r = 0; r < rows; r += SIDE)
		for (int64_t c = 0; c < columns; c += SIDE) {
			thaw_vec a[SIDE];
			load_columns(a, from + r * from_stride + c, from_stride);
			for (int64_t i = 0; i < min_int64(columns - c, SIDE); i++)
				*(thaw_vec *)(to + (c + i) * to_stride + r) = a[i];
		}
}
