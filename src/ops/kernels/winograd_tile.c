/* Winograd's transforms of image tiles to the 36 planes and back. Vectors run over channels.
 *
 * Tiles extend beyond images at the right and bottom, and into the padding. Values outside read as zero and are not
 * written. Tiles entirely inside, as most are, need no tests.
 */
#include "src/base/multiversion.h"
#include "src/ops/kernels/activate.h"
#include "src/ops/kernels/winograd.h"

typedef float vec __attribute__((vector_size(THAW_VECTOR_WIDTH * sizeof(float)), aligned(sizeof(float))));

static int64_t tiles_across(const struct thaw_conv *c)
{
	return (c->wo + WINOGRAD_OUT - 1) / WINOGRAD_OUT;
}

int64_t thaw_winograd_tiles_of_image(const struct thaw_conv *c)
{
	return (c->ho + WINOGRAD_OUT - 1) / WINOGRAD_OUT * tiles_across(c);
}

/* A square of an image. */
struct square {
	int64_t image, y, x;          /* first row and column */
	int top, bottom, left, right; /* rows [top, bottom) and columns [left, right) are inside the image */
};

static int clamp(int64_t v, int max)
{
	return v < 0 ? 0 : v > max ? max : (int)v;
}

/* The square with `side` rows and columns of tile t, in images of h x w, which begins dy rows and dx columns before the
 * tile's results. */
static struct square square_of(const struct thaw_conv *c, int64_t t, int side, int64_t h, int64_t w, int64_t dy,
			       int64_t dx)
{
	int64_t each = thaw_winograd_tiles_of_image(c), in_image = t % each;
	struct square s = {
		.image = t / each,
		.y = in_image / tiles_across(c) * WINOGRAD_OUT - dy,
		.x = in_image % tiles_across(c) * WINOGRAD_OUT - dx,
	};
	s.top = clamp(-s.y, side);
	s.bottom = clamp(h - s.y, side);
	s.left = clamp(-s.x, side);
	s.right = clamp(w - s.x, side);
	return s;
}

/* Loads tile (side, side) of one vector of channels; `from` is the square's first value; `inside`: all of it is inside.
 */
THAW_INLINE void load_tile(vec *tile, const float *from, const struct square *s, int side, int row_step, int64_t row,
			   int64_t column, bool inside)
{
	for (int i = 0; i < side; i++)
		for (int j = 0; j < side; j++)
			if (inside || (i >= s->top && i < s->bottom && j >= s->left && j < s->right))
				tile[i * row_step + j] = *(const vec *)(from + i * row + j * column);
			else
				tile[i * row_step + j] = (vec){0};
}

/* B' d: six values, `step` vectors apart, in place. */
THAW_INLINE void transform_image(vec *d, int step)
{
	const vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
	const vec near = d4 - 4 * d2, near_odd = d3 - 4 * d1, far = d4 - d2, far_odd = 2 * (d3 - d1);
	d[0] = 4 * d0 - 5 * d2 + d4;
	d[step] = near + near_odd;
	d[2 * step] = near - near_odd;
	d[3 * step] = far + far_odd;
	d[4 * step] = far - far_odd;
	d[5 * step] = 4 * d1 - 5 * d3 + d5;
}

/* A' m: six values to four, in place. */
THAW_INLINE void transform_result(vec *m, int step)
{
	const vec sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
	const vec far = m[3 * step] + m[4 * step], far_odd = m[3 * step] - m[4 * step];
	m[0] = m[0] + sum + far;
	m[step] = difference + 2 * far_odd;
	m[2 * step] = sum + 4 * far;
	m[3 * step] = difference + 8 * far_odd + m[5 * step];
}

/* A dy: four values to six, in place. */
THAW_INLINE void transform_gradient(vec *d, int step)
{
	const vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
	const vec even = d0 + d2, odd = d1 + d3, far = d0 + 4 * d2, far_odd = 2 * d1 + 8 * d3;
	d[step] = even + odd;
	d[2 * step] = even - odd;
	d[3 * step] = far + far_odd;
	d[4 * step] = far - far_odd;
	d[5 * step] = d3;
}

THAW_INLINE void image_tile(const float *from, const struct square *s, int64_t channels, int64_t row, int64_t stride,
			    float *v, bool inside)
{
	for (int64_t c = 0; c < channels; c += THAW_VECTOR_WIDTH) {
		vec d[WINOGRAD_PLANES];
		load_tile(d, from + c, s, WINOGRAD_IN, WINOGRAD_IN, row, channels, inside);
		for (int j = 0; j < WINOGRAD_IN; j++)
			transform_image(d + j, WINOGRAD_IN);
		for (int i = 0; i < WINOGRAD_IN; i++) {
			transform_image(d + i * WINOGRAD_IN, 1);
			for (int j = 0; j < WINOGRAD_IN; j++)
				*(vec *)(v + (i * WINOGRAD_IN + j) * stride + c) = d[i * WINOGRAD_IN + j];
		}
	}
}

