#include "src/ops/kernels/conv_bands.h"

#include "src/base/minmax.h"
#include "thaw/memory.h"

enum { BAND_FLOATS = 1 << 17 }; /* of a band's rows of the image and of the result, without the rows that bands share */

/* Output rows of a band. */
static int64_t band_rows(const struct thaw_conv *c)
{
	return max_int64(1, min_int64(c->ho, BAND_FLOATS / (c->stride_y * c->w * c->ci + c->wo * c->co)));
}

/* Rows of the image under `rows` output rows. */
static int64_t rows_under(const struct thaw_conv *c, int64_t rows)
{
	return (rows - 1) * c->stride_y + (c->kh - 1) * (1 + c->gap_y) + 1;
}

static int64_t align_floats(int64_t floats)
{
	int64_t unit = THAW_ALIGNMENT / (int64_t)sizeof(float);
	return (floats + unit - 1) / unit * unit;
}

/* Floats of a band's rows of the image, and of its results. */
static int64_t image_floats(const struct thaw_conv *c)
{
	return align_floats(rows_under(c, band_rows(c)) * c->w * c->ci);
}

static int64_t result_floats(const struct thaw_conv *c)
{
	return align_floats(band_rows(c) * c->wo * c->co);
}

size_t thaw_conv_bands_bytes(const struct thaw_conv *c, enum thaw_conv_pass pass, size_t own)
{
	int64_t results = pass == THAW_CONV_FORWARD ? 2 * result_floats(c) : 0; /* and the residual */
	if (c->precision == THAW_PRECISION_FP32 || pass == THAW_CONV_DATA)
		return own;
	return (size_t)(image_floats(c) + results) * sizeof(float) + own;
}

/* A band as the convolution of an image with its rows. */
struct band {
	struct thaw_conv conv;
	int64_t x, y; /* offsets of its first values */
};

/* Output rows [begin, begin + band_rows) of image n. */
static struct band band_at(const struct thaw_conv *c, int64_t n, int64_t begin)
{
	int64_t rows = min_int64(band_rows(c), c->ho - begin), top = begin * c->stride_y - c->top;
	int64_t first = min_int64(max_int64(0, top), c->h), end = min_int64(c->h, top + rows_under(c, rows));
	struct band b = {.conv = *c, .x = (n * c->h + first) * c->w * c->ci, .y = (n * c->ho + begin) * c->wo * c->co};
	b.conv.n = 1;
	b.conv.h = max_int64(0, end - first);
	b.conv.ho = rows;
	b.conv.top = first - top;
	return b;
}

/* The values [at, at + count), expanded to `room` unless they are in fp32. */
static const float *read_values(struct thaw_values v, int64_t at, int64_t count, float *room)
{
	if (!v.bf16)
		return v.data + at;
	thaw_bf16_expand(room, v.bf16 + at, count);
	return room;
}

void thaw_conv_forward_bands(const struct thaw_conv *c, struct thaw_values x, const float *weight,
			     const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *scratch,
			     thaw_conv_forward_fn *forward)
{
	if (!x.bf16 && !y->bf16 && !epilogue->residual_bf16) {
		forward(c, x.data, weight, epilogue, y->data, scratch);
		return;
	}
	float *image = scratch, *result = image + image_floats(c), *added = result + result_floats(c);
	struct thaw_values residual = {epilogue->residual, epilogue->residual_bf16};
	for (int64_t i = 0, rows = band_rows(c); i < c->n; i++)
		for (int64_t begin = 0; begin < c->ho; begin += rows) {
			struct band b = band_at(c, i, begin);
			struct thaw_conv_epilogue e = *epilogue;
			int64_t in = b.conv.h * c->w * c->ci, out = b.conv.ho * c->wo * c->co;
			float *to = thaw_values_target(y, b.y, result);
			if (residual.data || residual.bf16)
				e.residual = read_values(residual, b.y, out, added);
			e.residual_bf16 = NULL;
			forward(&b.conv, read_values(x, b.x, in, image), weight, &e, to, added + result_floats(c));
			thaw_values_write(y, b.y, out, to);
		}
}

void thaw_conv_weight_bands(const struct thaw_conv *c, struct thaw_values x, const float *dy, float *dweight,
			    void *scratch, thaw_conv_weight_fn *weight)
{
	if (!x.bf16) {
		weight(c, x.data, dy, dweight, scratch);
		return;
	}
	float *image = scratch;
	for (int64_t i = 0, rows = band_rows(c); i < c->n; i++)
		for (int64_t begin = 0; begin < c->ho; begin += rows) {
			struct band b = band_at(c, i, begin);
			const float *from = read_values(x, b.x, b.conv.h * c->w * c->ci, image);
			weight(&b.conv, from, dy + b.y, dweight, image + image_floats(c));
		}
}
