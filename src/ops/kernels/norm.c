/* Loops of batch norm, vectorised over channels by the compiler. All are limited by memory, so x is read as rarely as
 * possible, and the mask of the activation is recomputed from x instead of read from y. */
#include "src/ops/kernels/norm.h"

#include <string.h>

#include "src/base/minmax.h"
#include "src/base/multiversion.h"
#include "src/ops/kernels/activate.h"
#include "src/ops/kernels/bf16_values.h"

enum {
	BLOCK_VALUES = 32768, /* 128 KiB: half of a small L2 cache */
	BLOCK_MIN_ROWS = 16,  /* so that the double precision work per block is negligible */
	BLOCK_MAX_ROWS = 256, /* so that rounding errors of single precision sums are negligible */
	FINE_ROWS = 8,
};

int64_t thaw_norm_block(int64_t channels)
{
	return min_int64(max_int64(BLOCK_VALUES / channels, BLOCK_MIN_ROWS), BLOCK_MAX_ROWS);
}

/* For a block of rows: sum[c] = sum of x - first row, square[c] = sum of squared distances from the mean. Distances
 * from the first row keep their precision for values that are large but close together. */
THAW_MULTIVERSION
static void block_moments(float *restrict sum, float *restrict square, const float *restrict x, int64_t rows,
			  int64_t channels)
{
	float weight = 1.0f / (float)rows;
	memset(sum, 0, (size_t)channels * sizeof(*sum));
	memset(square, 0, (size_t)channels * sizeof(*square));
	for (int64_t r = 1; r < rows; r++)
		for (int64_t c = 0; c < channels; c++)
			sum[c] += x[r * channels + c] - x[c];
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < channels; c++) {
			float d = x[r * channels + c] - x[c] - sum[c] * weight;
			square[c] += d * d;
		}
}

/* Merges blocks in double precision by the formula of Chan, Golub and LeVeque (1979): one pass over memory, without the
 * cancellation of E[x^2] - E[x]^2. */
static void moments(float *mean, float *variance, const struct thaw_view *x, int64_t rows, int64_t channels,
		    double *scratch, float *room, int64_t block)
{
	double *centre = scratch, *squares = scratch + channels;
	float *sum = (float *)(scratch + 2 * channels), *square = sum + channels;
	memset(scratch, 0, 2 * (size_t)channels * sizeof(*scratch));
	for (int64_t done = 0; done < rows; done += block) {
		int64_t more = min_int64(rows - done, block);
		const float *first = thaw_values_read(x, done * channels, more * channels, room);
		double total = (double)(done + more);
		block_moments(sum, square, first, more, channels);
		for (int64_t c = 0; c < channels; c++) {
			double step = first[c] + sum[c] / (double)more - centre[c];
			centre[c] += step * (double)more / total;
			squares[c] += square[c] + step * step * (double)done * (double)more / total;
		}
	}
	for (int64_t c = 0; c < channels; c++) {
		mean[c] = (float)centre[c];
		variance[c] = (float)(squares[c] / (double)rows);
	}
}

void thaw_norm_moments(float *mean, float *variance, const struct thaw_view *x, int64_t rows, int64_t channels,
		       double *scratch, float *room)
{
	moments(mean, variance, x, rows, channels, scratch, room, thaw_norm_block(channels));
}

void thaw_norm_fine_moments(float *mean, float *variance, const struct thaw_view *x, int64_t rows, int64_t channels,
			    double *scratch, float *room)
{
	moments(mean, variance, x, rows, channels, scratch, room, FINE_ROWS);
}

THAW_MULTIVERSION
void thaw_norm_forward(float *y, const float *x, int64_t rows, const struct thaw_norm *norm)
{
	const float *restrict mean = norm->mean, *restrict factor = norm->factor, *restrict shift = norm->shift;
	enum thaw_activation kind = norm->activation;
	int64_t channels = norm->channels;
	for (int64_t r = 0; r < rows; r++, x += channels, y += channels) {
		THAW_INDEPENDENT
		for (int64_t c = 0; c < channels; c++)
			y[c] = thaw_activate((x[c] - mean[c]) * factor[c] + shift[c], kind);
	}
}

