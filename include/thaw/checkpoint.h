/* Checkpoints: files from which a killed job resumes.
 *
 * A checkpoint is one file, RUN/step-N.safetensors.zst: a safetensors file in a zstd frame with a content checksum;
 * `zstd -d` and any safetensors reader can read it. A file of this name is always complete: it is written under another
 * name and renamed. This module does not interpret the contents (tensors and metadata) of a checkpoint.
 */
#ifndef THAW_CHECKPOINT_H
#define THAW_CHECKPOINT_H

#include "thaw/api.h"
#include "thaw/weights.h"

THAW_BEGIN_DECLS

/* Writes in the background: a thread compresses, writes and renames checkpoints, and removes old ones. It receives the
 * state through a buffer; a caller with a state that is larger than the buffer waits for room. */
struct thaw_checkpoint_writer;

struct thaw_checkpoint_options {
	const char *directory; /* must exist */
	int keep_last;         /* how many of the newest are kept, at least 2 */
	int level;             /* zstd compression level, at least 1 */
	size_t largest;        /* bytes of content that an earlier checkpoint may have; 0: any */
	size_t buffer;         /* bytes of memory for a state that is being written; 0: an eighth of the free memory */
};

/* Also removes temporary files of a killed writer. Only one writer per directory at a time. Options are copied; the
 * caller closes *w. THAW_CONFIG for bad options. */
thaw_status thaw_checkpoint_writer_create(struct thaw_checkpoint_writer **w, const struct thaw_checkpoint_options *o);
/* Begins the checkpoint of `step`, after waiting for the previous save to end. `state` gives names, types, shapes and
 * metadata; after success, the caller writes the values of its tensors to *sink (owned by the writer) in order and
 * calls thaw_checkpoint_end. `best`: this checkpoint is kept until a better one is written. */
thaw_status thaw_checkpoint_begin(struct thaw_checkpoint_writer *w, int64_t step, const struct thaw_weights *state,
				  bool best, struct thaw_sink **sink);
/* Ends the checkpoint. With THAW_OK: all values have been written; returns the error of the previous save if it failed
 * (the new one is queued nevertheless). With another status: abandons the checkpoint and returns that status. */
thaw_status thaw_checkpoint_end(struct thaw_checkpoint_writer *w, thaw_status status);
/* thaw_checkpoint_begin and _end for a state whose values are all in memory. */
thaw_status thaw_checkpoint_save(struct thaw_checkpoint_writer *w, int64_t step, const struct thaw_weights *state,
				 bool best);
/* Waits until the queued checkpoint is on disk. Returns the error of the last save, once. */
thaw_status thaw_checkpoint_flush(struct thaw_checkpoint_writer *w);
/* Waits until no save is in progress, so that the directory is quiet; how it ended is reported as without this call. */
void thaw_checkpoint_wait(struct thaw_checkpoint_writer *w);
/* What has happened since the last call; does not wait. */
struct thaw_checkpoint_news {
	int completed;       /* checkpoints on disk that this writer has written */
	int removed;         /* older checkpoints removed since the last call because the disk was full */
	thaw_status failure; /* of the last save, unless it was reported before; then it is the error message */
};
struct thaw_checkpoint_news thaw_checkpoint_poll(struct thaw_checkpoint_writer *w);
/* Removes one checkpoint, the oldest first, the best one last, and never the newest undamaged one; waits for a save in
 * progress. False if there is none to remove. The writer calls this itself when a save finds the disk full. */
bool thaw_checkpoint_make_room(struct thaw_checkpoint_writer *w);
/* Flushes, then destroys the writer. NULL is fine. */
thaw_status thaw_checkpoint_writer_close(struct thaw_checkpoint_writer *w);

/* Reads one checkpoint file and verifies its checksum. *state is set on success only; the caller releases it with
 * thaw_weights_free. THAW_DATA if it is damaged, not a regular file, or has more than `largest` bytes of content
 * (SIZE_MAX: any). */
thaw_status thaw_checkpoint_read(struct thaw_weights *state, const char *path, size_t largest);
/* The same without the values, whose `data` is NULL: needs memory for the names only, and does not read on if the
 * content has another size than its header says. */
thaw_status thaw_checkpoint_describe(struct thaw_weights *state, const char *path);

/* How to find the checkpoint to resume from. */
struct thaw_checkpoint_search {
	const char *directory;
	size_t largest; /* bytes of content that a checkpoint may have */
	/* Returns THAW_OK if the run can continue from the state; else why not. step: in the name of its file. May be
	 * NULL. */
	thaw_status (*check)(void *context, const struct thaw_weights *state, int64_t step);
	/* Called for each checkpoint that is passed over; `why` names the file. May be NULL. */
	void (*skipped)(void *context, const char *path, thaw_status status, const char *why);
	void *context;
};

/* Loads the newest checkpoint that can be read and used; newer ones are passed over. *step receives its step, -1 if
 * there is none. Fails only if the directory cannot be read or memory is missing. */
thaw_status thaw_checkpoint_latest(struct thaw_weights *state, int64_t *step, const struct thaw_checkpoint_search *s);

/* Lists the steps that have a checkpoint, newest first; the caller frees (*steps)[*count] with thaw_free. */
thaw_status thaw_checkpoint_list(int64_t **steps, int *count, const char *directory);

/* *step receives the step of the best checkpoint, -1 if none was marked best. */
thaw_status thaw_checkpoint_best(int64_t *step, const char *directory);

THAW_END_DECLS

#endif
