/* Many texts in one block of memory: a list of ten million names costs its bytes. Internal to src/data. */
#ifndef THAW_SRC_DATA_ARENA_H
#define THAW_SRC_DATA_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "thaw/error.h"

struct arena {
	char *text; /* the texts, each ended by a NUL */
	size_t bytes, room;
};

/* Appends text[length] and a NUL. *offset: where it begins in `text`, which may move. */
thaw_status thaw_arena_add(struct arena *a, const char *text, size_t length, size_t *offset);
void thaw_arena_free(struct arena *a); /* zeroed is fine */

/* Texts numbered from 0 in the order in which they were first added. */
struct intern {
	struct arena arena;
	size_t *offset; /* [count] in arena.text */
	int64_t count, room;
	int64_t *slot; /* [slots] 1 + number; 0: empty. A power of two, at most half full */
	int64_t slots;
};

/* The number of the text, which is added if it is new. */
thaw_status thaw_intern(struct intern *t, const char *text, int64_t *number);
/* The number, or -1 if it was not added. */
int64_t thaw_intern_find(const struct intern *t, const char *text);
const char *thaw_intern_text(const struct intern *t, int64_t number);
void thaw_intern_free(struct intern *t); /* zeroed is fine */

#endif
