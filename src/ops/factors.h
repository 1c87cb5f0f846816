/* struct thaw_factors applied to the shape of an input x. */
#ifndef THAW_SRC_OPS_FACTORS_H
#define THAW_SRC_OPS_FACTORS_H

#include "src/ops/kernels/strided_copy.h"
#include "thaw/ops.h"

/* The shape of y; THAW_CONFIG if the factors do not fit x. `op` names the operator in the message. */
thaw_status thaw_factors_infer(const struct thaw_factors *f, const struct thaw_shape *x, const char *op,
			       struct thaw_shape *y);

/* Whether every element of x is in y. Here and below, x has passed thaw_factors_infer. */
bool thaw_factors_all(const struct thaw_factors *f, const struct thaw_shape *x);

/* Whether y has the elements of x in the same order in memory. */
bool thaw_factors_in_order(const struct thaw_factors *f, const struct thaw_shape *x);

/* The strides of a copy from x to y. *start: the offset in x, in floats, of its first element. */
struct thaw_strides thaw_factors_strides(const struct thaw_factors *f, const struct thaw_shape *x, int64_t *start);

#endif
