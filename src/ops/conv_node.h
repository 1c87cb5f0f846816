/* What the operators that convolve share: a node's shapes as the kernels want them, and the way back to the sum. */
#ifndef THAW_SRC_OPS_CONV_NODE_H
#define THAW_SRC_OPS_CONV_NODE_H

#include "src/ops/kernels/conv.h"

/* x (N,H,W,Cin), weight (kh,kw,Cin/groups,Cout). Sizes of 0 or less: the image is too small. */
struct thaw_conv thaw_conv_describe(const struct thaw_attrs *attrs, const struct thaw_shape *x,
				    const struct thaw_shape *weight);

/* Takes dy back through the activation, in place, adds its sum over pixels to sum[Cout] unless that is NULL, hands it
 * to the residual's gradient dx[1], and returns it: one pass over memory. */
const float *thaw_conv_mask(const struct thaw_op_args *args, float *sum);

#endif
