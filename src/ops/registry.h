/* Declarations of the operators in list.h. */
#ifndef THAW_SRC_OPS_REGISTRY_H
#define THAW_SRC_OPS_REGISTRY_H

#include "thaw/ops.h"

#define OP(name) extern const struct thaw_op thaw_op_##name;
#include "src/ops/list.h"
#undef OP

#endif
