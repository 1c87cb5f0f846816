#include "thaw/exclude.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/digest.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define FILE_LIMIT ((size_t)4 << 30) /* bytes */

/* The characters that a backslash stands for, and what follows it. */
static const char special[] = "\\\n\r\t#", written[] = "\\nrt#";

char *thaw_exclude_escape(const char *name)
{
	char *text = thaw_alloc(2 * strlen(name) + 1, 1), *to = text;
	for (const char *at = name; text && *at; at++) {
		const char *s = strchr(special, *at);
		if (s && (*at != '#' || at == name)) {
			*to++ = '\\';
			*to++ = written[s - special];
		} else {
			*to++ = *at;
		}
	}
	return text;
}

/* Replaces escapes in place. False if there is one that no list has. */
static bool unescape(char *name)
{
	char *to = name;
	for (const char *at = name; *at; at++) {
		const char *w = *at != '\\' ? NULL : at[1] ? strchr(written, at[1]) : NULL;
		if (*at == '\\' && !w)
			return false;
		*to++ = w ? special[w - written] : *at;
		at += w != NULL;
	}
	*to = '\0';
	return true;
}

/* Ends the line at `line` and returns the next one; NULL: it was the last. */
static char *end_line(char *line)
{
	char *end = strchr(line, '\n');
	if (end)
		*end = '\0';
	size_t length = strlen(line);
	if (length > 0 && line[length - 1] == '\r')
		line[length - 1] = '\0';
	return end ? end + 1 : NULL;
}

static thaw_status add_line(struct thaw_exclude *e, char *line, int64_t number)
{
	if (line[0] == '\0' || line[0] == '#')
		return THAW_OK;
	line[strcspn(line, "\t")] = '\0';
	if (line[0] != '\0' && unescape(line)) {
		e->name[e->count++] = line;
		return THAW_OK;
	}
	return thaw_fail(THAW_DATA,
			 "not the name of an image: %s:%lld: write one name per line, \\ as \\\\, and a tab before a "
			 "reason",
			 e->path, (long long)number);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_names(struct thaw_exclude *e)
{
	int64_t kept = 0;
	if (e->count > 0)
		qsort(e->name, (size_t)e->count, sizeof(*e->name), compare_names);
	for (int64_t i = 0; i < e->count; i++) {
		if (kept > 0 && strcmp(e->name[i], e->name[kept - 1]) == 0)
			continue;
		e->name[kept++] = e->name[i];
		e->digest = thaw_digest(e->name[i], strlen(e->name[i]) + 1, e->digest);
	}
	e->count = kept;
}

static thaw_status parse(struct thaw_exclude *e, size_t size)
{
	int64_t lines = 1;
	if (memchr(e->text, '\0', size))
		return thaw_fail(THAW_DATA, "not a list of images: %s: give the file that thaw check --out wrote",
				 e->path);
	for (size_t i = 0; i < size; i++)
		lines += e->text[i] == '\n';
	e->name = thaw_alloc((size_t)lines, sizeof(*e->name));
	e->found = thaw_alloc((size_t)lines, sizeof(*e->found));
	if (!e->name || !e->found)
		return THAW_RESOURCE;
	int64_t number = 1;
	for (char *line = e->text, *next; line; line = next, number++) {
		next = end_line(line);
		THAW_TRY(add_line(e, line, number));
	}
	sort_names(e);
	return THAW_OK;
}

thaw_status thaw_exclude_read(struct thaw_exclude *e, const char *path)
{
	struct thaw_exclude list = {.path = thaw_strdup(path)};
	void *bytes = NULL;
	size_t size = 0;
	thaw_status status = list.path ? thaw_file_read(&bytes, &size, path, FILE_LIMIT) : THAW_RESOURCE;
	list.text = bytes;
	if (status == THAW_OK)
		status = parse(&list, size);
	if (status == THAW_OK)
		*e = list;
	else
		thaw_exclude_free(&list);
	return status;
}

void thaw_exclude_free(struct thaw_exclude *e)
{
	thaw_free(e->path);
	thaw_free(e->text);
	thaw_free(e->name);
	thaw_free(e->found);
	*e = (struct thaw_exclude){0};
}

bool thaw_exclude_has(struct thaw_exclude *e, const char *name)
{
	if (!e || e->count == 0)
		return false;
	char **at = bsearch(&name, e->name, (size_t)e->count, sizeof(*e->name), compare_names);
	if (at)
		e->found[at - e->name] = true;
	return at != NULL;
}

int64_t thaw_exclude_unknown(const struct thaw_exclude *e, const char **first)
{
	int64_t unknown = 0;
	*first = NULL;
	for (int64_t i = 0; i < e->count; i++)
		if (!e->found[i] && unknown++ == 0)
			*first = e->name[i];
	return unknown;
}
