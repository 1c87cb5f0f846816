/* The end of the operators' references: residual and activation in double precision. */
#ifndef THAW_SRC_OPS_REFERENCE_H
#define THAW_SRC_OPS_REFERENCE_H

#include "thaw/ops.h"

/* Element i of y: activation of v, after adding x[1]'s element i if there is an x[1]. */
static inline float thaw_reference_result(const struct thaw_op_args *args, int64_t i, double v)
{
	if (args->inputs > 1)
		v += args->x[1].data[i];
	if (args->attrs->activation != THAW_ACT_NONE && v < 0)
		v = 0;
	if (args->attrs->activation == THAW_ACT_RELU6 && v > 6)
		v = 6;
	return (float)v;
}

#endif
