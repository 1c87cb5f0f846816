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

/* v = exp(v) for v <= 0: 2^n p(f) with t = v / ln 2 = n + f, |f| <= 1/2, t at least -126. */
THAW_INLINE void quick_exp(thaw_vec *v)
{
	const float to_integer = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
	const thaw_vec lowest = (thaw_vec){0} - 126.0f;
	thaw_vec t = *v * 1.44269504f, p;
	thaw_vec_raise(&t, &lowest);
	thaw_vec shifted = t + to_integer, f = t - (shifted - to_integer);
	p = f * 5.500893000e-02f + 2.422109800e-01f;
	p = p * f + 6.932829300e-01f;
	p = p * f + 1.0f;
	*v = (thaw_vec)((thaw_vec_mask)p + ((thaw_vec_mask)shifted << 23)); /* the low bits are n */
}

THAW_MULTIVERSION
void thaw_softmax_rows_quick(float *x, int64_t rows, int64_t columns, float *largest, float *inverse)
{
	for (int64_t r = 0; r < rows; r++, x += columns) {
		float peak = row_largest(x, columns);
		thaw_vec sum = {0};
		for (int64_t c = 0; c < columns; c += THAW_VECTOR_WIDTH) {
			thaw_vec v = *(const thaw_vec *)(x + c) - peak;
			quick_exp(&v);
			sum += v;
			*(thaw_vec *)(x + c) = v;
		}
		inverse[r] = 1.0f / thaw_vec_sum(&sum);
		if (largest)
			largest[r] = peak;
	}
}

THAW_MULTIVERSION
void thaw_softmax_rows_recompute_quick(float *x, int64_t rows, int64_t columns, const float *largest,
				       const float *inverse)
{
	for (int64_t r = 0; r < rows; r++, x += columns)
		for (int64_t c = 0; c < columns; c += THAW_VECTOR_WIDTH) {
			thaw_vec v = *(const thaw_vec *)(x + c) - largest[r];
			quick_exp(&v);
			*(thaw_vec *)(x + c) = v * inverse[r];
		}
}

THAW_MULTIVERSION
void thaw_softmax_scale_rows(float *x, int64_t rows, int64_t columns, int64_t stride, const float *factor)
{
	for (int64_t r = 0; r < rows; r++, x += stride)
		for (int64_t c = 0; c < columns; c++)
			x[c] *= factor[r];
}
