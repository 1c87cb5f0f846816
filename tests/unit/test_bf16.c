/* Products in bfloat16: the portable operations against exact values, the processor's own against the portable ones bit
 * by bit, and packed products against sums of rounded factors. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/ops/kernels/bf16_ops.h"
#include "src/ops/kernels/gemm_bf16.h"
#include "thaw/graph.h"
#include "thaw/memory.h"
#include "thaw/random.h"

enum { VECTOR = 16, MOST = 80 };

static struct thaw_random random_of(const char *test)
{
	return thaw_random_stream(1, THAW_STREAM_INIT, 0, strlen(test));
}

static float value(struct thaw_random *random)
{
	return (float)thaw_random_u32(random) / 4294967296.0f * 2 - 1;
}

static float from_bits(uint32_t bits)
{
	float v;
	memcpy(&v, &bits, sizeof(v));
	return v;
}

/* The upper 16 bits after rounding, by the portable operation. */
static uint32_t rounded(float v)
{
	uint32_t pair;
	thaw_bf16_portable.round(&pair, &v, 1);
	assert_int_equal(pair >> 16, 0);
	return pair;
}

static void rounding_test(void **state)
{
	(void)state;
	assert_int_equal(rounded(1.0f), 0x3f80);
	assert_int_equal(rounded(-2.5f), 0xc020);
	assert_int_equal(rounded(from_bits(0x3f808000)), 0x3f80); /* a tie goes to even */
	assert_int_equal(rounded(from_bits(0x3f818000)), 0x3f82);
	assert_int_equal(rounded(from_bits(0x3f808001)), 0x3f81);
	assert_int_equal(rounded(from_bits(0x7f7fffff)), 0x7f80); /* the largest float becomes infinite */
	assert_int_equal(rounded(-INFINITY), 0xff80);
	assert_int_equal(rounded(from_bits(0x7f800001)), 0x7fc0); /* NaN stays NaN */
	assert_int_equal(rounded(from_bits(0x80000001)), 0x8000); /* subnormal numbers are zero */
}

static void special_values(float *x, int64_t count, struct thaw_random *random)
{
	static const uint32_t special[] = {0x7f800000, 0xff800000, 0x7fc12345, 0x00000001, 0x807fffff,
					   0x00800000, 0x7f7fffff, 0x3f808000, 0x80000000};
	for (int64_t i = 0; i < count; i++)
		x[i] = i % 3 == 0 ? from_bits(special[i / 3 % 9]) : value(random) * powf(10, (float)(i % 70 - 35));
}

static void native_rounding_test(void **state)
{
	(void)state;
	const struct thaw_bf16_ops *native = thaw_bf16_native();
	struct thaw_random random = random_of("rounding");
	float x[MOST], y[MOST];
	if (!native)
		skip();
	special_values(x, MOST, &random);
	special_values(y, MOST, &random);
	for (int64_t count = 0; count <= MOST; count++) {
		uint32_t expected[MOST] = {0}, actual[MOST] = {0};
		thaw_bf16_portable.round(expected, x, count);
		native->round(actual, x, count);
		assert_memory_equal(actual, expected, sizeof(expected));
		thaw_bf16_portable.pair(expected, x, count % 2 ? NULL : y, count);
		native->pair(actual, x, count % 2 ? NULL : y, count);
		assert_memory_equal(actual, expected, sizeof(expected));
		uint16_t stored[2][MOST] = {0};
		thaw_bf16_portable.store(stored[0], x, count);
		native->store(stored[1], x, count);
		assert_memory_equal(stored[0], stored[1], sizeof(stored[0]));
		for (int64_t i = 0; i < count; i++)
			assert_int_equal(stored[0][i], rounded(x[i]));
	}
}

/* Random pairs; some subnormal, so that flushing shows. */
static void fill_pairs(uint32_t *pairs, int64_t count, struct thaw_random *random)
{
	for (int64_t i = 0; i < count; i++) {
		float v[2] = {value(random), value(random)};
		if (i % 7 == 0)
			v[0] *= 1e-20f, v[1] *= 1e-19f;
		thaw_bf16_portable.round(&pairs[i], v, 2);
	}
}

enum { ROW = THAW_BF16_COLUMNS + 3 };

