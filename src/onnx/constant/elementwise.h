/* Elementwise operators with two inputs. Internal to src/onnx/constant. */
#ifndef THAW_ONNX_CONSTANT_ELEMENTWISE_H
#define THAW_ONNX_CONSTANT_ELEMENTWISE_H

#include "src/onnx/constant/evaluator.h"

/* Output 0, of this type, from x and y broadcast to each other. Computed in double by float2 if either has a floating
 * type, else in int64_t by int2; unsupported if that function is NULL. */
thaw_status thaw_onnx_combine(struct thaw_onnx_call *c, const struct thaw_onnx_constant *x,
			      const struct thaw_onnx_constant *y, enum thaw_dtype type,
			      double (*float2)(double, double), int64_t (*int2)(int64_t, int64_t));

/* Inputs 0 and 1; THAW_DATA unless they have the same type. */
thaw_status thaw_onnx_pair(const struct thaw_onnx_constant **x, const struct thaw_onnx_constant **y,
			   const struct thaw_onnx_call *c);

#endif
