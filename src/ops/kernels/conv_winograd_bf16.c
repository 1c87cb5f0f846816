/* Winograd's F(2x2,3x3) in bfloat16: 3x3, stride 1, all three passes. Transforms are in fp32, the factors of the
 * 16 products per tile of 2x2 results are rounded: 2.25 times fewer multiply-adds than a direct convolution, and about
 * twice its error (F(4x4), with larger factors in its transforms, would have 5 to 9 times).
 *
 *   y = A' [ (G g G') . (B' d B) ] A      d 4x4 image tile, g 3x3 filter, y 2x2 results
 *
 * Tiles of all images form one list, which is processed in blocks: transform to 16 planes in pairs of channels, then
 * for each panel of output channels 16 products and the transform back, whose planes stay in the cache. The weight pass
 * is the transpose: dU = V' (A dy A'), summed over pairs of tiles, dg = G' dU G.
 */
#include <stdalign.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/multiversion.h"
#include "src/ops/kernels/activate.h"
#include "src/ops/kernels/bf16_ops.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/gemm_bf16.h"
#include "src/ops/kernels/winograd.h"
#include "thaw/memory.h"

enum {
	OUT = 2,
	IN = 4,
	RESULTS = OUT * OUT,
	PLANES = IN * IN,
	COLUMNS = THAW_BF16_COLUMNS, /* channels that are transformed at once */
	MOST_TILES = 96,             /* tiles of a block; whole tiles of products */
	FEWEST_TILES = 24,
	PIXEL_BYTES = 1 << 19, /* of a block's transformed pixels */
	WEIGHT_PAIRS = 64,     /* pairs of tiles of a block of the weight pass */
};

/* Smallest fraction of results of the tiles that are inside the image. */
#define MIN_USEFUL 0.6

static int64_t tiles_along(int64_t results)
{
	return (results + OUT - 1) / OUT;
}

static int64_t tiles_of_image(const struct thaw_conv *c)
{
	return tiles_along(c->ho) * tiles_along(c->wo);
}

static bool winograd_fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	double useful = (double)(c->ho * c->wo) / (double)(tiles_of_image(c) * RESULTS);
	(void)pass;
	return c->precision == THAW_PRECISION_BF16 && thaw_winograd_takes(c) && useful >= MIN_USEFUL;
}

static int64_t block_tiles(const struct thaw_conv *c)
{
	int64_t fit = PIXEL_BYTES / (PLANES * c->ci * (int64_t)sizeof(uint16_t));
	fit = fit / THAW_BF16_ROWS * THAW_BF16_ROWS;
	return min_int64(max_int64(fit, FEWEST_TILES), MOST_TILES);
}

static size_t filter_bytes(const struct thaw_conv *c)
{
	return PLANES * thaw_bf16_packed_bytes(c->ci, c->co);
}

/* Parts of the scratch memory behind the filters. */
struct room {
	float *zeros;     /* (ci): a pixel outside the image */
	uint32_t *pixels; /* (plane, tile, pair of channels) */
	float *products;  /* (plane, tile, COLUMNS) */
};

static size_t room_bytes(const struct thaw_conv *c)
{
	size_t products = (size_t)(PLANES * block_tiles(c) * COLUMNS) * sizeof(float);
	return (size_t)(c->ci + PLANES * block_tiles(c) * c->ci / 2) * sizeof(float) + products;
}

static struct room room_at(const struct thaw_conv *c, void *memory)
{
	struct room r = {.products = memory};
	r.pixels = (uint32_t *)(r.products + PLANES * block_tiles(c) * COLUMNS);
	r.zeros = memset(r.pixels + PLANES * block_tiles(c) * c->ci / 2, 0, (size_t)c->ci * sizeof(float));
	return r;
}

/* Memory of the weight pass. */
struct sums {
	uint32_t *pixels;    /* (plane, pair of tiles, ci) */
	uint32_t *gradients; /* (plane, pair of tiles, COLUMNS) */
	float *du;           /* (plane, ci, co): the gradient of the transformed filters */
	float *zeros;        /* a pixel outside the image */
};

static size_t weight_bytes(const struct thaw_conv *c)
{
	int64_t pairs = PLANES * WEIGHT_PAIRS * (c->ci + COLUMNS), du = PLANES * c->ci * c->co;
	return (size_t)(pairs + du + max_int64(c->ci, c->co)) * sizeof(float);
}

