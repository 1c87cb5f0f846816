/* The right factor is packed in panels of THAW_BF16_COLUMNS columns: panel, pair of depths, column. The last panel is
 * as wide as its columns, rounded up to whole vectors. A block of the left factor is rounded to a buffer that stays in
 * the second-level cache and is multiplied with all panels. */
#include "src/ops/kernels/gemm_bf16.h"

#include <stdalign.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_ops.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/transpose.h"
#include "thaw/memory.h"

enum {
	VECTOR = 16,        /* columns */
	ROW_BLOCK = 96,     /* rows of a block of the left factor; whole tiles */
	DEPTH_BLOCK = 1024, /* its depth, even */
	PAIRS = DEPTH_BLOCK / 2,
	TRANSPOSE_PAIRS = 64, /* depth of a block that is transposed */
};

static int64_t pairs_of(int64_t k)
{
	return (k + 1) / 2;
}

static int64_t padded(int64_t columns)
{
	return (columns + VECTOR - 1) / VECTOR * VECTOR;
}

size_t thaw_bf16_packed_bytes(int64_t k, int64_t n)
{
	return (size_t)(pairs_of(k) * padded(n)) * sizeof(uint32_t);
}

/* to[i] = the pair of values i of rows `depth` and depth + 1 of k, from `column` on. */
static void pair_rows(uint32_t *to, const struct thaw_value_matrix *b, int64_t k, int64_t depth, int64_t column,
		      int64_t count)
{
	int64_t even = depth * b->stride + column, odd = even + b->stride;
	bool both = depth + 1 < k;
	if (b->bf16)
		thaw_bf16_join(to, b->bf16 + even, both ? b->bf16 + odd : NULL, count);
	else
		thaw_bf16_best()->pair(to, b->data + even, both ? b->data + odd : NULL, count);
}

/* to = `count` values from `at` on, as pairs. */
static void pair_values(uint32_t *to, const struct thaw_value_matrix *b, int64_t at, int64_t count)
{
	if (b->bf16) {
		to[pairs_of(count) - 1] = 0;
		memcpy(to, b->bf16 + at, (size_t)count * sizeof(*b->bf16));
	} else {
		thaw_bf16_best()->round(to, b->data + at, count);
	}
}

/* Rows of b are depths. */
static void pack_rows(int64_t k, int64_t column, int64_t columns, const struct thaw_value_matrix *b, uint32_t *to)
{
	int64_t width = padded(columns);
	for (int64_t depth = 0; depth < k; depth += 2, to += width) {
		pair_rows(to, b, k, depth, column, columns);
		memset(to + columns, 0, (size_t)(width - columns) * sizeof(*to));
	}
}

/* Rows of b are columns of the factor. */
static void pack_columns(int64_t k, int64_t column, int64_t columns, const struct thaw_value_matrix *b, uint32_t *to)
{
	uint32_t row[THAW_BF16_COLUMNS][TRANSPOSE_PAIRS];
	int64_t width = padded(columns);
	memset(row[columns], 0, (size_t)(width - columns) * sizeof(*row));
	for (int64_t depth = 0; depth < k; depth += 2 * TRANSPOSE_PAIRS) {
		int64_t count = min_int64(k - depth, 2 * TRANSPOSE_PAIRS);
		for (int64_t c = 0; c < columns; c++)
			pair_values(row[c], b, (column + c) * b->stride + depth, count);
		thaw_transpose_pairs(to, width, row[0], TRANSPOSE_PAIRS, width, pairs_of(count));
		to += pairs_of(count) * width;
	}
}

void thaw_bf16_pack_values(int64_t k, int64_t n, struct thaw_value_matrix b, void *packed)
{
	uint32_t *to = packed;
	for (int64_t column = 0; column < n; column += THAW_BF16_COLUMNS) {
		int64_t columns = min_int64(n - column, THAW_BF16_COLUMNS);
		if (b.transposed)
			pack_columns(k, column, columns, &b, to);
		else
			pack_rows(k, column, columns, &b, to);
		to += pairs_of(k) * padded(columns);
	}
}

