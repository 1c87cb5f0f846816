/* A growing list of many names in two blocks of memory: a name takes its bytes and 9 more. Internal to src/data. */
#ifndef THAW_SRC_DATA_PACKED_NAMES_H
#define THAW_SRC_DATA_PACKED_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thaw/error.h"

struct packed_names {
	char *text; /* the names, each ended by a NUL */
	size_t bytes, room;
	uint64_t *start; /* [count] offsets in text */
	int64_t count, start_room;
};

void thaw_packed_names_free(struct packed_names *n); /* zeroed is fine */

/* Copies `name`. */
thaw_status thaw_packed_names_add(struct packed_names *n, const char *name);

/* Valid until the list changes. */
const char *thaw_packed_name(const struct packed_names *n, int64_t i);

/* Keeps the names where keep[i] == value, in their order. */
void thaw_packed_names_filter(struct packed_names *n, const bool *keep, bool value);

/* Returns memory that is not used, if there is memory for the copy. */
void thaw_packed_names_trim(struct packed_names *n);

#endif
