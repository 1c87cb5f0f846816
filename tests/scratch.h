/* A folder for a test's files, and small ways to fill, read and empty it. */
#ifndef THAW_TESTS_SCRATCH_H
#define THAW_TESTS_SCRATCH_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRATCH_PATH 512

struct scratch {
	char path[SCRATCH_PATH];
};

static inline int scratch_make(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));
	const char *base = getenv("TMPDIR");
	snprintf(s->path, sizeof(s->path), "%s/thaw-test-XXXXXX", base ? base : "/tmp");
	*state = s;
	return mkdtemp(s->path) ? 0 : -1;
}

static inline int scratch_remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st, (void)type, (void)walk;
	return remove(path);
}

static inline int scratch_remove(void **state)
{
	struct scratch *s = *state;
	int failed = nftw(s->path, scratch_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(s);
	return failed;
}

/* FOLDER/name; valid until the fourth next call. */
static inline const char *scratch_file(const struct scratch *s, const char *name)
{
	static char paths[4][2 * SCRATCH_PATH];
	static int next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", s->path, name);
	return path;
}

static inline void scratch_put(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/* The file, NUL-terminated, from malloc. */
static inline char *scratch_get(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	*size = (size_t)ftell(file);
	rewind(file);
	char *bytes = calloc(*size + 1, 1);
	assert_int_equal(fread(bytes, 1, *size, file), *size);
	fclose(file);
	return bytes;
}

/* How many entries the folder has. */
static inline int scratch_count(const struct scratch *s)
{
	DIR *d = opendir(s->path);
	assert_non_null(d);
	int count = 0;
	for (const struct dirent *entry; (entry = readdir(d)) != NULL;)
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(d);
	return count;
}

#endif
