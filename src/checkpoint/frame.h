/* The two halves of the file format: bytes into a zstd frame and back. */
#ifndef THAW_CHECKPOINT_FRAME_H
#define THAW_CHECKPOINT_FRAME_H

#include "thaw/file.h"

/* log2 of the window of every frame. 2 MiB is all that helps with weights, and it is pinned so that the
 * reader can tell a damaged frame header, which no checksum covers, and needs little memory. */
#define THAW_FRAME_WINDOW_LOG 21

/* Writes one frame with content size and checksum to `path`, atomically: `size` bytes that come in parts. */
struct thaw_frame_writer;
thaw_status thaw_frame_open(struct thaw_frame_writer **f, const char *path, size_t size, int level);
thaw_status thaw_frame_append(struct thaw_frame_writer *f, const void *bytes, size_t size);
thaw_status thaw_frame_commit(struct thaw_frame_writer *f); /* releases it, also where it fails */
void thaw_frame_discard(struct thaw_frame_writer *f);       /* leaves no file; NULL is fine */

/* Reads such a frame: exactly one, whole, the checksum right and nothing behind it. *bytes is from
 * thaw_alloc. With !bytes the content is only checked. THAW_DATA for damage. */
thaw_status thaw_frame_read(void **bytes, size_t *size, const char *path);

#endif
