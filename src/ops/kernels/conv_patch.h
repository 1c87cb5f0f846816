/* Patches of images as matrices, for convolutions as products. Output pixels of all images form one list, which is
 * processed in blocks; a patch is what the kernel covers at one output pixel: kh*kw*ci/groups values. */
#ifndef THAW_SRC_OPS_KERNELS_CONV_PATCH_H
#define THAW_SRC_OPS_KERNELS_CONV_PATCH_H

#include "src/ops/kernels/conv.h"
#include "src/ops/kernels/gemm.h"

int64_t thaw_conv_pixels(const struct thaw_conv *c); /* output pixels of all images */
int64_t thaw_conv_group_inputs(const struct thaw_conv *c);
int64_t thaw_conv_group_outputs(const struct thaw_conv *c);
int64_t thaw_conv_weight_count(const struct thaw_conv *c);
/* Whether the data pass is a convolution with the mirrored weights. */
bool thaw_conv_uses_mirror(const struct thaw_conv *c);

/* Values of a patch of one group. */
int64_t thaw_patch_size(const struct thaw_conv *c);
/* Whether the patch of each output pixel is the input pixel of the same index. */
bool thaw_patch_is_pixel(const struct thaw_conv *c);
/* Output pixels of a block: their patches stay in the cache. */
int64_t thaw_patch_block(const struct thaw_conv *c);

/* The matrix (count, patch size) of output pixels [first, first + count): the image itself, or its patches, copied to
 * `column` (im2col). */
struct thaw_matrix thaw_patch_matrix(const struct thaw_conv *c, const float *x, int64_t group, int64_t first,
				     int64_t count, float *column);
/* Adds patches (count, patch size) to the pixels of dx that they cover (col2im). */
void thaw_patch_add(const struct thaw_conv *c, const float *column, int64_t group, int64_t first, int64_t count,
		    float *dx);

#endif
