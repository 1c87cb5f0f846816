/* What the kernels for convolutions in bfloat16 share: the weight pass (conv_bf16_weight.c). */
#ifndef THAW_SRC_OPS_KERNELS_CONV_BF16_H
#define THAW_SRC_OPS_KERNELS_CONV_BF16_H

#include "src/ops/kernels/conv.h"

/* Images with up to so many channels: the values under a row of the kernel, not one pixel's channels, are the depth of
 * a product, or the rows of one in the weight pass. */
enum { THAW_CONV_FEW_CHANNELS = 4 };

size_t thaw_conv_bf16_weight_scratch(const struct thaw_conv *c);
void thaw_conv_bf16_weight(const struct thaw_conv *c, struct thaw_values x, const float *dy, float *dweight,
			   void *scratch);

#endif