THAW_MULTIVERSION
static void block_sums(float *restrict g_sum, float *restrict gx_sum, const float *restrict dy, const float *restrict x,
		       int64_t rows, const struct thaw_norm *norm)
{
	const float *restrict mean = norm->mean, *restrict factor = norm->factor, *restrict shift = norm->shift;
	enum thaw_activation kind = norm->activation;
	int64_t channels = norm->channels;
	for (int64_t r = 0; r < rows; r++, x += channels, dy += channels)
		for (int64_t c = 0; c < channels; c++) {
			float centred = x[c] - mean[c];
			float g = thaw_activate_mask(dy[c], centred * factor[c] + shift[c], kind);
			g_sum[c] += g;
			gx_sum[c] += g * centred;
		}
}

void thaw_norm_sums(double *sum_g, double *sum_gx, const float *dy, const float *x, int64_t rows,
		    const struct thaw_norm *norm, float *scratch)
{
	float *g_sum = scratch, *gx_sum = scratch + norm->channels;
	memset(scratch, 0, 2 * (size_t)norm->channels * sizeof(*scratch));
	block_sums(g_sum, gx_sum, dy, x, rows, norm);
	for (int64_t c = 0; c < norm->channels; c++) {
		sum_g[c] += g_sum[c];
		sum_gx[c] += gx_sum[c];
	}
}

/* One body for the four variants of backward; `add` and `batch` are constants at the call. */
THAW_INLINE void backward_rows(float *restrict dx, bool add, const float *restrict dy, const float *restrict x,
			       int64_t rows, const struct thaw_norm *norm, bool batch, const float *restrict mean_g,
			       const float *restrict slope)
{
	const float *restrict mean = norm->mean, *restrict factor = norm->factor, *restrict shift = norm->shift;
	enum thaw_activation kind = norm->activation;
	int64_t channels = norm->channels;
	for (int64_t r = 0; r < rows; r++, dx += channels, dy += channels, x += channels)
		for (int64_t c = 0; c < channels; c++) {
			float centred = x[c] - mean[c];
			float g = thaw_activate_mask(dy[c], centred * factor[c] + shift[c], kind);
			if (batch)
				g -= mean_g[c] + centred * slope[c];
			dx[c] = add ? dx[c] + g * factor[c] : g * factor[c];
		}
}

/* The gradient with fixed statistics and without an activation, which does not read x. */
THAW_INLINE void scale_rows(float *restrict dx, bool add, const float *restrict dy, int64_t rows,
			    const struct thaw_norm *norm)
{
	const float *restrict factor = norm->factor;
	int64_t channels = norm->channels;
	for (int64_t r = 0; r < rows; r++, dx += channels, dy += channels)
		for (int64_t c = 0; c < channels; c++)
			dx[c] = add ? dx[c] + dy[c] * factor[c] : dy[c] * factor[c];
}

THAW_MULTIVERSION
void thaw_norm_backward_fixed(float *dx, bool add, const float *dy, const float *x, int64_t rows,
			      const struct thaw_norm *norm)
{
	if (norm->activation == THAW_ACT_NONE && add)
		scale_rows(dx, true, dy, rows, norm);
	else if (norm->activation == THAW_ACT_NONE)
		scale_rows(dx, false, dy, rows, norm);
	else if (add)
		backward_rows(dx, true, dy, x, rows, norm, false, NULL, NULL);
	else
		backward_rows(dx, false, dy, x, rows, norm, false, NULL, NULL);
}

THAW_MULTIVERSION
void thaw_norm_backward_batch(float *dx, bool add, const float *dy, const float *x, int64_t rows,
			      const struct thaw_norm *norm, const float *mean_g, const float *slope)
{
	if (add)
		backward_rows(dx, true, dy, x, rows, norm, true, mean_g, slope);
	else
		backward_rows(dx, false, dy, x, rows, norm, true, mean_g, slope);
}
