/* Files: read as a whole, written atomically. */
#ifndef THAW_FILE_H
#define THAW_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

/* Reads the whole file, without waiting. *bytes is memory from thaw_alloc, *size bytes followed by a NUL. THAW_IO when
 * the file cannot be read or is a folder; THAW_DATA when it is longer than `limit` bytes, or a pipe, a device or a
 * socket. Pipes below /dev and /proc (/dev/stdin, <(...)) are read to their end. */
thaw_status thaw_file_read(void **bytes, size_t *size, const char *path, size_t limit);

bool thaw_path_is_directory(const char *path);
/* Creates the directory and its parents; THAW_OK if it exists. THAW_IO when it cannot be created. */
thaw_status thaw_make_directory(const char *path);

/* A destination of bytes: a file, a compressor, memory. */
struct thaw_sink {
	thaw_status (*write)(struct thaw_sink *, const void *bytes, size_t size);
	void *context;
};

/* Writes PATH atomically: write to a temporary file in the same folder, fsync, rename, fsync of the folder. On failure
 * the temporary file is removed and PATH is unchanged, except when the last step fails (fsync of the folder): then PATH
 * already is the new file, complete. If PATH is a link, the file that it leads to is written, and the link stays.
 * THAW_IO if PATH is a device, a pipe, a socket or a folder. */
struct thaw_file_writer;
thaw_status thaw_file_writer_open(struct thaw_file_writer **f, const char *path);
/* Valid until commit or discard. */
struct thaw_sink *thaw_file_writer_sink(struct thaw_file_writer *f);
/* When a write finds the disk full, make_room(context) is called: if it returns true, the write is tried again. */
void thaw_file_writer_on_full(struct thaw_file_writer *f, bool (*make_room)(void *context), void *context);
thaw_status thaw_file_writer_commit(struct thaw_file_writer *f); /* frees f, also on failure */
void thaw_file_writer_discard(struct thaw_file_writer *f);       /* frees f; NULL is fine */

/* Copies the file FROM, of at most `limit` bytes, to TO, as thaw_file_read and a writer do. */
thaw_status thaw_file_copy(const char *from, const char *to, size_t limit);

/* Removes the temporary files that killed processes left in the folder. No process may be writing there. */
thaw_status thaw_file_clean(const char *directory);

THAW_END_DECLS

#endif
