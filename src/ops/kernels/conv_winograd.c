/* Convolution by Winograd's F(4x4,3x3): 3x3, stride 1, in all three passes.
 *
 * Tiles of all images form one list, worked off in blocks: into the 36 planes, 36 matrix products with the
 * transformed filters, and back. A block's planes stay in the outer caches; the filters stream through once a block.
 *
 *   forward   y  = A' [ V U ] A
 *   data      the same on dy, with filters turned by 180 degrees and channels exchanged
 *   weight    dU = V' (A dy A') summed over tiles, dg = G' dU G: the transpose of the forward pass
 *
 * Errors are about 1e-5 of the result's norm, ten times those of plain sums, as the transforms add and subtract
 * multiples of the same values.
 */
#include <string.h>

#include "src/ops/kernels/gemm.h"
#include "src/ops/kernels/winograd.h"

/* Tiles in a block. With few channels the planes of 64 tiles just fill the second-level cache; with more, the filters
 * are what must come from further out, and more tiles share them. The gradient of the weights adds all of dU once a
 * block, so its blocks are larger. Found by tests/bench/bench_conv.c. */
enum { BLOCK_LEAST = 64, BLOCK_MOST = 512, CHANNELS_PER_TILE = 4, WEIGHT_BLOCKS = 2 };

/* Between planes, so that the 36 values of a tile do not fall into one set of the cache. */
enum { PLANE_GAP = WINOGRAD_LANES };

/* Below this share of useful results in the tiles, the rest is not worth it. */
#define LEAST_USEFUL   0.5
#define LEAST_CHANNELS 32

static int64_t all_tiles(const struct thaw_conv *c)
{
	return c->n * winograd_tiles_of_image(c);
}

static bool fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	(void)pass;
	if (c->kh != 3 || c->kw != 3 || c->stride_y != 1 || c->stride_x != 1 || c->groups != 1)
		return false;
	if (c->ci % WINOGRAD_LANES || c->co % WINOGRAD_LANES || c->ci < LEAST_CHANNELS || c->co < LEAST_CHANNELS)
		return false;
	if (c->top < 0 || c->left < 0 || c->top > 2 || c->left > 2)
		return false; /* the data pass pads by 2 less so much */
	double useful = (double)(c->ho * c->wo) / (double)(winograd_tiles_of_image(c) * WINOGRAD_OUT * WINOGRAD_OUT);
	return useful >= LEAST_USEFUL;
}

/* Tiles that a block may have; grows with n, as scratch memory must. */
static int64_t most_tiles(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	int64_t count = (c->ci + c->co) / CHANNELS_PER_TILE;
	count = count < BLOCK_LEAST ? BLOCK_LEAST : count;
	count *= pass == THAW_CONV_WEIGHT ? WEIGHT_BLOCKS : 1;
	count = count > BLOCK_MOST ? BLOCK_MOST : count;
	return count < all_tiles(c) ? count : all_tiles(c);
}

/* Floats from plane to plane. */
static int64_t plane_stride(int64_t tiles, int64_t channels)
{
	return tiles * channels + PLANE_GAP;
}

/* The first of the blocks, which are of about the same size. */
static struct winograd_tiles block_of(const struct thaw_conv *c, enum thaw_conv_pass pass, int64_t channels)
{
	int64_t count = most_tiles(c, pass);
	if (count > 0) {
		int64_t blocks = (all_tiles(c) + count - 1) / count;
		count = (all_tiles(c) + blocks - 1) / blocks;
	}
	return (struct winograd_tiles){.count = count, .stride = plane_stride(count, channels)};
}

/* The convolution that takes dy to dx. */
static struct thaw_conv mirrored(const struct thaw_conv *c)
{
	struct thaw_conv m = *c;
	m.h = c->ho, m.w = c->wo, m.ci = c->co;
	m.ho = c->h, m.wo = c->w, m.co = c->ci;
	m.top = 2 - c->top;
	m.left = 2 - c->left;
	return m;
}

/* At most, over batches up to n: even blocks of a smaller batch may be larger. */
static int64_t plane_floats(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	int64_t tiles = most_tiles(c, pass);
	return WINOGRAD_PLANES * (plane_stride(tiles, c->ci) + plane_stride(tiles, c->co));
}

