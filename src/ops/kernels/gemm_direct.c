/* A tile of ROWS x 64 results stays in registers while k runs; the columns of b for it, at most a few hundred KiB, stay
 * in the second-level cache for a block of rows. */
#include "src/ops/kernels/gemm_direct.h"

#include <cblas.h>
#include <strings.h>

#include "src/base/multiversion.h"

enum {
	LANES = 16,
	HALF = 8,
	VECTORS = 4,           /* of a tile's row: with ROWS of them, 24 of AVX-512's 32 registers */
	ROWS = 6,              /* of a tile */
	MOST_ROWS = 12,        /* of one with fewer vectors */
	ROW_BLOCK = 16 * ROWS, /* rows that use the columns of b in turn */
	DEPTH_BLOCK = 64,      /* of k where a is transposed: its part is then read while in the first-level cache */
	MOST_FLOATS = 1 << 18, /* of b, or of c where a is transposed: beyond, BLAS's copies pay */
};

typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef float half_vec __attribute__((vector_size(HALF * sizeof(float)), aligned(sizeof(float)), may_alias));

/* Measured with these kernels only: they are the ones for 32 registers of 16 floats. */
static bool wide_vectors(void)
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
	return !b.transposed && n % HALF == 0 && m >= ROWS && floats <= MOST_FLOATS && wide_vectors();
}

/* A factor's value (row, depth) lies at data[row * by_row + depth * by_depth]. */
struct walk {
	const float *data;
	int64_t by_row, by_depth;
};

/* c (rows, vectors * LANES) = a b, or added to c; constants unroll it. */
THAW_INLINE void tile(int rows, int vectors, int64_t k, struct walk a, const float *b, int64_t b_stride, bool add,
		      float *c, int64_t c_stride)
{
	vec sum[MOST_ROWS][VECTORS];

	for (int r = 0; r < rows; r++)
		for (int v = 0; v < vectors; v++)
			sum[r][v] = (vec){0};
	for (; k > 0; k--, a.data += a.by_depth, b += b_stride) {
		vec row[VECTORS];

		for (int v = 0; v < vectors; v++)
			row[v] = *(const vec *)(b + v * LANES);
		for (int r = 0; r < rows; r++)
			for (int v = 0; v < vectors; v++)
				sum[r][v] += a.data[r * a.by_row] * row[v];
	}
	for (int r = 0; r < rows; r++)
		for (int v = 0; v < vectors; v++) {
			vec *to = (vec *)(c + r * c_stride + v * LANES);

			*to = sum[r][v] + (add ? *to : (vec){0});
		}
}

/* The same for the last HALF columns. */
THAW_INLINE void half_tile(int rows, int64_t k, struct walk a, const float *b, int64_t b_stride, bool add, float *c,
			   int64_t c_stride)
{
	half_vec sum[MOST_ROWS];

	for (int r = 0; r < rows; r++)
		sum[r] = (half_vec){0};
	for (; k > 0; k--, a.data += a.by_depth, b += b_stride) {
		const half_vec row = *(const half_vec *)b;
		for (int r = 0; r < rows; r++)
			sum[r] += a.data[r * a.by_row] * row;
	}
	for (int r = 0; r < rows; r++) {
		half_vec *to = (half_vec *)(c + r * c_stride);

		*to = sum[r] + (add ? *to : (half_vec){0});
	}
}

/* `rows` rows at a time, of `vectors` vectors of columns, or of half a one for 0; returns the rows that are done. */
THAW_INLINE int64_t row_tiles(int rows, int vectors, int64_t from, int64_t m, int64_t k, struct walk a, const float *b,
			      int64_t b_stride, bool add, float *c, int64_t c_stride)
{
	for (; from + rows <= m; from += rows) {
		struct walk part = {a.data + from * a.by_row, a.by_row, a.by_depth};
		if (vectors)
			tile(rows, vectors, k, part, b, b_stride, add, c + from * c_stride, c_stride);
		else
			half_tile(rows, k, part, b, b_stride, add, c + from * c_stride, c_stride);
	}
	return from;
}

THAW_INLINE void columns(int vectors, int64_t m, int64_t k, struct walk a, const float *b, int64_t b_stride, bool add,
			 float *c, int64_t c_stride)
{
	int64_t done = 0;
	if (vectors < VECTORS)
		done = row_tiles(MOST_ROWS, vectors, done, m, k, a, b, b_stride, add, c, c_stride);
	done = row_tiles(ROWS, vectors, done, m, k, a, b, b_stride, add, c, c_stride);
	done = row_tiles(2, vectors, done, m, k, a, b, b_stride, add, c, c_stride);
	row_tiles(1, vectors, done, m, k, a, b, b_stride, add, c, c_stride);
}

THAW_MULTIVERSION
static void block(int64_t m, int64_t n, int64_t k, struct walk a, const float *b, int64_t b_stride, bool add, float *c,
		  int64_t c_stride)
{
	int64_t at = 0;
	for (; at + VECTORS * LANES <= n; at += VECTORS * LANES)
		columns(VECTORS, m, k, a, b + at, b_stride, add, c + at, c_stride);
	if (n - at >= 2 * LANES) {
		columns(2, m, k, a, b + at, b_stride, add, c + at, c_stride);
		at += 2 * LANES;
	}
	if (n - at >= LANES) {
		columns(1, m, k, a, b + at, b_stride, add, c + at, c_stride);
		at += LANES;
	}
	if (n - at >= HALF)
		columns(0, m, k, a, b + at, b_stride, add, c + at, c_stride);
}

void thaw_gemm_direct(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, struct thaw_matrix b, bool add, float *c,
		      int64_t c_stride)
{
	int64_t row_step = a.transposed ? m : ROW_BLOCK, depth_step = a.transposed ? DEPTH_BLOCK : k + 1; /* all */
	int64_t by_row = a.transposed ? 1 : a.stride, by_depth = a.transposed ? a.stride : 1;
	for (int64_t row = 0; row < m; row += row_step)
		for (int64_t depth = 0; depth == 0 || depth < k; depth += depth_step) {
			struct walk part = {a.data + row * by_row + depth * by_depth, by_row, by_depth};
			block(m - row < row_step ? m - row : row_step, n,
			      k - depth < depth_step ? k - depth : depth_step, part, b.data + depth * b.stride,
			      b.stride, add || depth > 0, c + row * c_stride, c_stride);
		}
}
