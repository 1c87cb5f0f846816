#include "src/ops/kernels/few_rows.h"

#include "src/base/multiversion.h"

enum {
	LANES = 16,
	SIDE = 4, /* rows of x by rows of the matrix whose products are summed in registers */
};

typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* y (rows, columns) = x (rows, in) weight (columns, in)'; constants unroll it. */
THAW_INLINE void products(int rows, int columns, int64_t in, const float *x, const float *weight, int64_t out, float *y)
{
	vec sum[SIDE][SIDE] = {{{0}}};
	float rest[SIDE][SIDE] = {{0}};
	int64_t i = 0;

	for (; i + LANES <= in; i += LANES)
		for (int r = 0; r < rows; r++)
			for (int c = 0; c < columns; c++)
				sum[r][c] += *(const vec *)(x + r * in + i) * *(const vec *)(weight + c * in + i);
	for (; i < in; i++)
		for (int r = 0; r < rows; r++)
			for (int c = 0; c < columns; c++)
				rest[r][c] += x[r * in + i] * weight[c * in + i];
	for (int r = 0; r < rows; r++)
		for (int c = 0; c < columns; c++) {
			for (int lane = 0; lane < LANES; lane++)
				rest[r][c] += sum[r][c][lane];
			y[r * out + c] = rest[r][c];
		}
}

THAW_MULTIVERSION
void thaw_few_rows_forward(int64_t n, int64_t in, int64_t out, const float *x, const float *weight, float *y)
{
	for (int64_t o = 0; o < out; o += SIDE)
		for (int64_t r = 0; r < n; r += SIDE) {
			const float *rows = x + r * in, *matrix = weight + o * in;
			float *to = y + r * out + o;
			if (n - r >= SIDE && out - o >= SIDE)
				products(SIDE, SIDE, in, rows, matrix, out, to);
			else
				for (int i = 0; i < SIDE && r + i < n; i++)
					for (int j = 0; j < SIDE && o + j < out; j++)
						products(1, 1, in, rows + i * in, matrix + j * in, out,
							 to + i * out + j);
		}
}

/* Vectors of a row of the matrix that are computed at a time, in SIDE rows. */
enum { STRETCH = 4 };

/* SIDE rows of dweight (out, in) from column i on = those of dy' x. */
THAW_INLINE void outer(int rows, int64_t n, int64_t in, int64_t out, const float *x, const float *dy, float *dweight)
{
	vec sum[SIDE][STRETCH] = {{{0}}};

	for (int64_t r = 0; r < n; r++)
		for (int o = 0; o < rows; o++)
			for (int v = 0; v < STRETCH; v++)
				sum[o][v] += *(const vec *)(x + r * in + v * LANES) * dy[r * out + o];
	for (int o = 0; o < rows; o++)
		for (int v = 0; v < STRETCH; v++)
			*(vec *)(dweight + o * in + v * LANES) = sum[o][v];
}

THAW_INLINE void outer_rows(int rows, int64_t n, int64_t in, int64_t out, const float *x, const float *dy,
			    float *dweight)
{
	int64_t i = 0;
	for (; i + STRETCH * LANES <= in; i += STRETCH * LANES)
		outer(rows, n, in, out, x + i, dy, dweight + i);
	for (; i < in; i++)
		for (int o = 0; o < rows; o++) {
			float sum = 0.0f;
			for (int64_t r = 0; r < n; r++)
				sum += x[r * in + i] * dy[r * out + o];
			dweight[o * in + i] = sum;
		}
}

THAW_MULTIVERSION
void thaw_few_rows_weight(int64_t n, int64_t in, int64_t out, const float *x, const float *dy, float *dweight)
{
	int64_t o = 0;
	for (; o + SIDE <= out; o += SIDE)
		outer_rows(SIDE, n, in, out, x, dy + o, dweight + o * in);
	for (; o < out; o++)
		outer_rows(1, n, in, out, x, dy + o, dweight + o * in);
}
