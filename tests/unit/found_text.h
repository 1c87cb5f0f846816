/* The text about datasets that thaw inspect prints, for tests that look for its lines. */
#ifndef THAW_TESTS_FOUND_TEXT_H
#define THAW_TESTS_FOUND_TEXT_H

#include "tests/scratch.h"

#include <jansson.h>
#include <string.h>

#include "thaw/found.h"

enum { FOUND_TEXT = 8192 };

static inline void found_add_line(void *context, const char *line)
{
	char *text = context;
	size_t used = strlen(text);
	snprintf(text + used, FOUND_TEXT - used, "%s\n", line);
}

/* Describes the datasets d[count], splits of the dataset in `path`. */
static inline void found_text(char text[FOUND_TEXT], const char *path, const struct thaw_dataset *const *d, int count)
{
	json_t *found = thaw_found_json(path, d, count);
	assert_non_null(found);
	text[0] = '\0';
	thaw_found_lines(found, found_add_line, text);
	json_decref(found);
}

#endif
