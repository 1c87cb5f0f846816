#include "src/ops/same_elements.h"

#include <string.h>

#include "src/ops/kernels/elementwise.h"

void thaw_same_elements_forward(const struct thaw_call *call)
{
	if (call->y.data != call->x[0].data)
		memcpy(call->y.data, call->x[0].data, (size_t)thaw_shape_count(&call->y.shape) * sizeof(float));
}

void thaw_same_elements_backward(const struct thaw_call *call)
{
	if (call->dx[0])
		thaw_kernel_pass_gradient(call->dx[0], call->dx_add[0], call->dy, NULL,
					  thaw_shape_count(&call->y.shape), THAW_ACT_NONE);
}
