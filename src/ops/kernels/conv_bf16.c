/* Convolution as products in bfloat16, for nodes of that precision: the method of conv_gemm.c, but the right factor is
 * packed once per call, or once for all calls where the weights are frozen. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/conv.h"
#include "src/ops/kernels/conv_patch.h"
#include "src/ops/kernels/gemm_bf16.h"

enum { FEWEST = 8 }; /* channels of a group, in and out, for which a tile pays */

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
		return bf16_packed_bytes(c) + column_bytes(c);
	if (pass == THAW_CONV_WEIGHT)
		return thaw_bf16_packed_bytes(thaw_patch_block(c), thaw_conv_group_outputs(c)) + column_bytes(c);
	if (is_plain_data(c))
		return (size_t)c->groups * group_bytes(c, true) + column_bytes(c);
	return bf16_packed_bytes(&m) + column_bytes(&m) + (size_t)thaw_conv_weight_count(c) * sizeof(float);
}

/* y = epilogue(conv(x)), or added to y; the epilogue may be NULL. */
static void convolve(const struct thaw_conv *c, const float *x, const char *packed, bool add,
		     const struct thaw_conv_epilogue *epilogue, float *y, float *column)
{
	int64_t block = thaw_patch_block(c), outputs = thaw_conv_group_outputs(c);
	for (int64_t first = 0; first < thaw_conv_pixels(c); first += block) {
		int64_t count = min_int64(block, thaw_conv_pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++)
			thaw_gemm_bf16(count, outputs, thaw_patch_size(c),
				       thaw_patch_matrix(c, x, g, first, count, column),
				       packed + (size_t)g * group_bytes(c, false), add, y + first * c->co + g * outputs,
				       c->co);
		if (epilogue)
			thaw_conv_finish(c, epilogue, y, first, count);
	}
}

static void bf16_forward(const struct thaw_conv *c, const float *x, const float *weight, const void *packed,
			 const struct thaw_conv_epilogue *epilogue, float *y, void *buffer)
{
	if (!packed)
		pack_groups(c, weight, false, buffer);
	convolve(c, x, packed ? packed : buffer, false, epilogue, y, (float *)((char *)buffer + bf16_packed_bytes(c)));
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
	float *column = (float *)(packed + bf16_packed_bytes(&m));
	float *mirrored = (float *)((char *)column + column_bytes(&m));
	thaw_conv_transpose_weights(c, weight, true, mirrored);
	pack_groups(&m, mirrored, false, packed);
	convolve(&m, dy, packed, add, NULL, dx, column);
}

static void bf16_backward_weight(const struct thaw_conv *c, const float *x, const float *dy, float *dweight,
				 void *buffer)
{
	int64_t outputs = thaw_conv_group_outputs(c), block = thaw_patch_block(c);
	float *column = (float *)((char *)buffer + thaw_bf16_packed_bytes(block, outputs));
	for (int64_t first = 0; first < thaw_conv_pixels(c); first += block) {
		int64_t count = min_int64(block, thaw_conv_pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++) {
			struct thaw_matrix a = thaw_patch_matrix(c, x, g, first, count, column);
			a.transposed = true;
			thaw_bf16_pack(count, outputs,
				       (struct thaw_matrix){dy + first * c->co + g * outputs, c->co, false}, buffer);
			thaw_gemm_bf16(thaw_patch_size(c), outputs, count, a, buffer, true, dweight + g * outputs,
				       c->co);
		}
	}
}

const struct thaw_conv_kernel thaw_conv_bf16 = {
	.name = "bf16",
	.dilates = true,
	.fits = bf16_fits,
	.scratch = bf16_scratch,
	.packed_bytes = bf16_packed_bytes,
	.pack = bf16_pack,
	.forward = bf16_forward,
	.data = bf16_backward_data,
	.weight = bf16_backward_weight,
};