void thaw_bf16_pack(int64_t k, int64_t n, struct thaw_matrix b, void *packed)
{
	thaw_bf16_pack_values(
		k, n, (struct thaw_value_matrix){.data = b.data, .stride = b.stride, .transposed = b.transposed},
		packed);
}

/* A block of the left factor in bfloat16: the pair of row r and depths 2d, 2d + 1 is at r * row + d * depth. */
struct left_block {
	const uint32_t *pairs;
	int64_t row, depth;
};

/* Rows [first, first + rows) and depths [from, from + count) of a: rounded to the buffer, or, of values in bfloat16
 * whose rows begin at even values, where they are. */
static struct left_block take_left(const struct thaw_value_matrix *a, int64_t first, int64_t rows, int64_t from,
				   int64_t count, uint32_t *buffer)
{
	if (a->transposed) {
		for (int64_t depth = 0; depth < count; depth += 2)
			pair_rows(buffer + depth / 2 * ROW_BLOCK, a, from + count, from + depth, first, rows);
		return (struct left_block){buffer, 1, ROW_BLOCK};
	}
	if (a->bf16 && a->stride % 2 == 0 && count % 2 == 0) {
		const uint16_t *at = a->bf16 + first * a->stride + from;
		if ((uintptr_t)at % sizeof(uint32_t) == 0)
			return (struct left_block){(const uint32_t *)(const void *)at, a->stride / 2, 1};
	}
	for (int64_t r = 0; r < rows; r++)
		pair_values(buffer + r * PAIRS, a, (first + r) * a->stride + from, count);
	return (struct left_block){buffer, PAIRS, 1};
}

/* c (rows,n) = the block times depths [from, from + count) of b (k,n), or added to c. */
static void multiply_block(int64_t rows, int64_t n, int64_t k, struct left_block a, int64_t from, int64_t count,
			   const uint32_t *b, bool add, float *c, int64_t c_stride)
{
	struct thaw_bf16_tile tile = {
		.segments = 1,
		.segment = (const int64_t[]){0},
		.pairs = pairs_of(count),
		.a_depth = a.depth,
	};
	for (int r = 0; r < THAW_BF16_ROWS; r++) {
		tile.a_row[r] = r * a.row;
		tile.c_row[r] = r * c_stride;
	}
	for (int64_t column = 0; column < n; column += THAW_BF16_COLUMNS) {
		int64_t columns = min_int64(n - column, THAW_BF16_COLUMNS), width = padded(columns);
		tile.columns = (int)columns;
		tile.b = b + from / 2 * width;
		tile.b_depth = width;
		for (int64_t r = 0; r < rows; r += THAW_BF16_ROWS) {
			tile.rows = (int)min_int64(rows - r, THAW_BF16_ROWS);
			tile.a = a.pairs + r * a.row;
			tile.c = c + r * c_stride + column;
			tile.residual = add ? tile.c : NULL;
			thaw_bf16_best()->multiply(&tile);
		}
		b += pairs_of(k) * width;
	}
}

void thaw_gemm_bf16_values(int64_t m, int64_t n, int64_t k, struct thaw_value_matrix a, const void *b, bool add,
			   float *c, int64_t c_stride)
{
	alignas(THAW_ALIGNMENT) uint32_t buffer[ROW_BLOCK * PAIRS];
	for (int64_t first = 0; first < m && n > 0; first += ROW_BLOCK)
		for (int64_t from = 0; from == 0 || from < k; from += DEPTH_BLOCK) {
			int64_t rows = min_int64(m - first, ROW_BLOCK), count = min_int64(k - from, DEPTH_BLOCK);
			struct left_block left = take_left(&a, first, rows, from, count, buffer);
			multiply_block(rows, n, k, left, from, count, b, add || from > 0, c + first * c_stride,
				       c_stride);
		}
}

void thaw_gemm_bf16(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, const void *b, bool add, float *c,
		    int64_t c_stride)
{
	thaw_gemm_bf16_values(
		m, n, k, (struct thaw_value_matrix){.data = a.data, .stride = a.stride, .transposed = a.transposed}, b,
		add, c, c_stride);
}
