/* Names of tasks, in the metadata of networks and in messages. */
#include <string.h>

#include "thaw/dataset.h"

static const char *const names[THAW_TASKS] = {
	[THAW_TASK_CLASS] = "class",
	[THAW_TASK_LABELS] = "labels",
	[THAW_TASK_GRADE] = "grade",
	[THAW_TASK_VALUE] = "value",
};

const char *thaw_task_name(enum thaw_task task)
{
	return names[task];
}

const char *thaw_task_phrase(enum thaw_task task)
{
	static const char *const phrases[THAW_TASKS] = {
		[THAW_TASK_CLASS] = "one class per image",
		[THAW_TASK_LABELS] = "several labels per image",
		[THAW_TASK_GRADE] = "ordered grades",
		[THAW_TASK_VALUE] = "numbers",
	};
	return phrases[task];
}

enum thaw_task thaw_task_find(const char *name)
{
	int task = 0;
	while (task < THAW_TASKS && strcmp(names[task], name) != 0)
		task++;
	return (enum thaw_task)task;
}
