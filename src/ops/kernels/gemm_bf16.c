/* The right factor is packed in panels of THAW_BF16_COLUMNS columns: panel, pair of depths, column. The last panel is
 * as wide as its columns, rounded up to whole vectors. A block of the left factor is rounded to a buffer that stays in
 * the second-level cache and is multiplied with all panels. */
#include "src/ops/kernels/gemm_bf16.h"

#include <stdalign.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_ops.h"
#include "src/ops/kernels/bf16_values.h"
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

/* Rows of b are depths. */
static void pack_rows(int64_t k, int64_t columns, const float *b, int64_t stride, uint32_t *to, int64_t width)
{
	for (int64_t depth = 0; depth < k; depth += 2, to += width) {
		const float *even = b + depth * stride;
		thaw_bf16_best()->pair(to, even, depth + 1 < k ? even + stride : NULL, columns);
		memset(to + columns, 0, (size_t)(width - columns) * sizeof(*to));
	}
}

/* Rows of b are columns of the factor. */
static void pack_columns(int64_t k, int64_t columns, const float *b, int64_t stride, uint32_t *to, int64_t width)
{
	uint32_t row[THAW_BF16_COLUMNS][TRANSPOSE_PAIRS] = {{0}};
	for (int64_t depth = 0; depth < k; depth += 2 * TRANSPOSE_PAIRS) {
		int64_t count = min_int64(k - depth, 2 * TRANSPOSE_PAIRS);
		for (int64_t c = 0; c < columns; c++)
			thaw_bf16_best()->round(row[c], b + c * stride + depth, count);
		for (int64_t p = 0; p < pairs_of(count); p++, to += width)
			for (int64_t c = 0; c < width; c++)
				to[c] = row[c][p];
	}
}

void thaw_bf16_pack(int64_t k, int64_t n, struct thaw_matrix b, void *packed)
{
	uint32_t *to = packed;
	for (int64_t column = 0; column < n; column += THAW_BF16_COLUMNS) {
		int64_t columns = min_int64(n - column, THAW_BF16_COLUMNS), width = padded(columns);
		if (b.transposed)
			pack_columns(k, columns, b.data + column * b.stride, b.stride, to, width);
		else
			pack_rows(k, columns, b.data + column, b.stride, to, width);
		to += pairs_of(k) * width;
	}
}

/* A block of the left factor in bfloat16: the pair of row r and depths 2d, 2d + 1 is at r * row + d * depth. */
struct left_block {
	const uint32_t *pairs;
	int64_t row, depth;
};

/* Rows [first, first + rows) and depths [from, from + count) of a, rounded to the buffer. */
static struct left_block round_left(const struct thaw_value_matrix *a, int64_t first, int64_t rows, int64_t from,
				    int64_t count, uint32_t *buffer)
{
	if (a->transposed) {
		const float *at = a->data + from * a->stride + first;
		for (int64_t depth = 0; depth < count; depth += 2, at += 2 * a->stride)
			thaw_bf16_best()->pair(buffer + depth / 2 * ROW_BLOCK, at,
					       depth + 1 < count ? at + a->stride : NULL, rows);
		return (struct left_block){buffer, 1, ROW_BLOCK};
	}
	for (int64_t r = 0; r < rows; r++)
		thaw_bf16_best()->round(buffer + r * PAIRS, a->data + (first + r) * a->stride + from, count);
	return (struct left_block){buffer, PAIRS, 1};
}

/* The same of values in bfloat16: their rows are pairs already where they begin at even values. */
static struct left_block take_left(const struct thaw_value_matrix *a, int64_t first, int64_t rows, int64_t from,
				   int64_t count, uint32_t *buffer)
{
	if (a->transposed) {
		const uint16_t *at = a->bf16 + from * a->stride + first;
		for (int64_t depth = 0; depth < count; depth += 2, at += 2 * a->stride)
			thaw_bf16_join(buffer + depth / 2 * ROW_BLOCK, at, depth + 1 < count ? at + a->stride : NULL,
				       rows);
		return (struct left_block){buffer, 1, ROW_BLOCK};
	}
	const uint16_t *at = a->bf16 + first * a->stride + from;
	if (a->stride % 2 == 0 && count % 2 == 0 && (uintptr_t)at % sizeof(uint32_t) == 0)
		return (struct left_block){(const uint32_t *)(const void *)at, a->stride / 2, 1};
	for (int64_t r = 0; r < rows; r++) {
		buffer[r * PAIRS + pairs_of(count) - 1] = 0;
		memcpy(buffer + r * PAIRS, at + r * a->stride, (size_t)count * sizeof(*at));
	}
	return (struct left_block){buffer, PAIRS, 1};
}

/* c (rows,n) = the block times depths [from, from + count) of b (k,n), or added to c. */
static void multiply_block(int64_t rows, int64_t n, int64_t k, struct left_block a, int64_t from, int64_t count,
			   const uint32_t *b, bool add, float *c, int64_t c_stride)
{
	for (int64_t column = 0; column < n; column += THAW_BF16_COLUMNS) {
		int64_t columns = min_int64(n - column, THAW_BF16_COLUMNS), width = padded(columns);
		struct thaw_bf16_tile tile = {
			.columns = (int)columns,
			.pairs = pairs_of(count),
			.a_row = a.row,
			.a_depth = a.depth,
			.b = b + from / 2 * width,
			.b_depth = width,
			.add = add,
			.c_row = c_stride,
		};
		for (int64_t r = 0; r < rows; r += THAW_BF16_ROWS) {
			tile.rows = (int)min_int64(rows - r, THAW_BF16_ROWS);
			tile.a = a.pairs + r * a.row;
			tile.c = c + r * c_stride + column;
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
			struct left_block left =
				(a.bf16 ? take_left : round_left)(&a, first, rows, from, count, buffer);
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
