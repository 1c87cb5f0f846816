#include "src/ops/kernels/conv_patch.h"

#include <string.h>

#include "src/base/minmax.h"
#include "src/base/multiversion.h"

/* Size of a block: floats of patches, a unit of pixels, and their minimum and maximum. With few pixels BLAS packs the
 * weights often; many do not stay in the cache. Found by tests/bench/bench_conv.c. */
enum { BLOCK_FLOATS = 1 << 18, BLOCK_UNIT = 16, BLOCK_MIN = 256, BLOCK_MAX = 2048 };

int64_t thaw_conv_pixels(const struct thaw_conv *c)
{
	return c->n * c->ho * c->wo;
}

int64_t thaw_conv_group_inputs(const struct thaw_conv *c)
{
	return c->ci / c->groups;
}

int64_t thaw_conv_group_outputs(const struct thaw_conv *c)
{
	return c->co / c->groups;
}

/* Values of a patch of one group. */
int64_t thaw_patch_size(const struct thaw_conv *c)
{
	return c->kh * c->kw * thaw_conv_group_inputs(c);
}

int64_t thaw_conv_weight_count(const struct thaw_conv *c)
{
	return thaw_patch_size(c) * c->co;
}

/* Whether the patch of each output pixel is the input pixel of the same index. */
bool thaw_patch_is_pixel(const struct thaw_conv *c)
{
	return c->kh == 1 && c->kw == 1 && c->stride_y == 1 && c->stride_x == 1 && c->top == 0 && c->left == 0 &&
	       c->ho == c->h && c->wo == c->w;
}

/* Whether the data pass is a convolution with the mirrored weights. */
bool thaw_conv_uses_mirror(const struct thaw_conv *c)
{
	return c->stride_y == 1 && c->stride_x == 1;
}

int64_t thaw_patch_block(const struct thaw_conv *c)
{
	int64_t fit = BLOCK_FLOATS / thaw_patch_size(c) / BLOCK_UNIT * BLOCK_UNIT;
	return min_int64(max_int64(min_int64(fit, BLOCK_MAX), BLOCK_MIN), thaw_conv_pixels(c));
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
	int64_t channels = thaw_conv_group_inputs(c), row = c->kw * channels;
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
void thaw_patch_add(const struct thaw_conv *c, const float *column, int64_t group, int64_t first, int64_t count,
		    float *dx)
{
	int64_t channels = thaw_conv_group_inputs(c), row = c->kw * channels;
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
struct thaw_matrix thaw_patch_matrix(const struct thaw_conv *c, const float *x, int64_t group, int64_t first,
				     int64_t count, float *column)
{
	if (thaw_patch_is_pixel(c))
		return (struct thaw_matrix){x + first * c->ci + group * thaw_conv_group_inputs(c), c->ci, false};
	im2col(c, x, group, first, count, column);
	return (struct thaw_matrix){column, thaw_patch_size(c), false};
}
