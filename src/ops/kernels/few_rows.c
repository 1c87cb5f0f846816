#include "src/ops/kernels/few_rows.h"

#include <string.h>

#include "src/base/multiversion.h"

enum {
	LANES = 16,
	SIDE = 4,   /* rows of x by rows of the matrix whose products are summed in registers */
	STREAMS = 8 /* rows of the matrix that are read side by side */
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

/* to[in] += the sum of `streams` rows of the matrix, each by its factor. */
THAW_INLINE void add_streams(int streams, int64_t in, const float *factor, const float *matrix, float *to)
{
	THAW_INDEPENDENT
	for (int64_t i = 0; i < in; i++) {
		float sum = to[i];

		for (int s = 0; s < streams; s++)
			sum += factor[s] * matrix[s * in + i];
		to[i] = sum;
	}
}

THAW_MULTIVERSION
void thaw_few_rows_data(int64_t n, int64_t in, int64_t out, const float *dy, const float *weight, float *dx, bool add)
{
	if (!add)
		memset(dx, 0, (size_t)(n * in) * sizeof(float));
	for (int64_t o = 0; o < out; o += STREAMS)
		for (int64_t r = 0; r < n; r++) {
			if (out - o >= STREAMS)
				add_streams(STREAMS, in, dy + r * out + o, weight + o * in, dx + r * in);
			for (int64_t s = o; out - o < STREAMS && s < out; s++)
				add_streams(1, in, dy + r * out + s, weight + s * in, dx + r * in);
		}
}

THAW_MULTIVERSION
void thaw_few_rows_weight(int64_t n, int64_t in, int64_t out, const float *x, const float *dy, float *dweight)
{
	float factor[STREAMS];

	for (int64_t o = 0; o < out; o++)
		for (int64_t r = 0; r < n; r += STREAMS) {
			int64_t count = n - r < STREAMS ? n - r : STREAMS;

			for (int64_t s = 0; s < count; s++)
				factor[s] = dy[(r + s) * out + o];
			if (count == STREAMS)
				add_streams(STREAMS, in, factor, x + r * in, dweight + o * in);
			for (int64_t s = 0; count < STREAMS && s < count; s++)
				add_streams(1, in, factor + s, x + (r + s) * in, dweight + o * in);
		}
}