static struct sums sums_at(const struct thaw_conv *c, void *memory)
{
	struct sums s = {.pixels = memory};
	size_t du = (size_t)(PLANES * c->ci * c->co);
	s.gradients = s.pixels + PLANES * WEIGHT_PAIRS * c->ci;
	s.du = (float *)(s.gradients + PLANES * WEIGHT_PAIRS * COLUMNS);
	s.zeros = s.du + du;
	memset(s.du, 0, (du + (size_t)max_int64(c->ci, c->co)) * sizeof(float));
	return s;
}

static size_t winograd_scratch(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	if (pass == THAW_CONV_WEIGHT)
		return weight_bytes(c);
	struct thaw_conv m = thaw_conv_mirrored(c);
	size_t weights = (size_t)(c->kh * c->kw * c->ci * c->co) * sizeof(float);
	return filter_bytes(c) +
	       (pass == THAW_CONV_FORWARD ? room_bytes(c) : filter_bytes(&m) + max_size(room_bytes(&m), weights));
}

/* G g of three values. */
THAW_INLINE void transform_filter(const thaw_vec *g, int step, thaw_vec *to, int to_step)
{
	to[0] = g[0];
	to[to_step] = (g[0] + g[2 * step] + g[step]) * 0.5f;
	to[2 * to_step] = (g[0] + g[2 * step] - g[step]) * 0.5f;
	to[3 * to_step] = g[2 * step];
}

/* u (16, COLUMNS) = G g G' of the filters of one input channel and `columns` output channels. */
THAW_MULTIVERSION
static void transform_filters(const float *weight, int64_t tap, int64_t columns, float *u)
{
	for (int64_t i = 0; i < columns; i += THAW_VECTOR_WIDTH) {
		thaw_vec g[9], half[3 * IN], to[PLANES];
		for (int t = 0; t < 9; t++)
			g[t] = *(const thaw_vec *)(weight + t * tap + i);
		for (int x = 0; x < 3; x++)
			transform_filter(g + x, 3, half + x, 3);
		for (int y = 0; y < IN; y++)
			transform_filter(half + y * 3, 1, to + y * IN, 1);
		for (int p = 0; p < PLANES; p++)
			*(thaw_vec *)(u + p * COLUMNS + i) = to[p];
	}
}

/* Filters in the order (panel, plane, pair of input channels, column). */
static void winograd_pack(const struct thaw_conv *c, const float *weight, void *packed)
{
	alignas(THAW_ALIGNMENT) float u[2][PLANES * COLUMNS];
	uint32_t *to = packed;
	for (int64_t column = 0; column < c->co; column += COLUMNS) {
		int64_t columns = min_int64(c->co - column, COLUMNS), plane = c->ci / 2 * columns;
		for (int64_t i = 0; i < c->ci; i += 2, to += columns) {
			const float *from = weight + i * c->co + column;
			transform_filters(from, c->ci * c->co, columns, u[0]);
			transform_filters(from + c->co, c->ci * c->co, columns, u[1]);
			for (int64_t p = 0; p < PLANES; p++)
				thaw_bf16_best()->pair(to + p * plane, u[0] + p * COLUMNS, u[1] + p * COLUMNS, columns);
		}
		to += (PLANES - 1) * plane;
	}
}

typedef uint16_t half_vec __attribute__((vector_size(THAW_VECTOR_WIDTH * sizeof(uint16_t)), aligned(2), may_alias));
typedef uint32_t word_vec __attribute__((vector_size(THAW_VECTOR_WIDTH * sizeof(uint32_t))));

/* A vector of values from `at` on; `rounded`: they are in bfloat16. */
THAW_INLINE void load_vector(thaw_vec *to, const void *from, int64_t at, bool rounded)
{
	if (rounded)
		*to = (thaw_vec)(__builtin_convertvector(*(const half_vec *)((const uint16_t *)from + at), word_vec)
				 << 16);
	else
		*to = *(const thaw_vec *)((const float *)from + at);
}

/* B' d of four values, `step` vectors apart, in place. */
THAW_INLINE void transform_image(thaw_vec *d, int step)
{
	const thaw_vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
	d[0] = d0 - d2;
	d[step] = d1 + d2;
	d[2 * step] = d2 - d1;
	d[3 * step] = d1 - d3;
}

