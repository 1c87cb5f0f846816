/* A tile of ROWS x 64 results stays in registers for all of k. Its columns of b, at most a few hundred KiB, stay in the
 * second-level cache for a block of rows. */
#include "src/ops/kernels/gemm_direct.h"

#include <cblas.h>
#include <strings.h>

#include "src/base/minmax.h"
#include "src/base/multiversion.h"
#include "src/ops/kernels/vector.h"

enum {
	HALF = THAW_VECTOR_WIDTH / 2,
	VECTORS = 4,           /* in a row of a tile; with ROWS rows they take 24 of AVX-512's 32 registers */
	ROWS = 6,              /* rows of a tile */
	MAX_ROWS = 12,         /* rows of a tile with fewer vectors */
	ROW_BLOCK = 16 * ROWS, /* rows that are multiplied with the same columns of b in turn */
	DEPTH_BLOCK = 64,      /* part of k at a time where a is transposed: a's block stays in the first-level cache */
	FEW_ROWS = 4,          /* rows of a tile at the end */
	FETCH_AHEAD = 16,      /* rows of b from the one that is read to the one that is prefetched */
	MAX_FLOATS = 1 << 18,  /* size of b, or of c where a is transposed, beyond which BLAS is faster */
	LARGE_FLOATS = 1 << 17, /* size of b beyond which copying it does not pay for FEW_ROWS rows */
};

typedef float half_vec __attribute__((vector_size(HALF * sizeof(float)), aligned(sizeof(float)), may_alias));

/* Whether BLAS uses kernels for 32 registers of 16 floats. Others have not been measured. */
static bool blas_has_wide_vectors(void)
{
	static const char *const cores[] = {"SkylakeX", "Cooperlake", "SapphireRapids"};
	const char *core = openblas_get_corename();
	for (size_t i = 0; i < sizeof(cores) / sizeof(*cores); i++)
		if (strcasecmp(core, cores[i]) == 0)
			return true;
	return false;
}

bool thaw_gemm_direct_pays(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, struct thaw_matrix b)
{
	int64_t floats = a.transposed ? m * n : k * n;
	bool enough = m >= ROWS || (m >= FEW_ROWS && floats >= LARGE_FLOATS && !a.transposed);
	return !b.transposed && n % HALF == 0 && enough && floats <= MAX_FLOATS && blas_has_wide_vectors();
}

/* The first factor: value (row, depth) is data[row * row_stride + depth * depth_stride]. */
struct factor {
	const float *data;
	int64_t row_stride, depth_stride;
};

/* c (rows, vectors * THAW_VECTOR_WIDTH) = a b, added to c if `add`; constant arguments unroll it. */
THAW_INLINE void multiply_tile(int rows, int vectors, int64_t k, struct factor a, const float *b, int64_t b_stride,
			       bool add, float *c, int64_t c_stride)
{
	thaw_vec sum[MAX_ROWS][VECTORS];
	for (int r = 0; r < rows; r++)
		for (int v = 0; v < vectors; v++)
			sum[r][v] = (thaw_vec){0};
	for (; k > 0; k--, a.data += a.depth_stride, b += b_stride) {
		thaw_vec row[VECTORS];
		for (int v = 0; rows == FEW_ROWS && v < vectors; v++) /* with few rows, reading b takes the time */
			__builtin_prefetch(b + FETCH_AHEAD * b_stride + v * THAW_VECTOR_WIDTH);
		for (int v = 0; v < vectors; v++)
			row[v] = *(const thaw_vec *)(b + v * THAW_VECTOR_WIDTH);
		for (int r = 0; r < rows; r++)
			for (int v = 0; v < vectors; v++)
				sum[r][v] += a.data[r * a.row_stride] * row[v];
	}
	for (int r = 0; r < rows; r++)
		for (int v = 0; v < vectors; v++) {
			thaw_vec *to = (thaw_vec *)(c + r * c_stride + v * THAW_VECTOR_WIDTH);
			*to = sum[r][v] + (add ? *to : (thaw_vec){0});
		}
}

