#include "src/data/tar_pattern.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define MOST_FILES 1000000

static thaw_status expand(struct names *files, const char *text);

/* Expands start + middle[length] + end. */
static thaw_status expand_one(struct names *files, const char *text, size_t start, const char *middle, size_t length,
			      const char *end)
{
	char *joined = thaw_format("%.*s%.*s%s", (int)start, text, (int)length, middle, end);
	thaw_status status = joined ? expand(files, joined) : THAW_RESOURCE;
	thaw_free(joined);
	return status;
}

/* "first..last" in inner[length]; false for any other text. */
static bool read_range(long long *first, long long *last, int *width, const char *inner, size_t length)
{
	char text[64];
	int used = 0, digits = 0;
	if (length >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)length, inner);
	bool good = sscanf(text, "%lld%n..%lld%n", first, &digits, last, &used) == 2 && (size_t)used == length;
	*width = digits;
	return good && *first >= 0 && *first <= *last && *last - *first < MOST_FILES;
}

/* Expands the first pair of braces, then the rest. */
static thaw_status expand(struct names *files, const char *text)
{
	char number[32];
	long long first, last;
	int width;
	const char *open = strchr(text, '{'), *close = open ? strchr(open, '}') : NULL;
	if (files->count >= MOST_FILES)
		return thaw_fail(THAW_USAGE, "more than %d shards: %s: give a folder", MOST_FILES, text);
	if (!open)
		return thaw_names_add(files, thaw_strdup(text));
	if (!close || close == open + 1)
		return thaw_fail(THAW_USAGE, "not a pattern of shards: %s: give one as train-{000..127}.tar", text);
	size_t start = (size_t)(open - text), length = (size_t)(close - open) - 1;
	if (read_range(&first, &last, &width, open + 1, length)) {
		for (long long i = first; i <= last; i++) {
			int n = snprintf(number, sizeof(number), "%0*lld", width < 20 ? width : 20, i);
			THAW_TRY(expand_one(files, text, start, number, (size_t)n, close + 1));
		}
		return THAW_OK;
	}
	for (const char *at = open + 1; at <= close;) {
		size_t part = strcspn(at, ",}");
		THAW_TRY(expand_one(files, text, start, at, part, close + 1));
		at += part + 1;
	}
	return THAW_OK;
}

thaw_status thaw_tar_expand(char **root, struct names *files, const char *path)
{
	const char *base = thaw_base_name(path);
	*root = base == path ? thaw_strdup(".") : thaw_format("%.*s", (int)(base - path), path);
	if (!*root)
		return THAW_RESOURCE;
	/* A file may be called so. */
	THAW_TRY(thaw_path_is_file(path) ? thaw_names_add(files, thaw_strdup(base)) : expand(files, base));
	for (int64_t i = 0; i < files->count; i++) {
		char *file = thaw_path_join(*root, files->name[i]);
		bool there = file && thaw_path_is_file(file);
		thaw_free(file);
		if (!file)
			return THAW_RESOURCE;
		if (!there)
			return thaw_fail(THAW_IO, "no such shard: %s%s: of the pattern %s", *root, files->name[i],
					 path);
	}
	thaw_names_sort(files, 0);
	return THAW_OK;
}
