/* Files: reading whole, writing whole or not at all. */
#ifndef THAW_FILE_H
#define THAW_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

/* The whole file in memory from thaw_alloc (with a NUL behind it that *size does not count). THAW_IO with
 * the path and the reason; THAW_DATA when it is longer than `limit`. */
thaw_status thaw_file_read(void **bytes, size_t *size, const char *path, size_t limit);

bool thaw_path_is_directory(const char *path);
/* Makes the directory and its parents; fine if it exists. */
thaw_status thaw_make_directory(const char *path);

/* Where bytes go: a file, a compressor, memory. */
struct thaw_sink {
	thaw_status (*write)(struct thaw_sink *, const void *bytes, size_t size);
	void *context;
};

/* Writes to "PATH" atomically: a temporary name in the same folder, fsync, rename, fsync of the
 * folder. On failure the temporary file is removed and what was at PATH stays (only when the very last
 * step fails, the fsync of the folder, is the new file there already, complete). */
struct thaw_file_writer;
thaw_status thaw_file_writer_open(struct thaw_file_writer **f, const char *path);
struct thaw_sink *thaw_file_writer_sink(struct thaw_file_writer *f);
thaw_status thaw_file_writer_commit(struct thaw_file_writer *f); /* releases f, also on failure */
void thaw_file_writer_discard(struct thaw_file_writer *f);       /* releases f; NULL is fine */

/* Removes the temporary files that killed programs left in the folder. Nobody may be writing there. */
thaw_status thaw_file_clean(const char *directory);

THAW_END_DECLS

#endif
