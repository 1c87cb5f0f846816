#include "src/ops/kernels/few_rows.h"

#include "src/base/multiversion.h"
#include "src/ops/kernels/vector.h"

enum {
	SIDE = 4,         /* a tile in registers: SIDE rows of x by SIDE rows of the matrix */
	OUTER_VECTORS = 4 /* vectors of a row of the matrix in a tile of dweight, which has SIDE rows */
};

/* y (rows, columns) = x (rows, in) weight (columns, in)'; constant arguments unroll it. */
THAW_INLINE void dot_products(int rows, int columns, int64_t in, const float *x, const float *weight, int64_t out,
			      float *y)
{
	thaw_vec sum[SIDE][SIDE] = {{{0}}};
	float rest[SIDE][SIDE] = {{0}};
	int64_t i = 0;

	for (; i + THAW_VECTOR_WIDTH <= in; i += THAW_VECTOR_WIDTH)
		for (int r = 0; r < rows; r++)
			for (int c = 0; c < columns; c++)
				sum[r][c] +=
					*(const thaw_vec *)(x + r * in + i) * *(const thaw_vec *)(weight + c * in + i);
	for (; i < in; i++)
		for (int r = 0; r < rows; r++)
			for (int c = 0; c < columns; c++)
				rest[r][c] += x[r * in + i] * weight[c * in + i];
	for (int r = 0; r < rows; r++)
		for (int c = 0; c < columns; c++) {
			for (int k = 0; k < THAW_VECTOR_WIDTH; k++)
				rest[r][c] += sum[r][c][k];
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
				dot_products(SIDE, SIDE, in, rows, matrix, out, to);
			else
				for (int i = 0; i < SIDE && r + i < n; i++)
					for (int j = 0; j < SIDE && o + j < out; j++)
						dot_products(1, 1, in, rows + i * in, matrix + j * in, out,
							     to + i * out + j);
		}
}

/* `rows` rows and OUTER_VECTORS vectors of dweight (out, in) = those of dy' x. */
THAW_INLINE void outer_products(int rows, int64_t n, int64_t in, int64_t out, const float *x, const float *dy,
				float *dweight)
{
	thaw_vec sum[SIDE][OUTER_VECTORS] = {{{0}}};
	for (int64_t r = 0; r < n; r++)
		for (int o = 0; o < rows; o++)
			for (int v = 0; v < OUTER_VECTORS; v++)
				sum[o][v] += *(const thaw_vec *)(x + r * in + v * THAW_VECTOR_WIDTH) * dy[r * out + o];
	for (int o = 0; o < rows; o++)
		for (int v = 0; v < OUTER_VECTORS; v++)
			*(thaw_vec *)(dweight + o * in + v * THAW_VECTOR_WIDTH) = sum[o][v];
}

THAW_INLINE void outer_rows(int rows, int64_t n, int64_t in, int64_t out, const float *x, const float *dy,
			    float *dweight)
{
	int64_t i = 0;
	for (; i + OUTER_VECTORS * THAW_VECTOR_WIDTH <= in; i += OUTER_VECTORS * THAW_VECTOR_WIDTH)
		outer_products(rows, n, in, out, x + i, dy, dweight + i);
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
