/* The file format of checkpoints: writes bytes as a zstd frame and reads them back. */
#ifndef THAW_CHECKPOINT_FRAME_H
#define THAW_CHECKPOINT_FRAME_H

#include "thaw/file.h"

/* log2 of the window size of every frame. Larger windows do not compress weights better; a constant lets the reader
 * detect damage of the frame header, which the checksum does not cover, and limits its memory. */
#define THAW_FRAME_WINDOW_LOG 21

/* Writes one frame with content size and checksum to `path`, atomically. `size`: total bytes of all appends. */
struct thaw_frame_writer;
thaw_status thaw_frame_open(struct thaw_frame_writer **f, const char *path, size_t size, int level);
void thaw_frame_on_full(struct thaw_frame_writer *f, bool (*make_room)(void *context),
			void *context); /* as in file.h */
thaw_status thaw_frame_append(struct thaw_frame_writer *f, const void *bytes, size_t size);
thaw_status thaw_frame_commit(struct thaw_frame_writer *f); /* also destroys f, even on failure */
void thaw_frame_discard(struct thaw_frame_writer *f);       /* destroys f without creating the file; NULL is fine */

/* Reads a file of exactly one complete frame with a correct checksum and at most `largest` bytes of content; THAW_DATA
 * if it is damaged, larger, or not a regular file. The caller frees (*bytes)[*size] with thaw_free. bytes NULL: only
 * verifies. */
thaw_status thaw_frame_read(void **bytes, size_t *size, const char *path, size_t largest);

/* Reads the first bytes[size] of the content of such a file, or all if it has fewer, without verifying it. *content
 * receives the size of the content that the frame header says. */
thaw_status thaw_frame_peek(void *bytes, size_t size, size_t *content, const char *path);

#endif
