#include "src/ops/kernels/transpose.h"

#include "src/ops/kernels/vector.h"

enum { SIDE = THAW_LANES };

/* Vectors of a and b woven together: a0 b0 a1 b1 ... */
#define WEAVE_LOW(a, b)  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define WEAVE_HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

/* Row i woven with row i + 8 makes rows 2i and 2i + 1: the eight bits of an element's row and column turn by one place.
 * After four times rows and columns have changed places. */
THAW_INLINE void weave(thaw_vec *to, const thaw_vec *from)
{
	for (int i = 0; i < SIDE / 2; i++) {
		to[2 * i] = WEAVE_LOW(from[i], from[i + SIDE / 2]);
		to[2 * i + 1] = WEAVE_HIGH(from[i], from[i + SIDE / 2]);
	}
}

THAW_INLINE void block(float *to, int64_t to_stride, bool add, const float *from, int64_t from_stride)
{
	thaw_vec a[SIDE], b[SIDE];

	for (int i = 0; i < SIDE; i++)
		a[i] = *(const thaw_vec *)(from + i * from_stride);
	weave(b, a);
	weave(a, b);
	weave(b, a);
	weave(a, b);
	for (int i = 0; i < SIDE; i++) {
		thaw_vec *row = (thaw_vec *)(to + i * to_stride);

		*row = a[i] + (add ? *row : (thaw_vec){0});
	}
}

THAW_INLINE void edge(float *to, int64_t to_stride, bool add, const float *from, int64_t from_stride, int64_t rows,
		      int64_t columns)
{
	for (int64_t c = 0; c < columns; c++)
		for (int64_t r = 0; r < rows; r++) {
			float *at = to + c * to_stride + r;
			*at = add ? *at + from[r * from_stride + c] : from[r * from_stride + c];
		}
}

THAW_INLINE void blocks(float *to, int64_t to_stride, bool add, const float *from, int64_t from_stride, int64_t rows,
			int64_t columns)
{
	for (int64_t r = 0; r < rows; r += SIDE)
		for (int64_t c = 0; c < columns; c += SIDE) {
			float *there = to + c * to_stride + r;
			const float *here = from + r * from_stride + c;
			int64_t high = rows - r < SIDE ? rows - r : SIDE,
				wide = columns - c < SIDE ? columns - c : SIDE;
			if (high == SIDE && wide == SIDE)
				block(there, to_stride, add, here, from_stride);
			else
				edge(there, to_stride, add, here, from_stride, high, wide);
		}
}

THAW_MULTIVERSION
void thaw_transpose(float *to, int64_t to_stride, bool add, const float *from, int64_t from_stride, int64_t rows,
		    int64_t columns)
{
	if (add)
		blocks(to, to_stride, true, from, from_stride, rows, columns);
	else
		blocks(to, to_stride, false, from, from_stride, rows, columns);
}
