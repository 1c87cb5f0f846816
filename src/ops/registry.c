/* The table of operators. A new operator needs its file and one line in list.h. */
#include "src/ops/registry.h"

#include <string.h>

const struct thaw_op *const thaw_ops[] = {
#define OP(name) &thaw_op_##name,
#include "src/ops/list.h"
#undef OP
	NULL,
};

const struct thaw_op *thaw_op_find(const char *name)
{
	for (int i = 0; thaw_ops[i]; i++)
		if (strcmp(thaw_ops[i]->name, name) == 0)
			return thaw_ops[i];
	return NULL;
}