/* The same tile with results in bfloat16; a residual stays in fp32 or is none. */
static void check_rounded_tile(const struct thaw_bf16_ops *native, struct thaw_bf16_tile tile, const float *expected)
{
	uint16_t portable[THAW_BF16_ROWS * ROW] = {0}, actual[THAW_BF16_ROWS * ROW] = {0};
	uint16_t residual[THAW_BF16_ROWS * ROW];
	bool plain = !tile.residual;
	for (int i = 0; i < THAW_BF16_ROWS * ROW; i++)
		residual[i] = (uint16_t)(rounded((float)i / 7));
	tile.c = NULL;
	tile.residual_bf16 = plain ? NULL : residual;
	tile.residual = NULL;
	tile.c_bf16 = portable;
	thaw_bf16_portable.multiply(&tile);
	tile.c_bf16 = actual;
	native->multiply(&tile);
	assert_memory_equal(actual, portable, sizeof(portable));
	for (int r = 0; r < tile.rows && plain; r++)
		for (int c = 0; c < tile.columns; c++)
			assert_int_equal(actual[tile.c_row[r] + c], rounded(expected[tile.c_row[r] + c]));
}

static void check_tile(const struct thaw_bf16_ops *native, struct thaw_bf16_tile tile)
{
	float expected[THAW_BF16_ROWS * ROW], actual[THAW_BF16_ROWS * ROW];
	for (int i = 0; i < THAW_BF16_ROWS * ROW; i++)
		expected[i] = actual[i] = (float)i / 7;
	for (int r = 0; r < THAW_BF16_ROWS; r++)
		tile.c_row[r] = (THAW_BF16_ROWS - 1 - r) * ROW;
	tile.c = expected;
	tile.residual = tile.residual ? expected : NULL;
	thaw_bf16_portable.multiply(&tile);
	tile.c = actual;
	tile.residual = tile.residual ? actual : NULL;
	native->multiply(&tile);
	assert_memory_equal(actual, expected, sizeof(expected));
	check_rounded_tile(native, tile, expected);
}

static void native_tile_test(void **state)
{
	(void)state;
	enum { PAIRS = 37 };
	static uint32_t a[(PAIRS + 3) * THAW_BF16_ROWS], b[3 * PAIRS * THAW_BF16_COLUMNS];
	static float bias[THAW_BF16_COLUMNS];
	const struct thaw_bf16_ops *native = thaw_bf16_native();
	struct thaw_random random = random_of("tile");
	if (!native)
		skip();
	fill_pairs(a, (PAIRS + 3) * THAW_BF16_ROWS, &random);
	fill_pairs(b, 3 * PAIRS * THAW_BF16_COLUMNS, &random);
	for (int i = 0; i < THAW_BF16_COLUMNS; i++)
		bias[i] = value(&random);
	for (int rows = 1; rows <= THAW_BF16_ROWS; rows++)
		for (int columns = 1; columns <= THAW_BF16_COLUMNS; columns++) {
			bool wide = columns % 2;
			struct thaw_bf16_tile tile = {
				.rows = rows,
				.columns = columns,
				.a = a,
				.segments = columns % 4,
				.segment = (const int64_t[]){0, 3 * THAW_BF16_ROWS, 1},
				.pairs = columns % 3 ? PAIRS : 1,
				.a_depth = wide ? 1 : THAW_BF16_ROWS,
				.b = b,
				.b_depth = THAW_BF16_COLUMNS,
				.bias = columns % 5 == 1 ? bias : NULL,
				.residual = columns % 5 == 0 ? bias : NULL, /* check_tile sets it to c */
				.activation = (enum thaw_activation)(columns % THAW_ACTIVATIONS),
			};
			for (int r = 0; r < rows; r++)
				tile.a_row[r] = (int64_t)r * (wide ? PAIRS : 1);
			check_tile(native, tile);
		}
}

static float *matrix(int64_t count, struct thaw_random *random)
{
	float *x = thaw_alloc((size_t)count, sizeof(*x));
	assert_non_null(x);
	for (int64_t i = 0; i < count; i++)
		x[i] = from_bits(rounded(value(random)) << 16);
	return x;
}

static double at(struct thaw_matrix m, int64_t row, int64_t column)
{
	return m.data[m.transposed ? column * m.stride + row : row * m.stride + column];
}

