/* What the fuzz targets share: a scratch folder, inputs of several files, and the form of messages. */
#ifndef THAW_TESTS_FUZZ_H
#define THAW_TESTS_FUZZ_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "thaw/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* An error has a message of one line. */
static inline void fuzz_expect_message(void)
{
	if (thaw_error_message()[0] == '\0' || strchr(thaw_error_message(), '\n'))
		abort();
}

/* The scratch folder of this process, in $TMPDIR: the scripts remove that. */
static inline const char *fuzz_folder(void)
{
	static char path[200];
	if (!path[0]) {
		const char *base = getenv("TMPDIR");
		snprintf(path, sizeof(path), "%s/thaw-fuzz-XXXXXX", base ? base : "/tmp");
		if (!mkdtemp(path))
			abort();
	}
	return path;
}

/* FOLDER/name; valid until the fourth next call. */
static inline const char *fuzz_path(const char *name)
{
	static char paths[4][256];
	static int next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", fuzz_folder(), name);
	return path;
}

/* Writes the file FOLDER/name. */
static inline void fuzz_put(const char *name, const void *bytes, size_t size)
{
	int fd = open(fuzz_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || (size > 0 && write(fd, bytes, size) != (ssize_t)size))
		abort();
	close(fd);
}

/* Removes files of the scratch folder. */
static inline void fuzz_clear(const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		unlink(fuzz_path(names[i]));
}

struct fuzz_part {
	const uint8_t *bytes;
	size_t size;
};

/* Cuts an input at the lines "--8<--" into at most `limit` parts, one for each file. Returns their number. */
static inline int fuzz_split(struct fuzz_part *parts, int limit, const uint8_t *bytes, size_t size)
{
	static const char marker[] = "\n--8<--\n";
	const size_t length = sizeof(marker) - 1;
	int count = 0;
	while (count < limit - 1) {
		const uint8_t *at = memmem(bytes, size, marker, length);
		if (!at)
			break;
		parts[count++] = (struct fuzz_part){bytes, (size_t)(at - bytes)};
		size -= (size_t)(at - bytes) + length;
		bytes = at + length;
	}
	parts[count++] = (struct fuzz_part){bytes, size};
	return count;
}

#endif
