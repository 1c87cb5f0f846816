/* Convolution as matrix products, for every shape.
 *
 * Output pixels of all images form one list, which is processed in blocks. The patches of a block are copied as rows of
 * kh*kw*ci/groups values (im2col) to a buffer that stays in the cache; one product with the weights gives the block's
 * result. Where a patch is a single pixel, the image itself is the matrix.
 *
 * For stride 1, the gradient of the image is a convolution of dy with the mirrored weights. Otherwise the product of dy
 * and the transposed weights gives patches, which are added to the image (col2im).
 */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/multiversion.h"
#include "src/ops/kernels/conv.h"
#include "src/ops/kernels/gemm.h"

/* Size of a block: floats of patches, a unit of pixels, and their minimum and maximum. With few pixels BLAS packs the
 * weights often; many do not stay in the cache. Found by tests/bench/bench_conv.c. */
enum { BLOCK_FLOATS = 1 << 18, BLOCK_UNIT = 16, BLOCK_MIN = 256, BLOCK_MAX = 2048 };

static int64_t output_pixels(const struct thaw_conv *c)
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

/* Values of a patch of one group. */
static int64_t patch_size(const struct thaw_conv *c)
{
	return c->kh * c->kw * group_inputs(c);
}

static int64_t weight_count(const struct thaw_conv *c)
{
	return patch_size(c) * c->co;
}

/* Whether the patch of each output pixel is the input pixel of the same index. */
static bool is_pointwise(const struct thaw_conv *c)
{
	return c->kh == 1 && c->kw == 1 && c->stride_y == 1 && c->stride_x == 1 && c->top == 0 && c->left == 0 &&
	       c->ho == c->h && c->wo == c->w;
}

/* Whether the data pass is a convolution with the mirrored weights. */
static bool uses_mirror(const struct thaw_conv *c)
{
	return c->stride_y == 1 && c->stride_x == 1;
}

static int64_t block_pixels(const struct thaw_conv *c)
{
	int64_t fit = BLOCK_FLOATS / patch_size(c) / BLOCK_UNIT * BLOCK_UNIT;
	return min_int64(max_int64(min_int64(fit, BLOCK_MAX), BLOCK_MIN), output_pixels(c));
}

/* Position of an output pixel's patch. */
struct place {
	int64_t image, y, x; /* of the patch's first tap; may be outside the image */
};

static struct place place_of(const struct thaw_conv *c, int64_t pixel)
{
	int64_t row = pixel / c->wo;
	return (struct place){row / c->ho, row % c->ho * c->stride_y - c->top, pixel % c->wo * c->stride_x - c->left};
}

/* Offset in the image, in floats, of the pixel under kernel row ky and column kx of a patch. */
static int64_t tap_offset(const struct thaw_conv *c, struct place p, int64_t ky, int64_t kx)
{
	return ((p.y + ky * (1 + c->gap_y)) * c->w + p.x + kx * (1 + c->gap_x)) * c->ci;
}

/* Number of taps of a dilated kernel that cover `distance` pixels. */
static int64_t taps_over(const struct thaw_conv *c, int64_t distance)
{
	return c->gap_x == 0 || distance <= 0 ? distance : (distance + c->gap_x) / (1 + c->gap_x);
}

/* The taps of kernel row ky inside the image: returns their number, 0 if there are none; *kx is the first. */
static int64_t taps_inside(const struct thaw_conv *c, struct place p, int64_t ky, int64_t *kx)
{
	int64_t y = p.y + ky * (1 + c->gap_y);
	int64_t begin = max_int64(0, taps_over(c, -p.x)), end = min_int64(c->kw, taps_over(c, c->w - p.x));
	*kx = begin;
	return y < 0 || y >= c->h ? 0 : max_int64(end - begin, 0);
}

/* Copies a whole kernel row at once where a tap is all channels of a pixel, else tap by tap. */
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

/* column (count,kh,kw,ci/groups) = the patches of output pixels [first, first + count), for one group. */
static void im2col(const struct thaw_conv *c, const float *x, int64_t group, int64_t first, int64_t count,
		   float *column)
{
	int64_t channels = group_inputs(c), row = c->kw * channels;
	for (int64_t pixel = first; pixel < first + count; pixel++) {
		struct place p = place_of(c, pixel);
		const float *image = x + p.image * c->h * c->w * c->ci + group * channels;
		for (int64_t ky = 0; ky < c->kh; ky++, column += row) {
			int64_t kx, taps = taps_inside(c, p, ky, &kx);
			if (taps < c->kw)
				memset(column, 0, (size_t)row * sizeof(float));
			if (taps > 0)
				copy_taps(column + kx * channels, image + tap_offset(c, p, ky, kx), taps, channels,
					  c->ci * (1 + c->gap_x));
		}
	}
}

