/* Convolution of images with few channels: the first layer, 3x3 to 11x11 on red, green and blue.
 *
 * Too few channels to fill vectors or to feed a matrix product: vectors run over output channels instead, and each
 * image value is multiplied with a vector of weights. An output row's part of the image is copied into a padded buffer
 * first, in which the values under a row of the kernel are neighbours (kw * ci of them) and nothing is outside.
 *
 * The gradient of the image is hardly ever wanted: that pass is left to others.
 */
#include <string.h>

#include "src/base/multiversion.h"
#include "src/ops/kernels/activate.h"
#include "src/ops/kernels/conv.h"

enum {
	LANES = 16,
	MOST_CHANNELS = 4,
	PIXELS = 6, /* output pixels in registers, each with up to 4 vectors of channels */
	/* Values under a row of the kernel whose gradients are in registers. */
	TAPS = 3,          /* divides kw * 3 */
	TAPS_OF_THREE = 9, /* all of three pixels' red, green and blue */
	TAPS_OF_SEVEN = 7, /* a third of seven pixels' */
	MOST_TAPS = 9,
};

typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

static bool fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	return pass != THAW_CONV_DATA && c->groups == 1 && c->ci <= MOST_CHANNELS && c->kw * c->ci % TAPS == 0 &&
	       c->co % LANES == 0;
}

/* Floats of one row of the buffer: the image's row as far as output pixels reach, up to whole tiles of them. */
static int64_t row_floats(const struct thaw_conv *c)
{
	int64_t pixels = (c->wo + PIXELS - 1) / PIXELS * PIXELS;
	return ((pixels - 1) * c->stride_x + c->kw) * c->ci;
}

static size_t scratch(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	(void)pass;
	return (size_t)(c->kh * row_floats(c)) * sizeof(float);
}

/* buffer (kh, row_floats): what output row `row` (of all images) sees, zero outside of the image. */
static void fill_buffer(const struct thaw_conv *c, const float *x, int64_t row, float *buffer)
{
	int64_t floats = row_floats(c), first = c->left > 0 ? c->left : 0, skip = c->left < 0 ? -c->left : 0;
	int64_t room = floats / c->ci - first, pixels = c->w - skip < room ? c->w - skip : room;
	const float *image = x + row / c->ho * c->h * c->w * c->ci;
	memset(buffer, 0, (size_t)(c->kh * floats) * sizeof(float));
	for (int64_t ky = 0; ky < c->kh; ky++) {
		int64_t y = row % c->ho * c->stride_y - c->top + ky;
		if (y >= 0 && y < c->h && pixels > 0)
			memcpy(buffer + ky * floats + first * c->ci, image + (y * c->w + skip) * c->ci,
			       (size_t)(pixels * c->ci) * sizeof(float));
	}
}

/* `count` output pixels from `from` on, `vectors` vectors of their channels. */
THAW_INLINE void pixels_forward(const struct thaw_conv *c, const float *buffer, const float *weight,
				const struct thaw_conv_epilogue *e, int64_t at, int64_t count, int vectors, float *y)
{
	int64_t values = c->kw * c->ci, floats = row_floats(c), step = c->stride_x * c->ci;
	vec sum[PIXELS][4];

	for (int p = 0; p < PIXELS; p++)
		for (int v = 0; v < vectors; v++)
			sum[p][v] = e->bias ? *(const vec *)(e->bias + v * LANES) : (vec){0};
	for (int64_t ky = 0; ky < c->kh; ky++, buffer += floats)
		for (int64_t t = 0; t < values; t++, weight += c->co)
			for (int v = 0; v < vectors; v++) {
				const vec w = *(const vec *)(weight + v * LANES);
				for (int p = 0; p < PIXELS; p++)
					sum[p][v] += buffer[p * step + t] * w;
			}
	for (int64_t p = 0; p < count; p++)
		for (int v = 0; v < vectors; v++) {
			const float *residual = e->residual ? e->residual + at + p * c->co + v * LANES : NULL;
			float *to = y + at + p * c->co + v * LANES;
			for (int i = 0; i < LANES; i++)
				to[i] = thaw_activate(sum[p][v][i] + (residual ? residual[i] : 0.0f), e->activation);
		}
}

