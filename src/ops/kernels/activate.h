/* Activations, for all operators that apply one to their result.
 *
 * Each activation clamps to an interval, so one branch-free loop serves all kinds: the bounds are constant in a loop
 * and stay in registers. The gradient passes strictly inside the interval, which can be decided from the result:
 * backward reads y, not x.
 */
#ifndef THAW_SRC_OPS_KERNELS_ACTIVATE_H
#define THAW_SRC_OPS_KERNELS_ACTIVATE_H

#include <math.h>
#include <string.h>

#include "src/base/multiversion.h"
#include "src/ops/kernels/vector.h"
#include "thaw/ops.h"

/* Bounds of the interval; infinite if there is none. */
THAW_INLINE float thaw_activation_low(enum thaw_activation kind)
{
	return kind == THAW_ACT_NONE ? -INFINITY : 0.0f;
}

THAW_INLINE float thaw_activation_high(enum thaw_activation kind)
{
	return kind == THAW_ACT_RELU6 ? 6.0f : INFINITY;
}

/* The activation of v. NaN stays NaN, so that divergence is visible. */
THAW_INLINE float thaw_activate(float v, enum thaw_activation kind)
{
	float low = thaw_activation_low(kind), high = thaw_activation_high(kind);
	float raised = v < low ? low : v;
	return raised > high ? high : raised;
}

/* The activation of a vector, from the bounds of its interval. A loop over floats, since gcc splits comparisons of long
 * vectors; it becomes two instructions on registers. */
THAW_INLINE void thaw_activate_vector(thaw_vec *v, float low, float high)
{
	float value[THAW_VECTOR_WIDTH];
	memcpy(value, v, sizeof(value));
#pragma GCC unroll 1
	for (int i = 0; i < THAW_VECTOR_WIDTH; i++) {
		float raised = value[i] < low ? low : value[i];
		value[i] = raised > high ? high : raised;
	}
	memcpy(v, value, sizeof(value));
}

/* The gradient before an activation, from the gradient dy after it and its result y. */
THAW_INLINE float thaw_activate_mask(float dy, float y, enum thaw_activation kind)
{
	float low = thaw_activation_low(kind), high = thaw_activation_high(kind);
	return ((y > low) & (y < high)) ? dy : 0.0f;
}

#endif
