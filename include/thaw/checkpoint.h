/* Checkpoints: files that a killed job goes on from.
 *
 * A checkpoint is one file RUN/step-N.safetensors.zst: a safetensors file in a zstd frame with its
 * content checksum, so `zstd -d` and any safetensors reader open it. It appears under this name
 * complete or not at all. The library writes what the caller gives it: tensors and text.
 */
#ifndef THAW_CHECKPOINT_H
#define THAW_CHECKPOINT_H

#include "thaw/weights.h"

/* Writes beside the training: a call to thaw_checkpoint_save copies what it is given and returns; a
 * thread compresses, writes, renames and removes checkpoints that retention lets go. */
struct thaw_checkpoint_writer;

struct thaw_checkpoint_options {
	const char *directory; /* exists */
	int keep_last;         /* how many of the newest stay, at least 2 */
	int level;             /* zstd's compression level, from 1 */
};

/* Removes what a killed writer left behind, too. One writer at a time per directory. */
thaw_status thaw_checkpoint_writer_create(struct thaw_checkpoint_writer **w, const struct thaw_checkpoint_options *o);
/* Queues step N. Waits for an earlier save to end, and returns that one's failure if it failed (the
 * new one is queued all the same). `best`: this one stays until a better one comes. */
thaw_status thaw_checkpoint_save(struct thaw_checkpoint_writer *w, int64_t step, const struct thaw_weights *state,
                                 bool best);
/* Waits until everything queued is on disk; the last failure. */
thaw_status thaw_checkpoint_flush(struct thaw_checkpoint_writer *w);
/* Flushes and releases. NULL is fine. */
thaw_status thaw_checkpoint_writer_close(struct thaw_checkpoint_writer *w);

/* Reads one checkpoint file completely, checksum included, before anything in it is used. */
thaw_status thaw_checkpoint_read(struct thaw_weights *state, const char *path);

/* Loads the newest checkpoint of the directory that is whole: *step receives its N, -1 when there is none.
 * Each damaged one that was passed over is reported through `damaged` (path and reason; may be NULL). One that cannot
 * be reached is not passed over: THAW_IO. */
thaw_status thaw_checkpoint_latest(struct thaw_weights *state, int64_t *step, const char *directory,
                                   void (*damaged)(void *context, const char *path, const char *why), void *context);

/* *step receives the step of the best checkpoint, -1 when none was called so. */
thaw_status thaw_checkpoint_best(int64_t *step, const char *directory);

#endif