static int64_t filter_floats(const struct thaw_conv *c)
{
	return WINOGRAD_PLANES * c->ci * c->co;
}

static size_t scratch(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	struct thaw_conv m = pass == THAW_CONV_DATA ? mirrored(c) : *c;
	int64_t planes = plane_floats(&m, pass), mirror = pass == THAW_CONV_DATA ? c->kh * c->kw * c->ci * c->co : 0;
	return (size_t)(filter_floats(c) + (planes > mirror ? planes : mirror)) * sizeof(float);
}

static size_t prepared_bytes(const struct thaw_conv *c)
{
	return (size_t)filter_floats(c) * sizeof(float);
}

static void prepare(const struct thaw_conv *c, const float *weight, void *packed)
{
	winograd_filters(c, weight, packed);
}

/* y = epilogue(conv(x)) with filters u (36, ci, co). */
static void convolve(const struct thaw_conv *c, const float *x, const float *u,
		     const struct thaw_conv_epilogue *epilogue, float *y, float *buffer)
{
	struct winograd_tiles in = block_of(c, THAW_CONV_FORWARD, c->ci), out = block_of(c, THAW_CONV_FORWARD, c->co);
	const int64_t block = in.count;
	float *v = buffer, *m = buffer + WINOGRAD_PLANES * in.stride;
	for (; in.first < all_tiles(c); in.first += block) {
		in.count = all_tiles(c) - in.first < block ? all_tiles(c) - in.first : block;
		out.first = in.first;
		out.count = in.count;
		winograd_image(c, x, in, v);
		for (int64_t p = 0; p < WINOGRAD_PLANES; p++)
			thaw_gemm(in.count, c->co, c->ci, (struct thaw_matrix){v + p * in.stride, c->ci, false},
				  (struct thaw_matrix){u + p * c->ci * c->co, c->co, false}, 0.0f, m + p * out.stride,
				  c->co);
		winograd_result(c, m, out, epilogue, y);
	}
}

static void forward(const struct thaw_conv *c, const float *x, const float *weight, const void *packed,
		    const struct thaw_conv_epilogue *epilogue, float *y, void *buffer)
{
	float *u = buffer;
	if (!packed)
		winograd_filters(c, weight, u);
	convolve(c, x, packed ? packed : u, epilogue, y, u + filter_floats(c));
}

static void backward_data(const struct thaw_conv *c, const float *dy, const float *weight, float *dx, bool add,
			  void *buffer)
{
	struct thaw_conv m = mirrored(c);
	struct thaw_conv_epilogue epilogue = {.residual = add ? dx : NULL};
	float *u = buffer, *mirror = u + filter_floats(c);
	thaw_conv_turn_weights(c, weight, true, mirror);
	winograd_filters(&m, mirror, u);
	convolve(&m, dy, u, &epilogue, dx, mirror); /* which is not needed any more */
}

static void backward_weight(const struct thaw_conv *c, const float *x, const float *dy, float *dweight, void *buffer)
{
	struct winograd_tiles in = block_of(c, THAW_CONV_WEIGHT, c->ci), out = block_of(c, THAW_CONV_WEIGHT, c->co);
	const int64_t block = in.count;
	float *du = buffer, *v = du + filter_floats(c), *z = v + WINOGRAD_PLANES * in.stride;
	for (; in.first < all_tiles(c); in.first += block) {
		in.count = all_tiles(c) - in.first < block ? all_tiles(c) - in.first : block;
		out.first = in.first;
		out.count = in.count;
		winograd_image(c, x, in, v);
		winograd_result_gradient(c, dy, out, z);
		for (int64_t p = 0; p < WINOGRAD_PLANES; p++)
			thaw_gemm(c->ci, c->co, in.count, (struct thaw_matrix){v + p * in.stride, c->ci, true},
				  (struct thaw_matrix){z + p * out.stride, c->co, false}, in.first > 0 ? 1.0f : 0.0f,
				  du + p * c->ci * c->co, c->co);
	}
	if (c->n > 0)
		winograd_filter_gradient(c, du, dweight);
}

const struct thaw_conv_kernel thaw_conv_winograd = {
	.name = "winograd",
	.fits = fits,
	.scratch = scratch,
	.prepared_bytes = prepared_bytes,
	.pack = prepare,
	.forward = forward,
	.data = backward_data,
	.weight = backward_weight,
};
