#include "src/data/names.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define FIRST_ROOM 64 /* entries */

void thaw_names_free(struct names *n)
{
	for (int64_t i = 0; i < n->count; i++)
		thaw_free(n->name[i]);
	thaw_free(n->name);
	*n = (struct names){0};
}

thaw_status thaw_names_add(struct names *n, char *name)
{
	if (!name)
		return THAW_RESOURCE;
	if (n->count == n->room) {
		int64_t room = n->room == 0 ? FIRST_ROOM : 2 * n->room;
		char **grown = thaw_alloc((size_t)room, sizeof(char *));
		if (!grown) {
			thaw_free(name);
			return THAW_RESOURCE;
		}
		if (n->count > 0)
			memcpy(grown, n->name, (size_t)n->count * sizeof(char *));
		thaw_free(n->name);
		n->name = grown;
		n->room = room;
	}
	n->name[n->count++] = name;
	return THAW_OK;
}

thaw_status thaw_names_move(struct names *to, struct names *from)
{
	for (int64_t i = 0; i < from->count; i++) {
		char *name = from->name[i];
		from->name[i] = NULL;
		THAW_TRY(thaw_names_add(to, name));
	}
	return THAW_OK;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void thaw_names_sort(struct names *n, int64_t from)
{
	if (n->count - from > 1)
		qsort(n->name + from, (size_t)(n->count - from), sizeof(char *), compare_names);
}

const char *thaw_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

char *thaw_relative_join(const char *folder, const char *name)
{
	return folder[0] == '\0' ? thaw_strdup(name) : thaw_path_join(folder, name);
}