/* v (16, COLUMNS) = B' d B of `count` channels from `at` on; pixel[16]: the tile's. */
THAW_INLINE void transform_channels(const void *const *pixel, int64_t at, int64_t count, bool rounded, float *v)
{
	for (int64_t i = 0; i < count; i += THAW_VECTOR_WIDTH) {
		thaw_vec d[PLANES];
		for (int p = 0; p < PLANES; p++)
			load_vector(&d[p], pixel[p], at + i, rounded);
		for (int x = 0; x < IN; x++)
			transform_image(d + x, IN);
		for (int y = 0; y < IN; y++)
			transform_image(d + y * IN, 1);
		for (int p = 0; p < PLANES; p++)
			*(thaw_vec *)(v + p * COLUMNS + i) = d[p];
	}
}

THAW_MULTIVERSION
static void transform_pixels(const void *const *pixel, int64_t at, int64_t count, bool rounded, float *v)
{
	if (rounded)
		transform_channels(pixel, at, count, true, v);
	else
		transform_channels(pixel, at, count, false, v);
}

/* The pixel at (y, x) of an image, in the storage of x; `zeros` outside. */
static const void *pixel_at(const struct thaw_conv *c, struct thaw_values values, int64_t image, int64_t y, int64_t x,
			    const float *zeros)
{
	int64_t at = ((image * c->h + y) * c->w + x) * c->ci;
	if (y < 0 || y >= c->h || x < 0 || x >= c->w)
		return zeros;
	return values.bf16 ? (const void *)(values.bf16 + at) : values.data + at;
}

/* The pixels of tile `tile` of all images. */
static void list_pixels(const struct thaw_conv *c, struct thaw_values x, int64_t tile, const float *zeros,
			const void **pixel)
{
	int64_t place = tile % tiles_of_image(c), across = tiles_along(c->wo);
	for (int p = 0; p < PLANES; p++)
		pixel[p] = pixel_at(c, x, tile / tiles_of_image(c), place / across * OUT - c->top + p / IN,
				    place % across * OUT - c->left + p % IN, zeros);
}

/* Transforms tiles [first, first + count) to the room's pixels. */
static void load_block(const struct thaw_conv *c, struct thaw_values x, int64_t first, int64_t count,
		       const struct room *r)
{
	alignas(THAW_ALIGNMENT) float v[PLANES * COLUMNS];
	int64_t plane = block_tiles(c) * c->ci / 2;
	for (int64_t t = 0; t < count; t++) {
		const void *pixel[PLANES];
		list_pixels(c, x, first + t, r->zeros, pixel);
		for (int64_t at = 0; at < c->ci; at += COLUMNS) {
			int64_t channels = min_int64(c->ci - at, COLUMNS);
			transform_pixels(pixel, at, channels, x.bf16 != NULL, v);
			for (int64_t p = 0; p < PLANES; p++)
				thaw_bf16_best()->round(r->pixels + p * plane + (t * c->ci + at) / 2, v + p * COLUMNS,
							channels);
		}
	}
}

/* The 16 products of a block with one panel of filters. */
static void multiply_panel(const struct thaw_conv *c, int64_t count, int64_t columns, const uint32_t *filters,
			   const struct room *r)
{
	int64_t pairs = c->ci / 2;
	struct thaw_bf16_tile tile = {
		.columns = (int)columns,
		.segments = 1,
		.segment = (const int64_t[]){0},
		.pairs = pairs,
		.a_depth = 1,
		.b_depth = columns,
	};
	for (int row = 0; row < THAW_BF16_ROWS; row++) {
		tile.a_row[row] = row * pairs;
		tile.c_row[row] = (int64_t)row * COLUMNS;
	}
	for (int64_t p = 0; p < PLANES; p++)
		for (int64_t t = 0; t < count; t += THAW_BF16_ROWS) {
			tile.rows = (int)min_int64(count - t, THAW_BF16_ROWS);
			tile.a = r->pixels + (p * block_tiles(c) + t) * pairs;
			tile.b = filters + p * pairs * columns;
			tile.c = r->products + (p * block_tiles(c) + t) * COLUMNS;
			thaw_bf16_best()->multiply(&tile);
		}
}

/* A' m of four values, `step` vectors apart, to the first two. */
THAW_INLINE void transform_sums(thaw_vec *m, int step)
{
	const thaw_vec m1 = m[step], m2 = m[2 * step];
	m[0] = m[0] + m1 + m2;
	m[step] = m1 - m2 - m[3 * step];
}

