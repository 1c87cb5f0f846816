/* Convolution as matrix products, for every shape.
 *
 * Output pixels of all images form one long list, worked off in blocks. A block's patches are laid out as
 * rows of kh*kw*ci/groups values (im2col) in a buffer that stays in the cache, and one product with the
 * weights gives the block's result. Where the patch is the pixel, the image itself is the matrix.
 *
 * The gradient of the image is, for stride 1, a convolution of dy with the mirrored weights; else the
 * product with the transposed weights gives patches that are added up (col2im).
 */
#include <string.h>

#include "src/base/multiversion.h"
#include "src/ops/kernels/conv.h"
#include "src/ops/kernels/gemm.h"

/* Floats of patches in a block, and the least and most pixels. Few pixels make BLAS pack the weights
 * often; many do not stay in the cache. Found by tests/bench/bench_conv.c. */
enum { BLOCK_FLOATS = 1 << 18, BLOCK_LEAST = 256, BLOCK_MOST = 2048 };

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t pixels(const struct thaw_conv *c)
{
	return c->n * c->ho * c->wo;
}

static int64_t group_inputs(const struct thaw_conv *c)
{
	return c->ci / c->groups;
}

static int64_t group_outputs(const struct thaw_conv *c)
{
	return c->co / c->groups;
}

static int64_t patch(const struct thaw_conv *c)
{
	return c->kh * c->kw * group_inputs(c);
}

static int64_t weights(const struct thaw_conv *c)
{
	return patch(c) * c->co;
}

/* The patch of an output pixel is an input pixel, in the same order. */
static bool pointwise(const struct thaw_conv *c)
{
	return c->kh == 1 && c->kw == 1 && c->stride_y == 1 && c->stride_x == 1 && c->top == 0 && c->left == 0 &&
	       c->ho == c->h && c->wo == c->w;
}

static bool mirrors(const struct thaw_conv *c)
{
	return c->stride_y == 1 && c->stride_x == 1;
}

static int64_t block_pixels(const struct thaw_conv *c)
{
	int64_t fit = BLOCK_FLOATS / patch(c) / 16 * 16;
	return least(most(least(fit, BLOCK_MOST), BLOCK_LEAST), pixels(c));
}

/* The convolution that takes dy to dx, for stride 1. */
static struct thaw_conv mirrored(const struct thaw_conv *c)
{
	struct thaw_conv m = *c;
	m.h = c->ho, m.w = c->wo, m.ci = c->co;
	m.ho = c->h, m.wo = c->w, m.co = c->ci;
	m.top = (c->kh - 1) * (1 + c->gap_y) - c->top;
	m.left = (c->kw - 1) * (1 + c->gap_x) - c->left;
	return m;
}

/* Where an output pixel's patch lies. */
struct place {
	int64_t image, y, x; /* of the patch's first tap; may be outside of the image */
};

static struct place place_of(const struct thaw_conv *c, int64_t pixel)
{
	int64_t row = pixel / c->wo;
	return (struct place){row / c->ho, row % c->ho * c->stride_y - c->top, pixel % c->wo * c->stride_x - c->left};
}

/* The pixel under kernel row ky and column kx of a patch, as a distance in floats from the image's start. */
static int64_t pixel_at(const struct thaw_conv *c, struct place p, int64_t ky, int64_t kx)
{
	return ((p.y + ky * (1 + c->gap_y)) * c->w + p.x + kx * (1 + c->gap_x)) * c->ci;
}

/* How many taps of a dilated kernel it takes to cover so many pixels. */
static int64_t taps_over(const struct thaw_conv *c, int64_t distance)
{
	return c->gap_x == 0 || distance <= 0 ? distance : (distance + c->gap_x) / (1 + c->gap_x);
}

/* The values of kernel row ky that lie in the image: count taps from kx on; 0 if none do. */
static int64_t inside(const struct thaw_conv *c, struct place p, int64_t ky, int64_t *kx)
{
	int64_t y = p.y + ky * (1 + c->gap_y);
	int64_t begin = most(0, taps_over(c, -p.x)), end = least(c->kw, taps_over(c, c->w - p.x));
	*kx = begin;
	return y < 0 || y >= c->h ? 0 : most(end - begin, 0);
}

/* Taps are copied as runs: a whole kernel row where the group takes all channels, else tap by tap. */
THAW_INLINE void copy_taps(float *to, const float *from, int64_t taps, int64_t channels, int64_t stride)
{
	if (channels == stride) {
		memcpy(to, from, (size_t)(taps * channels) * sizeof(float));
		return;
	}
	for (int64_t t = 0; t < taps; t++)
		memcpy(to + t * channels, from + t * stride, (size_t)channels * sizeof(float));
}

THAW_INLINE void add_taps(float *to, const float *from, int64_t taps, int64_t channels, int64_t stride)
{
	if (channels == stride) {
		channels *= taps;
		taps = 1;
	}
	for (int64_t t = 0; t < taps; t++)
		for (int64_t i = 0; i < channels; i++)
			to[t * stride + i] += from[t * channels + i];
}

