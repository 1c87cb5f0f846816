/* Functions on sets of named tensors that readers of formats use too. */
#include <stdlib.h>
#include <string.h>

#include "src/model/weights_format.h"
#include "thaw/memory.h"

void thaw_weights_select(struct thaw_weights *w, int i)
{
	w->selected = i;
	w->tensors = w->dicts[i].tensors;
	w->count = w->dicts[i].count;
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

thaw_status thaw_weights_check_names(const struct thaw_named_tensor *tensors, int count, const char *file)
{
	const char **names = thaw_alloc((size_t)count, sizeof(*names));
	if (!names)
		return THAW_RESOURCE;
	for (int i = 0; i < count; i++)
		names[i] = tensors[i].name;
	qsort(names, (size_t)count, sizeof(*names), compare_names);
	thaw_status status = THAW_OK;
	for (int i = 1; i < count && status == THAW_OK; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			status = thaw_fail(THAW_DATA, "damaged weight file: %s: two tensors are named %s", file,
					   names[i]);
	thaw_free(names);
	return status;
}
