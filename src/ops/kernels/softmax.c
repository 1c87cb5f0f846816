/* A row stays in the first-level cache for all passes over it. */
#include "src/ops/kernels/softmax.h"

#include "src/ops/kernels/vector.h"
#include "src/ops/kernels/vector_exp.h"

THAW_INLINE float row_largest(const float *x, int64_t columns)
{
	float largest = x[0];
	int64_t c = 0;
	if (columns >= THAW_VECTOR_WIDTH) {
		thaw_vec column_largest = *(const thaw_vec *)x;
		for (c = THAW_VECTOR_WIDTH; c + THAW_VECTOR_WIDTH <= columns; c += THAW_VECTOR_WIDTH)
			thaw_vec_raise(&column_largest, (const thaw_vec *)(x + c));
		largest = thaw_vec_largest(&column_largest);
	}
	for (; c < columns; c++)
		largest = x[c] > largest ? x[c] : largest;
	return largest;
}

THAW_INLINE float row_product(const float *a, const float *b, int64_t columns)
{
	thaw_vec sum = {0};
	float rest = 0;
	int64_t c = 0;

	for (; c + THAW_VECTOR_WIDTH <= columns; c += THAW_VECTOR_WIDTH)
		sum += *(const thaw_vec *)(a + c) * *(const thaw_vec *)(b + c);
	for (; c < columns; c++)
		rest += a[c] * b[c];
	return thaw_vec_sum(&sum) + rest;
}

THAW_MULTIVERSION
void thaw_softmax_rows(float *y, const float *x, int64_t rows, int64_t columns, int64_t stride, float *largest,
		       float *inverse)
{
	for (int64_t r = 0; r < rows; r++, x += stride, y += stride) {
		float peak = row_largest(x, columns), factor;
		THAW_INDEPENDENT
		for (int64_t c = 0; c < columns; c++)
			y[c] = thaw_vector_exp(x[c] - peak);
		factor = 1.0f / thaw_row_sum(y, columns);
		for (int64_t c = 0; c < columns; c++)
			y[c] *= factor;
		if (largest) {
			largest[r] = peak;
			inverse[r] = factor;
		}
	}
}

THAW_MULTIVERSION
void thaw_softmax_rows_recompute(float *y, const float *x, int64_t rows, int64_t columns, int64_t stride,
				 const float *largest, const float *inverse)
{
	for (int64_t r = 0; r < rows; r++, x += stride, y += stride) {
		THAW_INDEPENDENT
		for (int64_t c = 0; c < columns; c++)
			y[c] = thaw_vector_exp(x[c] - largest[r]) * inverse[r];
	}
}

THAW_MULTIVERSION
void thaw_softmax_rows_backward(float *dx, bool add, const float *y, const float *dy, int64_t rows, int64_t columns,
				int64_t stride)
{
	for (int64_t r = 0; r < rows; r++, dx += stride, y += stride, dy += stride) {
		float sum = row_product(y, dy, columns);
		if (add) {
			THAW_INDEPENDENT
			for (int64_t c = 0; c < columns; c++)
				dx[c] += y[c] * (dy[c] - sum);
		} else {
			THAW_INDEPENDENT
			for (int64_t c = 0; c < columns; c++)
				dx[c] = y[c] * (dy[c] - sum);
		}
	}
}
