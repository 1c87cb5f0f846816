/* A row is read from memory once; the second and third pass find it in the first-level cache. */
#include "src/ops/kernels/layer_norm.h"

#include <math.h>
#include <stddef.h>

#include "src/ops/kernels/vector.h"

enum { ROWS = 4 }; /* rows that backward processes at a time: it sums their part of dscale and dshift in registers */

/* The mean of squared distances from the mean: E[x^2] - E[x]^2 would lose digits to cancellation in rows far from zero.
 */
THAW_INLINE float row_variance(const float *x, float mean, int64_t columns)
{
	thaw_vec sum = {0};
	float rest = 0;
	int64_t c = 0;

	for (; c + THAW_VECTOR_WIDTH <= columns; c += THAW_VECTOR_WIDTH) {
		thaw_vec d = *(const thaw_vec *)(x + c) - mean;
		sum += d * d;
	}
	for (; c < columns; c++)
		rest += (x[c] - mean) * (x[c] - mean);
	return (thaw_vec_sum(&sum) + rest) / (float)columns;
}

THAW_MULTIVERSION
void thaw_layer_norm_forward(float *y, float *mean, float *inverse, const float *x, int64_t rows, int64_t columns,
			     const float *restrict scale, const float *restrict shift, float epsilon)
{
	for (int64_t r = 0; r < rows; r++, x += columns, y += columns) {
		float centre = thaw_row_sum(x, columns) / (float)columns;
		float factor = 1.0f / sqrtf(row_variance(x, centre, columns) + epsilon);
		if (mean) {
			mean[r] = centre;
			inverse[r] = factor;
		}
		THAW_INDEPENDENT
		for (int64_t c = 0; c < columns; c++)
			y[c] = (x[c] - centre) * factor * scale[c] + shift[c];
	}
}

/* Means over a row of g = dy * scale and of g * z, where z = (x - mean) * inverse. */
THAW_INLINE void row_means(float *mean_g, float *mean_gz, const float *dy, const float *x, float mean, float inverse,
			   const float *scale, int64_t columns)
{
	thaw_vec g_sum = {0}, gz_sum = {0};
	float g_rest = 0, gz_rest = 0;
	int64_t c = 0;

	for (; c + THAW_VECTOR_WIDTH <= columns; c += THAW_VECTOR_WIDTH) {
		thaw_vec g = *(const thaw_vec *)(dy + c) * *(const thaw_vec *)(scale + c);
		g_sum += g;
		gz_sum += g * ((*(const thaw_vec *)(x + c) - mean) * inverse);
	}
	for (; c < columns; c++) {
		g_rest += dy[c] * scale[c];
		gz_rest += dy[c] * scale[c] * ((x[c] - mean) * inverse);
	}
	*mean_g = (thaw_vec_sum(&g_sum) + g_rest) / (float)columns;
	*mean_gz = (thaw_vec_sum(&gz_sum) + gz_rest) / (float)columns;
}

/* dx = (g - mean of g - z * mean of g z) * inverse, which includes the gradient through mean and deviation. `rows`,
 * `wanted` and `add` are constants at the call. */
THAW_INLINE void backward_rows(const struct thaw_layer_norm_gradient *from, int64_t row, int rows, bool wanted,
			       bool add, float *restrict dscale, float *restrict dshift)
{
	int64_t columns = from->columns;
	const float *restrict scale = from->scale;
	const float *restrict dy = from->dy + row * columns, *restrict x = from->x + row * columns;
	float *restrict dx = wanted ? from->dx + row * columns : NULL;
	float mean[ROWS], inverse[ROWS], mean_g[ROWS], mean_gz[ROWS];
	for (int r = 0; r < rows; r++) {
		mean[r] = from->mean[row + r];
		inverse[r] = from->inverse[row + r];
		if (wanted)
			row_means(&mean_g[r], &mean_gz[r], dy + r * columns, x + r * columns, mean[r], inverse[r],
				  scale, columns);
	}
	THAW_INDEPENDENT
	for (int64_t c = 0; c < columns; c++) {
		float scale_sum = 0, shift_sum = 0;
		for (int r = 0; r < rows; r++) {
			float d = dy[r * columns + c], z = (x[r * columns + c] - mean[r]) * inverse[r];
			scale_sum += d * z;
			shift_sum += d;
			if (wanted) {
				float to = (d * scale[c] - mean_g[r] - z * mean_gz[r]) * inverse[r];
				dx[r * columns + c] = add ? dx[r * columns + c] + to : to;
			}
		}
		dscale[c] += scale_sum;
		dshift[c] += shift_sum;
	}
}

THAW_INLINE void backward_all_rows(const struct thaw_layer_norm_gradient *g, int64_t rows, bool wanted, bool add,
				   float *dscale, float *dshift)
{
	int64_t r = 0;
	for (; r + ROWS <= rows; r += ROWS)
		backward_rows(g, r, ROWS, wanted, add, dscale, dshift);
	for (; r < rows; r++)
		backward_rows(g, r, 1, wanted, add, dscale, dshift);
}

THAW_MULTIVERSION
void thaw_layer_norm_backward(const struct thaw_layer_norm_gradient *g, int64_t rows, float *dscale, float *dshift)
{
	if (!g->dx)
		backward_all_rows(g, rows, false, false, dscale, dshift);
	else if (g->add)
		backward_all_rows(g, rows, true, true, dscale, dshift);
	else
		backward_all_rows(g, rows, true, false, dscale, dshift);
}
