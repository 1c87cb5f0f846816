/* Convolution of images with few channels: the first layer, 3x3 to 11x11 on red, green and blue.
 *
 * The input channels are too few to fill vectors or for an efficient matrix product. Vectors run over output channels
 * instead, and each image value is multiplied with a vector of weights. The image rows that an output row reads are
 * first copied to a padded buffer, where the kw * ci values under a row of the kernel are contiguous and none is
 * outside.
 *
 * There is no data pass: the gradient of the image is rarely needed, and other kernels compute it.
 */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/multiversion.h"
#include "src/ops/kernels/activate.h"
#include "src/ops/kernels/conv_bands.h"
#include "src/ops/kernels/vector.h"

enum {
	MAX_CHANNELS = 4, /* input channels */
	MAX_VECTORS = 4,  /* vectors of output channels */
	PIXELS = 6,       /* output pixels in registers, each with up to MAX_VECTORS vectors */
	/* How many values under a row of the kernel have their gradients in registers. */
	TAPS = 3,          /* divides kw * 3 */
	TAPS_OF_THREE = 9, /* red, green and blue of three pixels */
	TAPS_OF_SEVEN = 7, /* a third of the values of seven pixels */
	MAX_TAPS = 9,
};

static bool stem_fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	return pass != THAW_CONV_DATA && c->groups == 1 && c->ci <= MAX_CHANNELS && c->kw * c->ci % TAPS == 0 &&
	       c->co % THAW_VECTOR_WIDTH == 0;
}

/* Floats of one row of the buffer: the values that output pixels read, up to whole tiles of pixels. */
static int64_t row_floats(const struct thaw_conv *c)
{
	int64_t pixels = (c->wo + PIXELS - 1) / PIXELS * PIXELS;
	return ((pixels - 1) * c->stride_x + c->kw) * c->ci;
}

static size_t stem_scratch(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	return thaw_conv_bands_bytes(c, pass, (size_t)(c->kh * row_floats(c)) * sizeof(float));
}

/* buffer (kh, row_floats) = the values that output row `row` of all images reads, zero outside the image. */
static void fill_row_buffer(const struct thaw_conv *c, const float *x, int64_t row, float *buffer)
{
	int64_t floats = row_floats(c), first = max_int64(c->left, 0), skip = max_int64(-c->left, 0);
	int64_t pixels = min_int64(c->w - skip, floats / c->ci - first);
	const float *image = x + row / c->ho * c->h * c->w * c->ci;
	memset(buffer, 0, (size_t)(c->kh * floats) * sizeof(float));
	for (int64_t ky = 0; ky < c->kh; ky++) {
		int64_t y = row % c->ho * c->stride_y - c->top + ky;
		if (y >= 0 && y < c->h && pixels > 0)
			memcpy(buffer + ky * floats + first * c->ci, image + (y * c->w + skip) * c->ci,
			       (size_t)(pixels * c->ci) * sizeof(float));
	}
}

/* Computes `count` output pixels from offset `at` of y on, `vectors` vectors of their channels. */
THAW_INLINE void pixels_forward(const struct thaw_conv *c, const float *buffer, const float *weight,
				const struct thaw_conv_epilogue *e, int64_t at, int64_t count, int vectors, float *y)
{
	int64_t values = c->kw * c->ci, floats = row_floats(c), step = c->stride_x * c->ci;
	float low = thaw_activation_low(e->activation), high = thaw_activation_high(e->activation);
	thaw_vec sum[PIXELS][MAX_VECTORS];
	for (int p = 0; p < PIXELS; p++)
		for (int v = 0; v < vectors; v++)
			sum[p][v] = e->bias ? *(const thaw_vec *)(e->bias + v * THAW_VECTOR_WIDTH) : (thaw_vec){0};
	for (int64_t ky = 0; ky < c->kh; ky++, buffer += floats)
		for (int64_t t = 0; t < values; t++, weight += c->co)
			for (int v = 0; v < vectors; v++) {
				const thaw_vec w = *(const thaw_vec *)(weight + v * THAW_VECTOR_WIDTH);
				for (int p = 0; p < PIXELS; p++)
					sum[p][v] += buffer[p * step + t] * w;
			}
	for (int64_t p = 0; p < count; p++)
		for (int v = 0; v < vectors; v++) {
			const float *residual =
				e->residual ? e->residual + at + p * c->co + v * THAW_VECTOR_WIDTH : NULL;
			thaw_vec value = sum[p][v];
			if (residual)
				value += *(const thaw_vec *)residual;
			thaw_activate_vector(&value, low, high);
			*(thaw_vec *)(y + at + p * c->co + v * THAW_VECTOR_WIDTH) = value;
		}
}

THAW_INLINE void row_forward(const struct thaw_conv *c, const float *buffer, const float *weight,
			     const struct thaw_conv_epilogue *e, int64_t row, int vectors, float *y)
{
	for (int64_t o = 0; o < c->co; o += (int64_t)vectors * THAW_VECTOR_WIDTH) {
		struct thaw_conv_epilogue part = *e;
		part.bias = e->bias ? e->bias + o : NULL;
		for (int64_t pixel = 0; pixel < c->wo; pixel += PIXELS) {
			int64_t count = min_int64(c->wo - pixel, PIXELS);
			pixels_forward(c, buffer + pixel * c->stride_x * c->ci, weight + o, &part,
				       (row * c->wo + pixel) * c->co + o, count, vectors, y);
		}
	}
}

