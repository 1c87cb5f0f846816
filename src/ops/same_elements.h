/* Both passes of operators whose result has the elements of x in the same order, in another shape. In place they do
 * nothing. */
#ifndef THAW_SRC_OPS_SAME_ELEMENTS_H
#define THAW_SRC_OPS_SAME_ELEMENTS_H

#include "thaw/ops.h"

void thaw_same_elements_forward(const struct thaw_op_args *args);
void thaw_same_elements_backward(const struct thaw_op_args *args);

#endif
