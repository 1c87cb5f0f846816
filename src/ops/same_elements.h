/* Operators whose result has x's elements in x's order, in another shape: in place there is nothing to do. */
#ifndef THAW_SRC_OPS_SAME_ELEMENTS_H
#define THAW_SRC_OPS_SAME_ELEMENTS_H

#include "thaw/ops.h"

void thaw_same_elements_forward(const struct thaw_op_args *args);
void thaw_same_elements_backward(const struct thaw_op_args *args);

#endif
