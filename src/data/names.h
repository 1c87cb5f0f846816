/* A growing array of owned strings. Internal to src/data. */
#ifndef THAW_SRC_DATA_NAMES_H
#define THAW_SRC_DATA_NAMES_H

#include <stdint.h>

#include "thaw/error.h"

struct names {
	char **name;
	int64_t count, room;
};

void thaw_names_free(struct names *n); /* zeroed is fine */

/* Takes ownership of `name`, also on failure. A NULL name counts as a failed allocation. */
thaw_status thaw_names_add(struct names *n, char *name);

/* Moves all names of `from` to the end of `to`. */
thaw_status thaw_names_move(struct names *to, struct names *from);

/* Sorts name[from .. count - 1] bytewise: the order does not depend on machine or locale. */
void thaw_names_sort(struct names *n, int64_t from);

/* The part of a path after its last slash. */
const char *thaw_base_name(const char *path);

/* "folder/name" in new memory, or a copy of `name` if `folder` is "". NULL without memory. */
char *thaw_relative_join(const char *folder, const char *name);

#endif
