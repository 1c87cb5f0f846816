/* Lists of images that are left out of a dataset: what `thaw check --out` writes and --exclude reads.
 *
 * A list is text. Each line has the name of an image, as `thaw check` prints it, and optionally a tab and a reason.
 * Empty lines and lines that begin with # are ignored. In names, \\ stands for a backslash, \n, \r and \t for a line
 * feed, a carriage return and a tab, \# for a # at the start. */
#ifndef THAW_EXCLUDE_H
#define THAW_EXCLUDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

/* The names of a list. Read-only for the caller. */
struct thaw_exclude {
	char *path;  /* of the file */
	char *text;  /* memory of the names */
	char **name; /* [count] sorted, each once */
	bool *found; /* [count] whether a dataset had the image */
	int64_t count;
	uint64_t digest; /* of the names; 0 if there is none */
};

/* Reads a list. THAW_IO if it cannot be read, THAW_DATA if a line is not one of a list. The caller releases it with
 * thaw_exclude_free. */
thaw_status thaw_exclude_read(struct thaw_exclude *e, const char *path);
void thaw_exclude_free(struct thaw_exclude *e); /* zeroed is fine */

/* Whether the list has this name; marks it as found. NULL has none. */
bool thaw_exclude_has(struct thaw_exclude *e, const char *name);

/* How many names no dataset that was opened with the list has. *first: one of them, or NULL. */
int64_t thaw_exclude_unknown(const struct thaw_exclude *e, const char **first);

/* The name of an image as a list has it; memory from thaw_alloc. NULL with THAW_RESOURCE recorded without memory. */
char *thaw_exclude_escape(const char *name);

THAW_END_DECLS

#endif
