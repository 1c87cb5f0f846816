/* Convolution as products in bfloat16, for nodes of that precision: the method of conv_gemm.c, but the right factor is
 * packed once per call, or once for all calls where the weights are frozen. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/conv.h"
#include "src/ops/kernels/conv_patch.h"
#include "src/ops/kernels/gemm_bf16.h"

enum {
	FEWEST = 8,        /* channels of a group, in and out, for which a tile pays */
	FORWARD_ROWS = 96, /* of a block of results: they stay in the cache until they are finished; whole tiles */
};

static bool bf16_fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	(void)pass;
	return c->precision == THAW_PRECISION_BF16 && thaw_conv_group_inputs(c) >= FEWEST &&
	       thaw_conv_group_outputs(c) >= FEWEST;
}

/* Whether the data pass multiplies by the transposed weights in place. */
static bool is_plain_data(const struct thaw_conv *c)
{
	return thaw_patch_is_pixel(c) || !thaw_conv_uses_mirror(c);
}

static size_t column_bytes(const struct thaw_conv *c)
{
	return thaw_patch_is_pixel(c) ? 0 : (size_t)(thaw_patch_block(c) * thaw_patch_size(c)) * sizeof(float);
}

/* A block of results and its patches. */
static size_t block_bytes(const struct thaw_conv *c)
{
	int64_t column = thaw_patch_is_pixel(c) ? 0 : thaw_patch_size(c);
	return (size_t)(FORWARD_ROWS * (c->co + column)) * sizeof(float);
}

/* Packed weights of one group, as (patch size, outputs) or, for the data pass, as (outputs, patch size). */
static size_t group_bytes(const struct thaw_conv *c, bool transposed)
{
	int64_t patch = thaw_patch_size(c), outputs = thaw_conv_group_outputs(c);
	return transposed ? thaw_bf16_packed_bytes(outputs, patch) : thaw_bf16_packed_bytes(patch, outputs);
}

static size_t bf16_packed_bytes(const struct thaw_conv *c)
{
	return (size_t)c->groups * group_bytes(c, false);
}

static void pack_groups(const struct thaw_conv *c, const float *weight, bool transposed, char *packed)
{
	int64_t patch = thaw_patch_size(c), outputs = thaw_conv_group_outputs(c);
	for (int64_t g = 0; g < c->groups; g++, packed += group_bytes(c, transposed))
		thaw_bf16_pack(transposed ? outputs : patch, transposed ? patch : outputs,
			       (struct thaw_matrix){weight + g * outputs, c->co, transposed}, packed);
}

static void bf16_pack(const struct thaw_conv *c, const float *weight, void *packed)
{
	pack_groups(c, weight, false, packed);
}

static size_t bf16_scratch(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	struct thaw_conv m = thaw_conv_mirrored(c);
	if (pass == THAW_CONV_FORWARD)
		return bf16_packed_bytes(c) + block_bytes(c);
	if (pass == THAW_CONV_WEIGHT)
		return thaw_bf16_packed_bytes(thaw_patch_block(c), thaw_conv_group_outputs(c)) + column_bytes(c);
	if (is_plain_data(c))
		return (size_t)c->groups * group_bytes(c, true) + column_bytes(c);
	return bf16_packed_bytes(&m) + block_bytes(&m) + (size_t)thaw_conv_weight_count(c) * sizeof(float);
}

/* The patches of a block, in the storage of the images x. */
static struct thaw_value_matrix patches_of(const struct thaw_conv *c, struct thaw_values x, int64_t group,
					   int64_t first, int64_t count, void *column)
{
	struct thaw_value_matrix m = {0};
	if (x.bf16) {
		m.bf16 = thaw_patch_bf16(c, x.bf16, group, first, count, column, &m.stride);
	} else {
		struct thaw_matrix patches = thaw_patch_matrix(c, x.data, group, first, count, column);
		m.data = patches.data;
		m.stride = patches.stride;
	}
	return m;
}