/* Adds patches to the pixels that they cover. */
THAW_MULTIVERSION
static void col2im(const struct thaw_conv *c, const float *column, int64_t group, int64_t first, int64_t count,
		   float *dx)
{
	int64_t channels = group_inputs(c), row = c->kw * channels;
	for (int64_t pixel = first; pixel < first + count; pixel++) {
		struct place p = place_of(c, pixel);
		float *image = dx + p.image * c->h * c->w * c->ci + group * channels;
		for (int64_t ky = 0; ky < c->kh; ky++, column += row) {
			int64_t kx, taps = taps_inside(c, p, ky, &kx);
			if (taps > 0)
				add_taps(image + tap_offset(c, p, ky, kx), column + kx * channels, taps, channels,
					 c->ci * (1 + c->gap_x));
		}
	}
}

/* The matrix (count, patch size) of a block: the image itself, or its patches, copied to `column`. */
static struct thaw_matrix patch_matrix(const struct thaw_conv *c, const float *x, int64_t group, int64_t first,
				       int64_t count, float *column)
{
	if (is_pointwise(c))
		return (struct thaw_matrix){x + first * c->ci + group * group_inputs(c), c->ci, false};
	im2col(c, x, group, first, count, column);
	return (struct thaw_matrix){column, patch_size(c), false};
}

/* y = epilogue(conv(x) + beta * y), block by block; the epilogue may be NULL. */
static void convolve(const struct thaw_conv *c, const float *x, const float *weight, float beta,
		     const struct thaw_conv_epilogue *epilogue, float *y, float *column)
{
	int64_t block = block_pixels(c), outputs = group_outputs(c);
	for (int64_t first = 0; first < output_pixels(c); first += block) {
		int64_t count = min_int64(block, output_pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++)
			thaw_gemm(count, outputs, patch_size(c), patch_matrix(c, x, g, first, count, column),
				  (struct thaw_matrix){weight + g * outputs, c->co, false}, beta,
				  y + first * c->co + g * outputs, c->co);
		if (epilogue)
			thaw_conv_finish(c, epilogue, y, first, count);
	}
}

static bool gemm_fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	(void)c;
	(void)pass;
	return true;
}

static size_t gemm_scratch(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	struct thaw_conv m = pass == THAW_CONV_DATA && uses_mirror(c) ? thaw_conv_mirrored(c) : *c;
	int64_t floats = is_pointwise(c) ? 0 : block_pixels(&m) * patch_size(&m);
	return (size_t)(floats + (pass == THAW_CONV_DATA ? weight_count(c) : 0)) * sizeof(float);
}

static void gemm_forward(const struct thaw_conv *c, const float *x, const float *weight, const void *packed,
			 const struct thaw_conv_epilogue *epilogue, float *y, void *buffer)
{
	(void)packed;
	convolve(c, x, weight, 0.0f, epilogue, y, buffer);
}

static void gemm_backward_data(const struct thaw_conv *c, const float *dy, const float *weight, float *dx, bool add,
			       void *buffer)
{
	int64_t inputs = group_inputs(c), outputs = group_outputs(c), block = block_pixels(c);
	float *transposed = buffer, *column = transposed + weight_count(c);
	if (uses_mirror(c)) {
		struct thaw_conv m = thaw_conv_mirrored(c);
		thaw_conv_transpose_weights(c, weight, true, transposed);
		convolve(&m, dy, transposed, add ? 1.0f : 0.0f, NULL, dx, column);
		return;
	}
	thaw_conv_transpose_weights(c, weight, false, transposed);
	if (!add)
		memset(dx, 0, (size_t)(c->n * c->h * c->w * c->ci) * sizeof(float));
	for (int64_t first = 0; first < output_pixels(c); first += block) {
		int64_t count = min_int64(block, output_pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++) {
			for (int64_t tap = 0; tap < c->kh * c->kw; tap++)
				thaw_gemm(count, inputs, outputs,
					  (struct thaw_matrix){dy + first * c->co + g * outputs, c->co, false},
					  (struct thaw_matrix){transposed + tap * outputs * c->ci + g * inputs, c->ci,
							       false},
					  0.0f, column + tap * inputs, patch_size(c));
			col2im(c, column, g, first, count, dx);
		}
	}
}

static void gemm_backward_weight(const struct thaw_conv *c, const float *x, const float *dy, float *dweight,
				 void *buffer)
{
	int64_t outputs = group_outputs(c), block = block_pixels(c);
	for (int64_t first = 0; first < output_pixels(c); first += block) {
		int64_t count = min_int64(block, output_pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++) {
			struct thaw_matrix a = patch_matrix(c, x, g, first, count, buffer);
			a.transposed = true;
			thaw_gemm(patch_size(c), outputs, count, a,
				  (struct thaw_matrix){dy + first * c->co + g * outputs, c->co, false}, 1.0f,
				  dweight + g * outputs, c->co);
		}
	}
}

const struct thaw_conv_kernel thaw_conv_gemm = {
	.name = "gemm",
	.dilates = true,
	.fits = gemm_fits,
	.scratch = gemm_scratch,
	.forward = gemm_forward,
	.data = gemm_backward_data,
	.weight = gemm_backward_weight,
};
