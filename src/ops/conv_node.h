/* Shared by the operators that convolve: a node's shapes in the form of the kernels, and the epilogue (bias, residual,
 * activation) in both passes. */
#ifndef THAW_SRC_OPS_CONV_NODE_H
#define THAW_SRC_OPS_CONV_NODE_H

#include "src/ops/kernels/conv.h"

/* x (N,H,W,Cin), weight (kh,kw,Cin/groups,Cout). The image is too small if ho or wo is 0 or less. */
struct thaw_conv thaw_conv_describe(const struct thaw_attrs *attrs, const struct thaw_shape *x,
				    const struct thaw_shape *weight);

/* Bytes of scratch of a forward call, and of each backward pass. */
size_t thaw_conv_forward_bytes(const struct thaw_conv *c);
size_t thaw_conv_backward_bytes(const struct thaw_conv *c);

/* y = activation(conv(x[0]) + bias + x[1]), by the kernel for it; bias (Cout) or NULL; packed: weights in its form, or
 * NULL. x and y may be in bfloat16. */
void thaw_conv_forward(const struct thaw_conv *c, const struct thaw_op_args *args, const float *weight,
		       const void *packed, const float *bias, void *scratch);
/* Adds to dweight; x may be in bfloat16. */
void thaw_conv_weight(const struct thaw_conv *c, const struct thaw_view *x, const float *dy, float *dweight,
		      void *scratch);

/* The gradient of the epilogue, in one pass over memory: masks dy by the activation, in place; adds its sum over pixels
 * to sum[Cout], unless NULL; writes or adds it to the residual's gradient dx[1]. Returns the masked dy. */
const float *thaw_conv_epilogue_backward(const struct thaw_op_args *args, float *sum);

#endif
