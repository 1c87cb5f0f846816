/* Shared by the operators that convolve: a node's shapes in the form of the kernels, and the epilogue (bias, residual,
 * activation) in both passes. */
#ifndef THAW_SRC_OPS_CONV_NODE_H
#define THAW_SRC_OPS_CONV_NODE_H

#include "src/ops/kernels/conv.h"

/* x (N,H,W,Cin), weight (kh,kw,Cin/groups,Cout). The image is too small if ho or wo is 0 or less. */
struct thaw_conv thaw_conv_describe(const struct thaw_attrs *attrs, const struct thaw_shape *x,
				    const struct thaw_shape *weight);

/* The epilogue of a forward call: bias (Cout) or NULL, the residual x[1] if there is one, and attrs.activation. */
struct thaw_conv_epilogue thaw_conv_epilogue_of(const struct thaw_op_args *args, const float *bias);

/* The gradient of the epilogue, in one pass over memory: masks dy by the activation, in place; adds its sum over pixels
 * to sum[Cout], unless NULL; writes or adds it to the residual's gradient dx[1]. Returns the masked dy. */
const float *thaw_conv_epilogue_backward(const struct thaw_op_args *args, float *sum);

#endif
