/* The weight pass of thaw_conv_bf16 (conv_bf16_weight.c). */
#ifndef THAW_SRC_OPS_KERNELS_CONV_BF16_H
#define THAW_SRC_OPS_KERNELS_CONV_BF16_H

#include "src/ops/kernels/conv.h"

size_t thaw_conv_bf16_weight_scratch(const struct thaw_conv *c);
void thaw_conv_bf16_weight(const struct thaw_conv *c, struct thaw_values x, const float *dy, float *dweight,
			   void *scratch);

#endif