/* The same for HALF columns. */
THAW_INLINE void multiply_half_tile(int rows, int64_t k, struct factor a, const float *b, int64_t b_stride, bool add,
				    float *c, int64_t c_stride)
{
	half_vec sum[MAX_ROWS];
	for (int r = 0; r < rows; r++)
		sum[r] = (half_vec){0};
	for (; k > 0; k--, a.data += a.depth_stride, b += b_stride) {
		const half_vec row = *(const half_vec *)b;
		for (int r = 0; r < rows; r++)
			sum[r] += a.data[r * a.row_stride] * row;
	}
	for (int r = 0; r < rows; r++) {
		half_vec *to = (half_vec *)(c + r * c_stride);
		*to = sum[r] + (add ? *to : (half_vec){0});
	}
}

/* Multiplies as many tiles of `rows` rows as fit, from row `from` on; `vectors` vectors of columns, 0: half a vector.
 * Returns the next row. */
THAW_INLINE int64_t multiply_row_tiles(int rows, int vectors, int64_t from, int64_t m, int64_t k, struct factor a,
				       const float *b, int64_t b_stride, bool add, float *c, int64_t c_stride)
{
	for (; from + rows <= m; from += rows) {
		struct factor part = {a.data + from * a.row_stride, a.row_stride, a.depth_stride};
		if (vectors)
			multiply_tile(rows, vectors, k, part, b, b_stride, add, c + from * c_stride, c_stride);
		else
			multiply_half_tile(rows, k, part, b, b_stride, add, c + from * c_stride, c_stride);
	}
	return from;
}

THAW_INLINE void multiply_columns(int vectors, int64_t m, int64_t k, struct factor a, const float *b, int64_t b_stride,
				  bool add, float *c, int64_t c_stride)
{
	int64_t done = 0;
	if (vectors < VECTORS)
		done = multiply_row_tiles(MAX_ROWS, vectors, done, m, k, a, b, b_stride, add, c, c_stride);
	done = multiply_row_tiles(ROWS, vectors, done, m, k, a, b, b_stride, add, c, c_stride);
	done = multiply_row_tiles(FEW_ROWS, vectors, done, m, k, a, b, b_stride, add, c, c_stride);
	done = multiply_row_tiles(2, vectors, done, m, k, a, b, b_stride, add, c, c_stride);
	multiply_row_tiles(1, vectors, done, m, k, a, b, b_stride, add, c, c_stride);
}

THAW_MULTIVERSION
static void multiply_block(int64_t m, int64_t n, int64_t k, struct factor a, const float *b, int64_t b_stride, bool add,
			   float *c, int64_t c_stride)
{
	int64_t at = 0;
	for (; at + VECTORS * THAW_VECTOR_WIDTH <= n; at += VECTORS * THAW_VECTOR_WIDTH)
		multiply_columns(VECTORS, m, k, a, b + at, b_stride, add, c + at, c_stride);
	if (n - at >= 2 * THAW_VECTOR_WIDTH) {
		multiply_columns(2, m, k, a, b + at, b_stride, add, c + at, c_stride);
		at += 2 * THAW_VECTOR_WIDTH;
	}
	if (n - at >= THAW_VECTOR_WIDTH) {
		multiply_columns(1, m, k, a, b + at, b_stride, add, c + at, c_stride);
		at += THAW_VECTOR_WIDTH;
	}
	if (n - at >= HALF)
		multiply_columns(0, m, k, a, b + at, b_stride, add, c + at, c_stride);
}

void thaw_gemm_direct(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, struct thaw_matrix b, bool add, float *c,
		      int64_t c_stride)
{
	int64_t row_step = a.transposed ? m : ROW_BLOCK,
		depth_step = a.transposed ? DEPTH_BLOCK : k + 1; /* m, k + 1: one block */
	int64_t row_stride = a.transposed ? 1 : a.stride, depth_stride = a.transposed ? a.stride : 1;
	for (int64_t row = 0; row < m; row += row_step)
		for (int64_t depth = 0; depth == 0 || depth < k; depth += depth_step) {
			struct factor part = {a.data + row * row_stride + depth * depth_stride, row_stride,
					      depth_stride};
			multiply_block(min_int64(m - row, row_step), n, min_int64(k - depth, depth_step), part,
				       b.data + depth * b.stride, b.stride, add || depth > 0, c + row * c_stride,
				       c_stride);
		}
}
