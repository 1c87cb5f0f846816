/* Checkpoints: files that a killed job goes on from.
 *
 * A checkpoint is one file RUN/step-N.safetensors.zst: a safetensors file in a zstd frame with its
 * content checksum, so `zstd -d` and any safetensors reader open it. It appears under this name
 * complete or not at all. The library writes what the caller gives it: tensors and text.
 */
#ifndef THAW_CHECKPOINT_H
#define THAW_CHECKPOINT_H

#include "thaw/api.h"
#include "thaw/weights.h"

THAW_BEGIN_DECLS

/* Writes beside the training: a thread compresses, writes, renames and removes checkpoints that retention lets go. It
 * is given the state through a buffer of fixed size; the caller waits where the state is larger than that. */
struct thaw_checkpoint_writer;

struct thaw_checkpoint_options {
	const char *directory; /* exists */
	int keep_last;         /* how many of the newest stay, at least 2 */
	int level;             /* zstd's compression level, from 1 */
};

/* Removes what a killed writer left behind, too. One writer at a time per directory. */
thaw_status thaw_checkpoint_writer_create(struct thaw_checkpoint_writer **w, const struct thaw_checkpoint_options *o);
/* Begins step N: waits for an earlier save to end. `state` says names, types, shapes and metadata; its tensors' values
 * are then to be written to *sink, one after the other, and thaw_checkpoint_end called unless this failed. `best`: this
 * one stays until a better one comes. */
thaw_status thaw_checkpoint_begin(struct thaw_checkpoint_writer *w, int64_t step, const struct thaw_weights *state,
				  bool best, struct thaw_sink **sink);
/* All is given, or with another status than THAW_OK: the checkpoint is given up, and the status returned. Else the
 * failure of the earlier save if it failed (the new one is queued all the same). */
thaw_status thaw_checkpoint_end(struct thaw_checkpoint_writer *w, thaw_status status);
/* Both at once, for a state whose values are in memory. */
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

THAW_END_DECLS

#endif