/* dweight += the gradient from one output row, for `taps` values under the kernel and `vectors` vectors of channels at
 * a time. The sum of a row is added at its end, so that chains of additions stay short. */
THAW_INLINE void row_weight(const struct thaw_conv *c, const float *buffer, const float *dy, int taps, int vectors,
			    float *dweight)
{
	int64_t values = c->kw * c->ci, step = c->stride_x * c->ci;
	for (int64_t ky = 0; ky < c->kh; ky++, buffer += row_floats(c))
		for (int64_t t = 0; t < values; t += taps, dweight += taps * c->co)
			for (int64_t o = 0; o < c->co; o += (int64_t)vectors * THAW_VECTOR_WIDTH) {
				thaw_vec sum[MAX_TAPS][MAX_VECTORS];
				for (int i = 0; i < taps; i++)
					for (int v = 0; v < vectors; v++)
						sum[i][v] = (thaw_vec){0};
				for (int64_t p = 0; p < c->wo; p++)
					for (int v = 0; v < vectors; v++) {
						const thaw_vec d =
							*(const thaw_vec *)(dy + p * c->co + o + v * THAW_VECTOR_WIDTH);
						for (int i = 0; i < taps; i++)
							sum[i][v] += buffer[p * step + t + i] * d;
					}
				for (int i = 0; i < taps; i++)
					for (int v = 0; v < vectors; v++)
						*(thaw_vec *)(dweight + i * c->co + o + v * THAW_VECTOR_WIDTH) +=
							sum[i][v];
			}
}

THAW_MULTIVERSION
static void compute_row(const struct thaw_conv *c, const float *buffer, const float *weight,
			const struct thaw_conv_epilogue *e, int64_t row, float *y)
{
	if (c->co % (4 * THAW_VECTOR_WIDTH) == 0)
		row_forward(c, buffer, weight, e, row, 4, y);
	else if (c->co % (2 * THAW_VECTOR_WIDTH) == 0)
		row_forward(c, buffer, weight, e, row, 2, y);
	else
		row_forward(c, buffer, weight, e, row, 1, y);
}

/* Chooses more sums than the processor has multiply-adds in flight, and no more than it has registers. */
THAW_MULTIVERSION
static void add_row_gradient(const struct thaw_conv *c, const float *buffer, const float *dy, float *dweight)
{
	int64_t values = c->kw * c->ci;
	if (c->co % (2 * THAW_VECTOR_WIDTH) == 0 && values % TAPS_OF_THREE == 0)
		row_weight(c, buffer, dy, TAPS_OF_THREE, 2, dweight);
	else if (c->co % (2 * THAW_VECTOR_WIDTH) == 0 && values % TAPS_OF_SEVEN == 0)
		row_weight(c, buffer, dy, TAPS_OF_SEVEN, 2, dweight);
	else if (c->co % (4 * THAW_VECTOR_WIDTH) == 0)
		row_weight(c, buffer, dy, TAPS, 4, dweight);
	else if (values % TAPS_OF_THREE == 0)
		row_weight(c, buffer, dy, TAPS_OF_THREE, 1, dweight);
	else if (c->co % (2 * THAW_VECTOR_WIDTH) == 0)
		row_weight(c, buffer, dy, TAPS, 2, dweight);
	else
		row_weight(c, buffer, dy, TAPS, 1, dweight);
}

static void forward_rows(const struct thaw_conv *c, const float *x, const float *weight,
			 const struct thaw_conv_epilogue *epilogue, float *y, void *buffer)
{
	for (int64_t row = 0; row < c->n * c->ho; row++) {
		fill_row_buffer(c, x, row, buffer);
		compute_row(c, buffer, weight, epilogue, row, y);
	}
}

static void stem_forward(const struct thaw_conv *c, struct thaw_values x, const float *weight, const void *packed,
			 const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *scratch)
{
	(void)packed;
	thaw_conv_forward_bands(c, x, weight, epilogue, y, scratch, forward_rows);
}

static void add_rows_gradient(const struct thaw_conv *c, const float *x, const float *dy, float *dweight, void *buffer)
{
	for (int64_t row = 0; row < c->n * c->ho; row++) {
		fill_row_buffer(c, x, row, buffer);
		add_row_gradient(c, buffer, dy + row * c->wo * c->co, dweight);
	}
}

static void stem_backward_weight(const struct thaw_conv *c, struct thaw_values x, const float *dy, float *dweight,
				 void *scratch)
{
	thaw_conv_weight_bands(c, x, dy, dweight, scratch, add_rows_gradient);
}

const struct thaw_conv_kernel thaw_conv_stem = {
	.name = "stem",
	.bf16 = true,
	.fits = stem_fits,
	.scratch = stem_scratch,
	.forward = stem_forward,
	.weight = stem_backward_weight,
};