/* column (count, kh,kw,ci/g): patches of the output pixels [first, first + count), for one group. */
static void im2col(const struct thaw_conv *c, const float *x, int64_t group, int64_t first, int64_t count,
		   float *column)
{
	int64_t channels = group_inputs(c), row = c->kw * channels;
	for (int64_t pixel = first; pixel < first + count; pixel++) {
		struct place p = place_of(c, pixel);
		const float *image = x + p.image * c->h * c->w * c->ci + group * channels;
		for (int64_t ky = 0; ky < c->kh; ky++, column += row) {
			int64_t kx, taps = inside(c, p, ky, &kx);
			if (taps < c->kw)
				memset(column, 0, (size_t)row * sizeof(float));
			if (taps > 0)
				copy_taps(column + kx * channels, image + pixel_at(c, p, ky, kx), taps, channels,
					  c->ci * (1 + c->gap_x));
		}
	}
}

/* Adds patches to where they came from. */
THAW_MULTIVERSION
static void col2im(const struct thaw_conv *c, const float *column, int64_t group, int64_t first, int64_t count,
		   float *dx)
{
	int64_t channels = group_inputs(c), row = c->kw * channels;
	for (int64_t pixel = first; pixel < first + count; pixel++) {
		struct place p = place_of(c, pixel);
		float *image = dx + p.image * c->h * c->w * c->ci + group * channels;
		for (int64_t ky = 0; ky < c->kh; ky++, column += row) {
			int64_t kx, taps = inside(c, p, ky, &kx);
			if (taps > 0)
				add_taps(image + pixel_at(c, p, ky, kx), column + kx * channels, taps, channels,
					 c->ci * (1 + c->gap_x));
		}
	}
}

/* The matrix (count, patch) of a block: the image, or its patches in `column`. */
static struct thaw_matrix patches(const struct thaw_conv *c, const float *x, int64_t group, int64_t first,
				  int64_t count, float *column)
{
	if (pointwise(c))
		return (struct thaw_matrix){x + first * c->ci + group * group_inputs(c), c->ci, false};
	im2col(c, x, group, first, count, column);
	return (struct thaw_matrix){column, patch(c), false};
}

/* y = conv(x) + beta * y, block by block; the epilogue may be NULL. */
static void convolve(const struct thaw_conv *c, const float *x, const float *weight, float beta,
		     const struct thaw_conv_epilogue *epilogue, float *y, float *column)
{
	int64_t block = block_pixels(c), outputs = group_outputs(c);
	for (int64_t first = 0; first < pixels(c); first += block) {
		int64_t count = least(block, pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++)
			thaw_gemm(count, outputs, patch(c), patches(c, x, g, first, count, column),
				  (struct thaw_matrix){weight + g * outputs, c->co, false}, beta,
				  y + first * c->co + g * outputs, c->co);
		if (epilogue)
			thaw_conv_finish(c, epilogue, y, first, count);
	}
}

static bool fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	(void)c;
	(void)pass;
	return true;
}

static size_t scratch(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	struct thaw_conv m = pass == THAW_CONV_DATA && mirrors(c) ? mirrored(c) : *c;
	int64_t floats = pointwise(c) ? 0 : block_pixels(&m) * patch(&m);
	return (size_t)(floats + (pass == THAW_CONV_DATA ? weights(c) : 0)) * sizeof(float);
}

static void forward(const struct thaw_conv *c, const float *x, const float *weight, const void *packed,
		    const struct thaw_conv_epilogue *epilogue, float *y, void *buffer)
{
	(void)packed;
	convolve(c, x, weight, 0.0f, epilogue, y, buffer);
}

static void backward_data(const struct thaw_conv *c, const float *dy, const float *weight, float *dx, bool add,
			  void *buffer)
{
	int64_t inputs = group_inputs(c), outputs = group_outputs(c), block = block_pixels(c);
	float *turned = buffer, *column = turned + weights(c);
	if (mirrors(c)) {
		struct thaw_conv m = mirrored(c);
		thaw_conv_turn_weights(c, weight, true, turned);
		convolve(&m, dy, turned, add ? 1.0f : 0.0f, NULL, dx, column);
		return;
	}
	thaw_conv_turn_weights(c, weight, false, turned);
	if (!add)
		memset(dx, 0, (size_t)(c->n * c->h * c->w * c->ci) * sizeof(float));
	for (int64_t first = 0; first < pixels(c); first += block) {
		int64_t count = least(block, pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++) {
			for (int64_t tap = 0; tap < c->kh * c->kw; tap++)
				thaw_gemm(
					count, inputs, outputs,
					(struct thaw_matrix){dy + first * c->co + g * outputs, c->co, false},
					(struct thaw_matrix){turned + tap * outputs * c->ci + g * inputs, c->ci, false},
					0.0f, column + tap * inputs, patch(c));
			col2im(c, column, g, first, count, dx);
		}
	}
}

static void backward_weight(const struct thaw_conv *c, const float *x, const float *dy, float *dweight, void *buffer)
{
	int64_t outputs = group_outputs(c), block = block_pixels(c);
	for (int64_t first = 0; first < pixels(c); first += block) {
		int64_t count = least(block, pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++) {
			struct thaw_matrix a = patches(c, x, g, first, count, buffer);
			a.transposed = true;
			thaw_gemm(patch(c), outputs, count, a,
				  (struct thaw_matrix){dy + first * c->co + g * outputs, c->co, false}, 1.0f,
				  dweight + g * outputs, c->co);
		}
	}
}

const struct thaw_conv_kernel thaw_conv_gemm = {
	.name = "gemm",
	.dilates = true,
	.fits = fits,
	.scratch = scratch,
	.forward = forward,
	.data = backward_data,
	.weight = backward_weight,
};