/* to (4, COLUMNS) = activation(A' m A + bias + to); `add`: to has residuals, otherwise it is overwritten. */
THAW_MULTIVERSION
static void transform_products(const float *m, int64_t plane, int64_t columns, const float *bias, bool add,
			       enum thaw_activation kind, float *to)
{
	for (int64_t i = 0; i < columns; i += THAW_VECTOR_WIDTH) {
		thaw_vec d[PLANES];
		for (int p = 0; p < PLANES; p++)
			d[p] = *(const thaw_vec *)(m + p * plane + i);
		for (int x = 0; x < IN; x++)
			transform_sums(d + x, IN);
		for (int y = 0; y < OUT; y++) {
			transform_sums(d + y * IN, 1);
			for (int x = 0; x < OUT; x++) {
				thaw_vec *at = (thaw_vec *)(to + (y * OUT + x) * COLUMNS + i), v = d[y * IN + x];
				if (bias)
					v += *(const thaw_vec *)(bias + i);
				if (add)
					v += *at;
				*at = v;
			}
		}
	}
	if (kind == THAW_ACT_NONE)
		return;
	THAW_INDEPENDENT
	for (int64_t i = 0; i < (int64_t)RESULTS * COLUMNS; i++)
		to[i] = thaw_activate(to[i], kind);
}

/* The results of a tile that are inside the image, and the index of the first one's pixel. */
struct square {
	int64_t pixel, rows, columns;
};

static struct square square_of(const struct thaw_conv *c, int64_t tile)
{
	int64_t place = tile % tiles_of_image(c), across = tiles_along(c->wo);
	int64_t top = place / across * OUT, left = place % across * OUT;
	return (struct square){
		.pixel = (tile / tiles_of_image(c) * c->ho + top) * c->wo + left,
		.rows = min_int64(c->ho - top, OUT),
		.columns = min_int64(c->wo - left, OUT),
	};
}

/* to (4, COLUMNS) = the residuals of a tile; at: the first one's value. */
static void read_residuals(const struct thaw_conv *c, const struct square *s, const struct thaw_conv_epilogue *e,
			   int64_t at, int64_t columns, float *to)
{
	for (int64_t y = 0; y < s->rows; y++)
		for (int64_t x = 0; x < s->columns; x++) {
			int64_t from = at + (y * c->wo + x) * c->co;
			float *room = to + (y * OUT + x) * COLUMNS;
			if (e->residual_bf16)
				thaw_bf16_expand(room, e->residual_bf16 + from, columns);
			else
				memcpy(room, e->residual + from, (size_t)columns * sizeof(*room));
		}
}

static void write_results(const struct thaw_conv *c, const struct square *s, const float *from, int64_t at,
			  int64_t columns, const struct thaw_view *to)
{
	for (int64_t y = 0; y < s->rows; y++)
		for (int64_t x = 0; x < s->columns; x++) {
			int64_t there = at + (y * c->wo + x) * c->co;
			const float *result = from + (y * OUT + x) * COLUMNS;
			if (to->bf16)
				thaw_bf16_best()->store(to->bf16 + there, result, columns);
			else
				memcpy(to->data + there, result, (size_t)columns * sizeof(*result));
		}
}

/* Writes the results of a block for channels [column, column + columns). */
static void store_panel(const struct thaw_conv *c, int64_t first, int64_t count, int64_t column, int64_t columns,
			const struct thaw_conv_epilogue *e, const struct room *r, const struct thaw_view *y)
{
	alignas(THAW_ALIGNMENT) float to[RESULTS * COLUMNS] = {0};
	bool add = e->residual || e->residual_bf16;
	for (int64_t t = 0; t < count; t++) {
		struct square s = square_of(c, first + t);
		int64_t at = s.pixel * c->co + column;
		if (add)
			read_residuals(c, &s, e, at, columns, to);
		transform_products(r->products + t * COLUMNS, block_tiles(c) * COLUMNS, columns,
				   e->bias ? e->bias + column : NULL, add, e->activation, to);
		write_results(c, &s, to, at, columns, y);
	}
}