/* y = epilogue(conv(x)), or added to y. */
static void convolve(const struct thaw_conv *c, struct thaw_values x, const char *packed, bool add,
		     const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *buffer)
{
	int64_t outputs = thaw_conv_group_outputs(c);
	float *rows = buffer, *column = rows + FORWARD_ROWS * c->co;
	for (int64_t first = 0; first < thaw_conv_pixels(c); first += FORWARD_ROWS) {
		int64_t count = min_int64(FORWARD_ROWS, thaw_conv_pixels(c) - first);
		float *to = thaw_values_target(y, first * c->co, rows);
		for (int64_t g = 0; g < c->groups; g++)
			thaw_gemm_bf16_values(count, outputs, thaw_patch_size(c),
					      patches_of(c, x, g, first, count, column),
					      packed + (size_t)g * group_bytes(c, false), add, to + g * outputs, c->co);
		thaw_conv_finish(c, epilogue, to, first, count);
		thaw_values_write(y, first * c->co, count * c->co, to);
	}
}

static void bf16_forward(const struct thaw_conv *c, struct thaw_values x, const float *weight, const void *packed,
			 const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *buffer)
{
	if (!packed)
		pack_groups(c, weight, false, buffer);
	convolve(c, x, packed ? packed : buffer, false, epilogue, y, (char *)buffer + bf16_packed_bytes(c));
}

/* dx = the patches dy W', added where they overlap. */
static void multiply_transposed(const struct thaw_conv *c, const float *dy, const char *packed, bool add, float *dx,
				float *column)
{
	int64_t outputs = thaw_conv_group_outputs(c), patch = thaw_patch_size(c), block = thaw_patch_block(c);
	bool direct = thaw_patch_is_pixel(c);
	if (!add && !direct)
		memset(dx, 0, (size_t)(c->n * c->h * c->w * c->ci) * sizeof(float));
	for (int64_t first = 0; first < thaw_conv_pixels(c); first += block) {
		int64_t count = min_int64(block, thaw_conv_pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++) {
			struct thaw_matrix left = {dy + first * c->co + g * outputs, c->co, false};
			thaw_gemm_bf16(count, patch, outputs, left, packed + (size_t)g * group_bytes(c, true),
				       direct && add, direct ? dx + first * c->ci + g * patch : column,
				       direct ? c->ci : patch);
			if (!direct)
				thaw_patch_add(c, column, g, first, count, dx);
		}
	}
}

static void bf16_backward_data(const struct thaw_conv *c, const float *dy, const float *weight, float *dx, bool add,
			       void *buffer)
{
	char *packed = buffer;
	if (is_plain_data(c)) {
		pack_groups(c, weight, true, packed);
		multiply_transposed(c, dy, packed, add, dx,
				    (float *)(packed + (size_t)c->groups * group_bytes(c, true)));
		return;
	}
	struct thaw_conv m = thaw_conv_mirrored(c);
	char *block = packed + bf16_packed_bytes(&m);
	float *mirrored = (float *)(block + block_bytes(&m));
	thaw_conv_transpose_weights(c, weight, true, mirrored);
	pack_groups(&m, mirrored, false, packed);
	convolve(&m, (struct thaw_values){.data = dy}, packed, add, &(struct thaw_conv_epilogue){0},
		 &(struct thaw_view){.data = dx}, block);
}

static void bf16_backward_weight(const struct thaw_conv *c, struct thaw_values x, const float *dy, float *dweight,
				 void *buffer)
{
	int64_t outputs = thaw_conv_group_outputs(c), block = thaw_patch_block(c);
	char *column = (char *)buffer + thaw_bf16_packed_bytes(block, outputs);
	for (int64_t first = 0; first < thaw_conv_pixels(c); first += block) {
		int64_t count = min_int64(block, thaw_conv_pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++) {
			struct thaw_value_matrix a = patches_of(c, x, g, first, count, column);
			a.transposed = true;
			thaw_bf16_pack(count, outputs,
				       (struct thaw_matrix){dy + first * c->co + g * outputs, c->co, false}, buffer);
			thaw_gemm_bf16_values(thaw_patch_size(c), outputs, count, a, buffer, true,
					      dweight + g * outputs, c->co);
		}
	}
}

const struct thaw_conv_kernel thaw_conv_bf16 = {
	.name = "bf16",
	.dilates = true,
	.bf16 = true,
	.fits = bf16_fits,
	.scratch = bf16_scratch,
	.packed_bytes = bf16_packed_bytes,
	.pack = bf16_pack,
	.forward = bf16_forward,
	.data = bf16_backward_data,
	.weight = bf16_backward_weight,
};