/* The same bits as in c from a left factor that is stored in bfloat16; from an odd value on its rows are no pairs. */
static void check_stored_left(int64_t m, int64_t n, int64_t k, struct thaw_matrix a, const void *packed, bool add,
			      const float *before, const float *c)
{
	uint16_t *stored = thaw_alloc((size_t)(m * k + 1), sizeof(*stored));
	float *actual = thaw_alloc((size_t)(m * n), sizeof(*actual));
	assert_non_null(stored);
	assert_non_null(actual);
	for (int first = 0; first < 2; first++) {
		struct thaw_value_matrix left = {
			.bf16 = stored + first, .stride = a.stride, .transposed = a.transposed};
		thaw_bf16_portable.store(stored + first, a.data, m * k);
		memcpy(actual, before, (size_t)(m * n) * sizeof(*actual));
		thaw_gemm_bf16_values(m, n, k, left, packed, add, actual, n);
		assert_memory_equal(actual, c, (size_t)(m * n) * sizeof(*actual));
	}
	thaw_free(stored);
	thaw_free(actual);
}

/* Factors that bfloat16 holds exactly: only the fp32 sums round. */
static void check_product(int64_t m, int64_t n, int64_t k, bool a_transposed, bool b_transposed, bool add)
{
	struct thaw_random random = random_of("product");
	struct thaw_matrix a = {matrix(m * k, &random), a_transposed ? m : k, a_transposed};
	struct thaw_matrix b = {matrix(k * n, &random), b_transposed ? k : n, b_transposed};
	float *c = matrix(m * n, &random), *before = thaw_alloc((size_t)(m * n), sizeof(*before));
	void *packed = thaw_alloc(thaw_bf16_packed_bytes(k, n), 1);
	assert_non_null(before);
	assert_non_null(packed);
	memcpy(before, c, (size_t)(m * n) * sizeof(*c));
	thaw_bf16_pack(k, n, b, packed);
	thaw_gemm_bf16(m, n, k, a, packed, add, c, n);
	for (int64_t r = 0; r < m; r++)
		for (int64_t col = 0; col < n; col++) {
			double sum = add ? before[r * n + col] : 0;
			for (int64_t d = 0; d < k; d++)
				sum += at(a, r, d) * at(b, d, col);
			assert_true(fabs(c[r * n + col] - sum) < 1e-6 * (double)(k + 1));
		}
	check_stored_left(m, n, k, a, packed, add, before, c);
	thaw_free(packed);
	thaw_free(before);
	thaw_free(c);
	thaw_free((void *)(uintptr_t)a.data);
	thaw_free((void *)(uintptr_t)b.data);
}

static void product_test(void **state)
{
	(void)state;
	/* One above and below each block size, and odd depths. */
	static const int64_t sizes[][3] = {{1, 1, 1},    {6, 64, 2},     {7, 65, 3},     {95, 17, 129}, {97, 48, 127},
					   {100, 80, 1}, {13, 15, 1023}, {12, 16, 1025}, {5, 130, 2049}};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (int kind = 0; kind < 8; kind++)
			check_product(sizes[i][0], sizes[i][1], sizes[i][2], kind & 1, kind & 2, kind & 4);
}

static void multiply_wrongly(const struct thaw_bf16_tile *tile)
{
	thaw_bf16_portable.multiply(tile);
	float *last = tile->c + tile->c_row[tile->rows - 1] + tile->columns - 1;
	*last = nextafterf(*last, 0.0f);
}

static void store_wrongly(uint16_t *to, const float *from, int64_t count)
{
	thaw_bf16_portable.store(to, from, count);
	to[count - 1] ^= 1;
}

/* One wrong bit in one result is found. */
static void check_test(void **state)
{
	(void)state;
	struct thaw_bf16_ops wrong = thaw_bf16_portable;
	assert_true(thaw_bf16_right(&wrong));
	wrong.multiply = multiply_wrongly;
	assert_false(thaw_bf16_right(&wrong));
	wrong = thaw_bf16_portable;
	wrong.store = store_wrongly;
	assert_false(thaw_bf16_right(&wrong));
}

static void choice_test(void **state)
{
	(void)state;
	const struct thaw_bf16_ops *native = thaw_bf16_native();
	assert_ptr_equal(thaw_bf16_best(), native ? native : &thaw_bf16_portable);
	assert_null(thaw_precision_rejected(THAW_PRECISION_BF16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounding_test),    cmocka_unit_test(native_rounding_test),
		cmocka_unit_test(native_tile_test), cmocka_unit_test(choice_test),
		cmocka_unit_test(product_test),     cmocka_unit_test(check_test),
	};
	return cmocka_run_group_tests_name("bf16", tests, NULL, NULL);
}
