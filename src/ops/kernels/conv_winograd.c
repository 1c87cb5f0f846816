/* Convolution by Winograd's F(4x4,3x3): 3x3, stride 1, in all three passes.
 *
 * Tiles of all images form one list, which is processed in blocks: transform to 36 planes, 36 matrix products with the
 * transformed filters, transform back. The planes of a block stay in the outer caches; the filters are read once per
 * block.
 *
 *   forward   y  = A' [ V U ] A
 *   data      the same on dy, with filters rotated by 180 degrees and channels exchanged
 *   weight    dU = V' (A dy A') summed over tiles, dg = G' dU G: the transpose of the forward pass
 *
 * Errors are about 1e-5 of the result's norm, ten times those of plain sums, because the transforms add and subtract
 * multiples of the same values.
 */
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/gemm.h"
#include "src/ops/kernels/winograd.h"

/* Tiles in a block. With few channels the planes of 64 tiles just fill the second-level cache. With more channels the
 * filters come from outer caches, and larger blocks read them less often. The weight pass adds to all of dU once per
 * block, so its blocks are larger. Found by tests/bench/bench_conv.c. */
enum { BLOCK_MIN = 64, BLOCK_MAX = 512, CHANNELS_PER_TILE = 4, WEIGHT_FACTOR = 2 };

/* Floats between planes, so that the 36 values of a tile are not in the same cache set. */
enum { PLANE_GAP = THAW_VECTOR_WIDTH };

/* Smallest fraction of results of the tiles that are inside the image, and smallest number of channels, for which this
 * kernel is fast. */
#define MIN_USEFUL   0.5
#define MIN_CHANNELS 32

static int64_t all_tiles(const struct thaw_conv *c)
{
	return c->n * thaw_winograd_tiles_of_image(c);
}

bool thaw_winograd_takes(const struct thaw_conv *c)
{
	if (c->kh != 3 || c->kw != 3 || c->stride_y != 1 || c->stride_x != 1 || c->groups != 1)
		return false;
	if (c->ci % THAW_VECTOR_WIDTH || c->co % THAW_VECTOR_WIDTH || c->ci < MIN_CHANNELS || c->co < MIN_CHANNELS)
		return false;
	/* the data pass pads by 2 - top and 2 - left */
	return c->top >= 0 && c->left >= 0 && c->top <= 2 && c->left <= 2;
}

static bool winograd_fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	(void)pass;
	double useful =
		(double)(c->ho * c->wo) / (double)(thaw_winograd_tiles_of_image(c) * WINOGRAD_OUT * WINOGRAD_OUT);
	return thaw_winograd_takes(c) && useful >= MIN_USEFUL;
}

/* Largest number of tiles in a block; does not decrease with n, as scratch memory must not. */
static int64_t max_tiles(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	int64_t count = max_int64((c->ci + c->co) / CHANNELS_PER_TILE, BLOCK_MIN);
	count *= pass == THAW_CONV_WEIGHT ? WEIGHT_FACTOR : 1;
	return min_int64(min_int64(count, BLOCK_MAX), all_tiles(c));
}

/* Floats from plane to plane. */
static int64_t plane_stride(int64_t tiles, int64_t channels)
{
	return tiles * channels + PLANE_GAP;
}

/* The first block. Blocks have about the same size. */
static struct thaw_winograd_tiles first_block(const struct thaw_conv *c, enum thaw_conv_pass pass, int64_t channels)
{
	int64_t count = max_tiles(c, pass);
	if (count > 0) {
		int64_t blocks = (all_tiles(c) + count - 1) / count;
		count = (all_tiles(c) + blocks - 1) / blocks;
	}
	return (struct thaw_winograd_tiles){.count = count, .stride = plane_stride(count, channels)};
}

/* Floats of the planes of a block, at most, for batches of up to n images: blocks of a smaller batch may be larger. */
static int64_t plane_floats(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	int64_t tiles = max_tiles(c, pass);
	return WINOGRAD_PLANES * (plane_stride(tiles, c->ci) + plane_stride(tiles, c->co));
}

static int64_t filter_floats(const struct thaw_conv *c)
{
	return WINOGRAD_PLANES * c->ci * c->co;
}

