#include "thaw/dataset.h"

const char *thaw_task_name(enum thaw_task task)
{
	static const char *const names[THAW_TASKS] = {[THAW_TASK_CLASS] = "class",
						      [THAW_TASK_LABELS] = "labels",
						      [THAW_TASK_GRADE] = "grade",
						      [THAW_TASK_VALUE] = "value"};
	return names[task];
}
