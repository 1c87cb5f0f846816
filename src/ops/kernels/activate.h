/* Activations, for every operator that applies one to its result.
 *
 * All of them clamp to an interval, so that one branch-free loop serves all kinds: the bounds do not
 * change within a loop and the compiler keeps them in registers. The gradient passes strictly inside
 * the interval, which can be seen from the result alone: backward needs y, not x.
 */
#ifndef THAW_SRC_OPS_KERNELS_ACTIVATE_H
#define THAW_SRC_OPS_KERNELS_ACTIVATE_H

#include <math.h>

#include "src/base/multiversion.h"
#include "thaw/ops.h"

/* The interval; infinite where there is no bound. */
THAW_INLINE float thaw_activation_low(enum thaw_activation kind)
{
	return kind == THAW_ACT_NONE ? -INFINITY : 0.0f;
}

THAW_INLINE float thaw_activation_high(enum thaw_activation kind)
{
	return kind == THAW_ACT_RELU6 ? 6.0f : INFINITY;
}

/* The activation of v. NaN stays NaN: a diverging run must show, not turn into zeros. */
THAW_INLINE float thaw_activate(float v, enum thaw_activation kind)
{
	float low = thaw_activation_low(kind), high = thaw_activation_high(kind);
	float raised = v < low ? low : v;
	return raised > high ? high : raised;
}

/* The gradient dy behind an activation whose result was y. */
THAW_INLINE float thaw_activate_mask(float dy, float y, enum thaw_activation kind)
{
	float low = thaw_activation_low(kind), high = thaw_activation_high(kind);
	return ((y > low) & (y < high)) ? dy : 0.0f;
}

#endif
