/* What struct thaw_factors means for the shape of an x. */
#ifndef THAW_SRC_OPS_FACTORS_H
#define THAW_SRC_OPS_FACTORS_H

#include "src/ops/kernels/strided_copy.h"
#include "thaw/ops.h"

/* The shape of y; THAW_CONFIG with a message that begins at `op` where factors do not fit x. */
thaw_status thaw_factors_infer(const struct thaw_factors *f, const struct thaw_shape *x, const char *op,
			       struct thaw_shape *y);

/* Whether every element of x is in y. x has passed thaw_factors_infer, here and below. */
bool thaw_factors_all(const struct thaw_factors *f, const struct thaw_shape *x);

/* Whether y's elements lie in memory as x's do. */
bool thaw_factors_in_order(const struct thaw_factors *f, const struct thaw_shape *x);

/* The copy of x to y, and where in x, in floats, it starts. */
struct thaw_strides thaw_factors_strides(const struct thaw_factors *f, const struct thaw_shape *x, int64_t *start);

#endif
