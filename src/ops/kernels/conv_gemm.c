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
#include "src/ops/kernels/conv.h"
#include "src/ops/kernels/conv_patch.h"
#include "src/ops/kernels/gemm.h"

/* y = epilogue(conv(x) + beta * y), block by block; the epilogue may be NULL. */
static void convolve(const struct thaw_conv *c, const float *x, const float *weight, float beta,
		     const struct thaw_conv_epilogue *epilogue, float *y, float *column)
{
	int64_t block = thaw_patch_block(c), outputs = thaw_conv_group_outputs(c);
	for (int64_t first = 0; first < thaw_conv_pixels(c); first += block) {
		int64_t count = min_int64(block, thaw_conv_pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++)
			thaw_gemm(count, outputs, thaw_patch_size(c), thaw_patch_matrix(c, x, g, first, count, column),
				  (struct thaw_matrix){weight + g * outputs, c->co, false}, beta,
				  y + first * c->co + g * outputs, c->co);
		if (epilogue)
			thaw_conv_finish(c, epilogue, y + first * c->co, first, count);
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
	struct thaw_conv m = pass == THAW_CONV_DATA && thaw_conv_uses_mirror(c) ? thaw_conv_mirrored(c) : *c;
	int64_t floats = thaw_patch_is_pixel(c) ? 0 : thaw_patch_block(&m) * thaw_patch_size(&m);
	return (size_t)(floats + (pass == THAW_CONV_DATA ? thaw_conv_weight_count(c) : 0)) * sizeof(float);
}

static void gemm_forward(const struct thaw_conv *c, struct thaw_values x, const float *weight, const void *packed,
			 const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *buffer)
{
	(void)packed;
	convolve(c, x.data, weight, 0.0f, epilogue, y->data, buffer);
}

static void gemm_backward_data(const struct thaw_conv *c, const float *dy, const float *weight, float *dx, bool add,
			       void *buffer)
{
	int64_t inputs = thaw_conv_group_inputs(c), outputs = thaw_conv_group_outputs(c), block = thaw_patch_block(c);
	float *transposed = buffer, *column = transposed + thaw_conv_weight_count(c);
	if (thaw_conv_uses_mirror(c)) {
		struct thaw_conv m = thaw_conv_mirrored(c);
		thaw_conv_transpose_weights(c, weight, true, transposed);
		convolve(&m, dy, transposed, add ? 1.0f : 0.0f, NULL, dx, column);
		return;
	}
	thaw_conv_transpose_weights(c, weight, false, transposed);
	if (!add)
		memset(dx, 0, (size_t)(c->n * c->h * c->w * c->ci) * sizeof(float));
	for (int64_t first = 0; first < thaw_conv_pixels(c); first += block) {
		int64_t count = min_int64(block, thaw_conv_pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++) {
			for (int64_t tap = 0; tap < c->kh * c->kw; tap++)
				thaw_gemm(count, inputs, outputs,
					  (struct thaw_matrix){dy + first * c->co + g * outputs, c->co, false},
					  (struct thaw_matrix){transposed + tap * outputs * c->ci + g * inputs, c->ci,
							       false},
					  0.0f, column + tap * inputs, thaw_patch_size(c));
			thaw_patch_add(c, column, g, first, count, dx);
		}
	}
}

static void gemm_backward_weight(const struct thaw_conv *c, struct thaw_values x, const float *dy, float *dweight,
				 void *buffer)
{
	int64_t outputs = thaw_conv_group_outputs(c), block = thaw_patch_block(c);
	for (int64_t first = 0; first < thaw_conv_pixels(c); first += block) {
		int64_t count = min_int64(block, thaw_conv_pixels(c) - first);
		for (int64_t g = 0; g < c->groups; g++) {
			struct thaw_matrix a = thaw_patch_matrix(c, x.data, g, first, count, buffer);
			a.transposed = true;
			thaw_gemm(thaw_patch_size(c), outputs, count, a,
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