THAW_INLINE void row_forward(const struct thaw_conv *c, const float *buffer, const float *weight,
			     const struct thaw_conv_epilogue *e, int64_t row, int vectors, float *y)
{
	for (int64_t o = 0; o < c->co; o += (int64_t)vectors * LANES) {
		struct thaw_conv_epilogue part = *e;
		part.bias = e->bias ? e->bias + o : NULL;
		for (int64_t pixel = 0; pixel < c->wo; pixel += PIXELS) {
			int64_t count = c->wo - pixel < PIXELS ? c->wo - pixel : PIXELS;
			pixels_forward(c, buffer + pixel * c->stride_x * c->ci, weight + o, &part,
				       (row * c->wo + pixel) * c->co + o, count, vectors, y);
		}
	}
}

/* dweight += of one output row: `taps` values under the kernel and `vectors` vectors of channels at a time. A row's sum
 * is complete before it is added, so chains of additions stay short. */
THAW_INLINE void row_weight(const struct thaw_conv *c, const float *buffer, const float *dy, int taps, int vectors,
			    float *dweight)
{
	int64_t values = c->kw * c->ci, step = c->stride_x * c->ci;
	for (int64_t ky = 0; ky < c->kh; ky++, buffer += row_floats(c))
		for (int64_t t = 0; t < values; t += taps, dweight += taps * c->co)
			for (int64_t o = 0; o < c->co; o += (int64_t)vectors * LANES) {
				vec sum[MOST_TAPS][4];

				for (int i = 0; i < taps; i++)
					for (int v = 0; v < vectors; v++)
						sum[i][v] = (vec){0};
				for (int64_t p = 0; p < c->wo; p++)
					for (int v = 0; v < vectors; v++) {
						const vec d = *(const vec *)(dy + p * c->co + o + v * LANES);
						for (int i = 0; i < taps; i++)
							sum[i][v] += buffer[p * step + t + i] * d;
					}
				for (int i = 0; i < taps; i++)
					for (int v = 0; v < vectors; v++)
						*(vec *)(dweight + i * c->co + o + v * LANES) += sum[i][v];
			}
}

THAW_MULTIVERSION
static void run_forward(const struct thaw_conv *c, const float *buffer, const float *weight,
			const struct thaw_conv_epilogue *e, int64_t row, float *y)
{
	if (c->co % (4 * LANES) == 0)
		row_forward(c, buffer, weight, e, row, 4, y);
	else if (c->co % (2 * LANES) == 0)
		row_forward(c, buffer, weight, e, row, 2, y);
	else
		row_forward(c, buffer, weight, e, row, 1, y);
}

/* More sums than the processor has multiply-adds under way, no more than it has registers. */
THAW_MULTIVERSION
static void run_weight(const struct thaw_conv *c, const float *buffer, const float *dy, float *dweight)
{
	int64_t values = c->kw * c->ci;
	if (c->co % (2 * LANES) == 0 && values % TAPS_OF_THREE == 0)
		row_weight(c, buffer, dy, TAPS_OF_THREE, 2, dweight);
	else if (c->co % (2 * LANES) == 0 && values % TAPS_OF_SEVEN == 0)
		row_weight(c, buffer, dy, TAPS_OF_SEVEN, 2, dweight);
	else if (c->co % (4 * LANES) == 0)
		row_weight(c, buffer, dy, TAPS, 4, dweight);
	else if (values % TAPS_OF_THREE == 0)
		row_weight(c, buffer, dy, TAPS_OF_THREE, 1, dweight);
	else if (c->co % (2 * LANES) == 0)
		row_weight(c, buffer, dy, TAPS, 2, dweight);
	else
		row_weight(c, buffer, dy, TAPS, 1, dweight);
}

static void forward(const struct thaw_conv *c, const float *x, const float *weight, const void *packed,
		    const struct thaw_conv_epilogue *epilogue, float *y, void *buffer)
{
	(void)packed;
	for (int64_t row = 0; row < c->n * c->ho; row++) {
		fill_buffer(c, x, row, buffer);
		run_forward(c, buffer, weight, epilogue, row, y);
	}
}

static void backward_weight(const struct thaw_conv *c, const float *x, const float *dy, float *dweight, void *buffer)
{
	for (int64_t row = 0; row < c->n * c->ho; row++) {
		fill_buffer(c, x, row, buffer);
		run_weight(c, buffer, dy + row * c->wo * c->co, dweight);
	}
}

const struct thaw_conv_kernel thaw_conv_stem = {
	.name = "stem",
	.fits = fits,
	.scratch = scratch,
	.forward = forward,
	.weight = backward_weight,
};