static void convolve(const struct thaw_conv *c, struct thaw_values x, const void *packed,
		     const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *memory)
{
	struct room r = room_at(c, memory);
	int64_t tiles = c->n * tiles_of_image(c);
	for (int64_t first = 0; first < tiles; first += block_tiles(c)) {
		int64_t count = min_int64(block_tiles(c), tiles - first);
		const uint32_t *filters = packed;
		load_block(c, x, first, count, &r);
		for (int64_t column = 0; column < c->co; column += COLUMNS) {
			int64_t columns = min_int64(c->co - column, COLUMNS);
			multiply_panel(c, count, columns, filters, &r);
			store_panel(c, first, count, column, columns, epilogue, &r, y);
			filters += PLANES * c->ci / 2 * columns;
		}
	}
}

static void winograd_forward(const struct thaw_conv *c, struct thaw_values x, const float *weight, const void *packed,
			     const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *scratch)
{
	if (!packed)
		winograd_pack(c, weight, scratch);
	convolve(c, x, packed ? packed : scratch, epilogue, y, (char *)scratch + filter_bytes(c));
}

static void winograd_backward_data(const struct thaw_conv *c, const float *dy, const float *weight, float *dx, bool add,
				   void *scratch)
{
	struct thaw_conv m = thaw_conv_mirrored(c);
	struct thaw_conv_epilogue epilogue = {.residual = add ? dx : NULL};
	void *rest = (char *)scratch + filter_bytes(&m);
	thaw_conv_transpose_weights(c, weight, true, rest);
	winograd_pack(&m, rest, scratch);
	convolve(&m, (struct thaw_values){.data = dy}, scratch, &epilogue, &(struct thaw_view){.data = dx}, rest);
}

/* Pairs of x's tiles [first, first + count). */
static void pair_pixels(const struct thaw_conv *c, struct thaw_values x, int64_t first, int64_t count,
			const struct sums *s)
{
	alignas(THAW_ALIGNMENT) float v[2][PLANES * COLUMNS];
	const void *pixel[2][PLANES];
	for (int64_t t = 0; t < count; t += 2) {
		bool two = t + 1 < count;
		list_pixels(c, x, first + t, s->zeros, pixel[0]);
		if (two)
			list_pixels(c, x, first + t + 1, s->zeros, pixel[1]);
		for (int64_t at = 0; at < c->ci; at += COLUMNS) {
			int64_t channels = min_int64(c->ci - at, COLUMNS);
			for (int k = 0; k < 1 + two; k++)
				transform_pixels(pixel[k], at, channels, x.bf16 != NULL, v[k]);
			for (int64_t p = 0; p < PLANES; p++)
				thaw_bf16_best()->pair(s->pixels + (p * WEIGHT_PAIRS + t / 2) * c->ci + at,
						       v[0] + p * COLUMNS, two ? v[1] + p * COLUMNS : NULL, channels);
		}
	}
}

/* A d of two values, `step` vectors apart, to four. */
THAW_INLINE void transform_pair(thaw_vec *d, int step)
{
	const thaw_vec d0 = d[0], d1 = d[step];
	d[step] = d0 + d1;
	d[2 * step] = d0 - d1;
	d[3 * step] = -d1;
}

/* z (16, COLUMNS) = A dy A' of the tile `tile`. */
THAW_MULTIVERSION
static void transform_gradients(const float *const *pixel, int64_t column, int64_t columns, float *z)
{
	for (int64_t i = 0; i < columns; i += THAW_VECTOR_WIDTH) {
		thaw_vec d[PLANES];
		for (int p = 0; p < RESULTS; p++)
			d[p / OUT * IN + p % OUT] = *(const thaw_vec *)(pixel[p] + column + i);
		for (int x = 0; x < OUT; x++)
			transform_pair(d + x, IN);
		for (int y = 0; y < IN; y++)
			transform_pair(d + y * IN, 1);
		for (int p = 0; p < PLANES; p++)
			*(thaw_vec *)(z + p * COLUMNS + i) = d[p];
	}
}

/* The gradients of a tile's results; zeros outside the image. */
static void list_gradients(const struct thaw_conv *c, const float *dy, int64_t tile, const float *zeros,
			   const float **pixel)
{
	struct square s = square_of(c, tile);
	for (int p = 0; p < RESULTS; p++) {
		bool inside = p / OUT < s.rows && p % OUT < s.columns;
		pixel[p] = inside ? dy + (s.pixel + p / OUT * c->wo + p % OUT) * c->co : zeros;
	}
}