THAW_MULTIVERSION
void thaw_winograd_image(const struct thaw_conv *c, const float *x, struct thaw_winograd_tiles tiles, float *v)
{
	for (int64_t t = 0; t < tiles.count; t++, v += c->ci) {
		struct square s = square_of(c, tiles.first + t, WINOGRAD_IN, c->h, c->w, c->top, c->left);
		const float *from = x + ((s.image * c->h + s.y) * c->w + s.x) * c->ci;
		bool inside = s.top == 0 && s.left == 0 && s.bottom == WINOGRAD_IN && s.right == WINOGRAD_IN;
		if (inside)
			image_tile(from, &s, c->ci, c->w * c->ci, tiles.stride, v, true);
		else
			image_tile(from, &s, c->ci, c->w * c->ci, tiles.stride, v, false);
	}
}

/* Adds bias and residual while the results are in registers; `rows` and `columns` of them are inside. */
THAW_INLINE void result_tile(const float *m, int64_t stride, int rows, int columns, int64_t channels, int64_t row,
			     const float *bias, const float *residual, float *y)
{
	for (int64_t c = 0; c < channels; c += THAW_VECTOR_WIDTH) {
		vec tile[WINOGRAD_PLANES];
		for (int p = 0; p < WINOGRAD_PLANES; p++)
			tile[p] = *(const vec *)(m + p * stride + c);
		for (int j = 0; j < WINOGRAD_IN; j++)
			transform_result(tile + j, WINOGRAD_IN);
		for (int i = 0; i < rows; i++) {
			transform_result(tile + i * WINOGRAD_IN, 1);
			for (int j = 0; j < columns; j++) {
				vec value = tile[i * WINOGRAD_IN + j];
				int64_t at = i * row + j * channels + c;

				if (bias)
					value += *(const vec *)(bias + c);
				if (residual)
					value += *(const vec *)(residual + at);
				__builtin_prefetch(y + at + WINOGRAD_OUT * channels, 1); /* the next tile */
				*(vec *)(y + at) = value;
			}
		}
	}
}

/* The activation is a separate loop over the tile: gcc would split comparisons of vectors into single ones. */
THAW_INLINE void activate_tile(const struct square *s, int64_t channels, int64_t row, enum thaw_activation kind,
			       float *y)
{
	for (int i = 0; i < s->bottom; i++) {
		float *run = y + i * row;
		THAW_INDEPENDENT
		for (int64_t k = 0; k < s->right * channels; k++)
			run[k] = thaw_activate(run[k], kind);
	}
}

THAW_MULTIVERSION
void thaw_winograd_result(const struct thaw_conv *c, const float *m, struct thaw_winograd_tiles tiles,
			  const struct thaw_conv_epilogue *epilogue, float *y)
{
	for (int64_t t = 0; t < tiles.count; t++, m += c->co) {
		struct square s = square_of(c, tiles.first + t, WINOGRAD_OUT, c->ho, c->wo, 0, 0);
		int64_t row = c->wo * c->co, at = (s.image * c->ho + s.y) * row + s.x * c->co;
		const float *residual = epilogue->residual ? epilogue->residual + at : NULL;
		if (s.bottom == WINOGRAD_OUT && s.right == WINOGRAD_OUT)
			result_tile(m, tiles.stride, WINOGRAD_OUT, WINOGRAD_OUT, c->co, row, epilogue->bias, residual,
				    y + at);
		else
			result_tile(m, tiles.stride, s.bottom, s.right, c->co, row, epilogue->bias, residual, y + at);
		if (epilogue->activation != THAW_ACT_NONE)
			activate_tile(&s, c->co, row, epilogue->activation, y + at);
	}
}

THAW_MULTIVERSION
void thaw_winograd_result_gradient(const struct thaw_conv *c, const float *dy, struct thaw_winograd_tiles tiles,
				   float *z)
{
	for (int64_t t = 0; t < tiles.count; t++, z += c->co) {
		struct square s = square_of(c, tiles.first + t, WINOGRAD_OUT, c->ho, c->wo, 0, 0);
		const float *from = dy + ((s.image * c->ho + s.y) * c->wo + s.x) * c->co;
		for (int64_t at = 0; at < c->co; at += THAW_VECTOR_WIDTH) {
			vec tile[WINOGRAD_PLANES];
			load_tile(tile, from + at, &s, WINOGRAD_OUT, WINOGRAD_IN, c->wo * c->co, c->co, false);
			for (int j = 0; j < WINOGRAD_OUT; j++)
				transform_gradient(tile + j, WINOGRAD_IN);
			for (int i = 0; i < WINOGRAD_IN; i++) {
				transform_gradient(tile + i * WINOGRAD_IN, 1);
				for (int j = 0; j < WINOGRAD_IN; j++)
					*(vec *)(z + (i * WINOGRAD_IN + j) * tiles.stride + at) =
						tile[i * WINOGRAD_IN + j];
			}
		}
	}
}
