/* Reads the class names of a dataset from a text file, one per line. */
#include "src/data/dataset.h"

#include <string.h>

#include "src/base/try.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define NAMES_LIMIT ((size_t)16 << 20) /* bytes of the file */

/* Splits text[size] in place; lines[] points into it. Returns the number of lines. */
static int split_lines(char *text, size_t size, char **lines)
{
	int count = 0;
	while (size > 0 && strchr("\r\n \t", text[size - 1]))
		text[--size] = '\0';
	for (char *line = size > 0 ? text : NULL; line; count++) {
		char *next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		lines[count] = line;
		line = next;
	}
	return count;
}

static int count_lines(const char *text)
{
	int count = 1;
	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

thaw_status thaw_dataset_read_names(struct thaw_dataset *d, const char *path)
{
	void *text;
	size_t size;
	thaw_status status = THAW_OK;
	THAW_TRY(thaw_file_read(&text, &size, path, NAMES_LIMIT));
	int room = count_lines(text);
	char **lines = thaw_alloc((size_t)room, sizeof(char *));
	d->class_names = thaw_alloc((size_t)room, sizeof(char *));
	if (!lines || !d->class_names) {
		status = THAW_RESOURCE;
		goto out;
	}
	d->classes = split_lines(text, size, lines);
	for (int c = 0; c < d->classes && status == THAW_OK; c++)
		if (!(d->class_names[c] = thaw_strdup(lines[c])))
			status = THAW_RESOURCE;
out:
	thaw_free(lines);
	thaw_free(text);
	return status;
}