/* Pairs of dy's tiles, for one panel of channels. */
static void pair_gradients(const struct thaw_conv *c, const float *dy, int64_t first, int64_t count, int64_t column,
			   int64_t columns, const struct sums *s)
{
	alignas(THAW_ALIGNMENT) float z[2][PLANES * COLUMNS];
	const float *pixel[RESULTS];
	for (int64_t t = 0; t < count; t += 2) {
		bool two = t + 1 < count;
		for (int k = 0; k < 1 + two; k++) {
			list_gradients(c, dy, first + t + k, s->zeros, pixel);
			transform_gradients(pixel, column, columns, z[k]);
		}
		for (int64_t p = 0; p < PLANES; p++)
			thaw_bf16_best()->pair(s->gradients + (p * WEIGHT_PAIRS + t / 2) * COLUMNS, z[0] + p * COLUMNS,
					       two ? z[1] + p * COLUMNS : NULL, columns);
	}
}

/* Adds the 16 products of a block for one panel of channels to du. */
static void add_products(const struct thaw_conv *c, int64_t pairs, int64_t column, int64_t columns,
			 const struct sums *s)
{
	struct thaw_bf16_tile tile = {
		.columns = (int)columns,
		.segments = 1,
		.segment = (const int64_t[]){0},
		.pairs = pairs,
		.a_depth = c->ci,
		.b_depth = COLUMNS,
	};
	for (int r = 0; r < THAW_BF16_ROWS; r++) {
		tile.a_row[r] = r;
		tile.c_row[r] = r * c->co;
	}
	for (int64_t p = 0; p < PLANES; p++)
		for (int64_t i = 0; i < c->ci; i += THAW_BF16_ROWS) {
			tile.rows = (int)min_int64(c->ci - i, THAW_BF16_ROWS);
			tile.a = s->pixels + p * WEIGHT_PAIRS * c->ci + i;
			tile.b = s->gradients + p * WEIGHT_PAIRS * COLUMNS;
			tile.c = s->du + (p * c->ci + i) * c->co + column;
			tile.residual = tile.c;
			thaw_bf16_best()->multiply(&tile);
		}
}

/* G' u of four values, `step` vectors apart, to the first three. */
THAW_INLINE void transform_du(thaw_vec *u, int step)
{
	const thaw_vec sum = (u[step] + u[2 * step]) * 0.5f, difference = (u[step] - u[2 * step]) * 0.5f;
	u[0] = u[0] + sum;
	u[step] = difference;
	u[2 * step] = sum + u[3 * step];
}

/* dweight (3,3,count) += G' du G of du (16, count). */
THAW_MULTIVERSION
static void add_filter_gradients(const float *du, int64_t count, float *dweight)
{
	for (int64_t i = 0; i < count; i += THAW_VECTOR_WIDTH) {
		thaw_vec u[PLANES];
		for (int p = 0; p < PLANES; p++)
			u[p] = *(const thaw_vec *)(du + p * count + i);
		for (int x = 0; x < IN; x++)
			transform_du(u + x, IN);
		for (int y = 0; y < 3; y++) {
			transform_du(u + y * IN, 1);
			for (int x = 0; x < 3; x++)
				*(thaw_vec *)(dweight + (y * 3 + x) * count + i) += u[y * IN + x];
		}
	}
}

static void winograd_backward_weight(const struct thaw_conv *c, struct thaw_values x, const float *dy, float *dweight,
				     void *scratch)
{
	struct sums s = sums_at(c, scratch);
	int64_t tiles = c->n * tiles_of_image(c);
	for (int64_t first = 0; first < tiles; first += 2 * WEIGHT_PAIRS) {
		int64_t count = min_int64(tiles - first, 2 * WEIGHT_PAIRS);
		pair_pixels(c, x, first, count, &s);
		for (int64_t column = 0; column < c->co; column += COLUMNS) {
			int64_t columns = min_int64(c->co - column, COLUMNS);
			pair_gradients(c, dy, first, count, column, columns, &s);
			add_products(c, (count + 1) / 2, column, columns, &s);
		}
	}
	add_filter_gradients(s.du, c->ci * c->co, dweight);
}

const struct thaw_conv_kernel thaw_conv_winograd_bf16 = {
	.name = "winograd_bf16",
	.bf16 = true,
	.fits = winograd_fits,
	.scratch = winograd_scratch,
	.packed_bytes = filter_bytes,
	.pack = winograd_pack,
	.forward = winograd_forward,
	.data = winograd_backward_data,
	.weight = winograd_backward_weight,
};