static size_t winograd_scratch(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	struct thaw_conv m = pass == THAW_CONV_DATA ? thaw_conv_mirrored(c) : *c;
	int64_t planes = plane_floats(&m, pass), mirror = pass == THAW_CONV_DATA ? c->kh * c->kw * c->ci * c->co : 0;
	return (size_t)(filter_floats(c) + max_int64(planes, mirror)) * sizeof(float);
}

static size_t winograd_packed_bytes(const struct thaw_conv *c)
{
	return (size_t)filter_floats(c) * sizeof(float);
}

static void winograd_pack(const struct thaw_conv *c, const float *weight, void *packed)
{
	thaw_winograd_filters(c, weight, packed);
}

/* y = epilogue(conv(x)) with filters u (36, ci, co). */
static void convolve(const struct thaw_conv *c, const float *x, const float *u,
		     const struct thaw_conv_epilogue *epilogue, float *y, float *buffer)
{
	struct thaw_winograd_tiles in = first_block(c, THAW_CONV_FORWARD, c->ci),
				   out = first_block(c, THAW_CONV_FORWARD, c->co);
	const int64_t block = in.count;
	float *v = buffer, *m = buffer + WINOGRAD_PLANES * in.stride;
	for (; in.first < all_tiles(c); in.first += block) {
		in.count = min_int64(all_tiles(c) - in.first, block);
		out.first = in.first;
		out.count = in.count;
		thaw_winograd_image(c, x, in, v);
		for (int64_t p = 0; p < WINOGRAD_PLANES; p++)
			thaw_gemm(in.count, c->co, c->ci, (struct thaw_matrix){v + p * in.stride, c->ci, false},
				  (struct thaw_matrix){u + p * c->ci * c->co, c->co, false}, 0.0f, m + p * out.stride,
				  c->co);
		thaw_winograd_result(c, m, out, epilogue, y);
	}
}

static void winograd_forward(const struct thaw_conv *c, struct thaw_values x, const float *weight, const void *packed,
			     const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *buffer)
{
	float *u = buffer;
	if (!packed)
		thaw_winograd_filters(c, weight, u);
	convolve(c, x.data, packed ? packed : u, epilogue, y->data, u + filter_floats(c));
}

static void winograd_backward_data(const struct thaw_conv *c, const float *dy, const float *weight, float *dx, bool add,
				   void *buffer)
{
	struct thaw_conv m = thaw_conv_mirrored(c);
	struct thaw_conv_epilogue epilogue = {.residual = add ? dx : NULL};
	float *u = buffer, *mirror = u + filter_floats(c);
	thaw_conv_transpose_weights(c, weight, true, mirror);
	thaw_winograd_filters(&m, mirror, u);
	convolve(&m, dy, u, &epilogue, dx, mirror); /* reuses the memory of the mirrored weights */
}

static void winograd_backward_weight(const struct thaw_conv *c, struct thaw_values x, const float *dy, float *dweight,
				     void *buffer)
{
	struct thaw_winograd_tiles in = first_block(c, THAW_CONV_WEIGHT, c->ci),
				   out = first_block(c, THAW_CONV_WEIGHT, c->co);
	const int64_t block = in.count;
	float *du = buffer, *v = du + filter_floats(c), *z = v + WINOGRAD_PLANES * in.stride;
	for (; in.first < all_tiles(c); in.first += block) {
		in.count = min_int64(all_tiles(c) - in.first, block);
		out.first = in.first;
		out.count = in.count;
		thaw_winograd_image(c, x.data, in, v);
		thaw_winograd_result_gradient(c, dy, out, z);
		for (int64_t p = 0; p < WINOGRAD_PLANES; p++)
			thaw_gemm(c->ci, c->co, in.count, (struct thaw_matrix){v + p * in.stride, c->ci, true},
				  (struct thaw_matrix){z + p * out.stride, c->co, false}, in.first > 0 ? 1.0f : 0.0f,
				  du + p * c->ci * c->co, c->co);
	}
	if (c->n > 0)
		thaw_winograd_filter_gradient(c, du, dweight);
}

const struct thaw_conv_kernel thaw_conv_winograd = {
	.name = "winograd",
	.fits = winograd_fits,
	.scratch = winograd_scratch,
	.packed_bytes = winograd_packed_bytes,
	.pack = winograd_pack,
	.forward = winograd_forward,
	.data = winograd_backward_data,
	.weight = winograd_backward_weight,
};
