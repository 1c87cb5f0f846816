/* Runs passes that compute with fp32 on values in bfloat16: a band of rows of an image is expanded to a buffer that
 * stays in the second-level cache, and the band's results are rounded, so that memory is read and written in bfloat16
 * only. For kernels whose bits do not depend on the rows that are computed together. */
#ifndef THAW_SRC_OPS_KERNELS_CONV_BANDS_H
#define THAW_SRC_OPS_KERNELS_CONV_BANDS_H

#include "src/ops/kernels/conv.h"

/* A pass on one image or band, as in struct thaw_conv_kernel. */
typedef void thaw_conv_forward_fn(const struct thaw_conv *c, const float *x, const float *weight,
				  const struct thaw_conv_epilogue *epilogue, float *y, void *scratch);
typedef void thaw_conv_weight_fn(const struct thaw_conv *c, const float *x, const float *dy, float *dweight,
				 void *scratch);

/* Bytes of scratch, including `own` bytes of the pass itself. */
size_t thaw_conv_bands_bytes(const struct thaw_conv *c, enum thaw_conv_pass pass, size_t own);
/* Values in fp32 are computed in one call. */
void thaw_conv_forward_bands(const struct thaw_conv *c, struct thaw_values x, const float *weight,
			     const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *scratch,
			     thaw_conv_forward_fn *forward);
void thaw_conv_weight_bands(const struct thaw_conv *c, struct thaw_values x, const float *dy, float *dweight,
			    void *scratch, thaw_conv_weight_fn *weight);

#endif
