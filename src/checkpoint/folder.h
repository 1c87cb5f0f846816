/* A folder of checkpoints: step files, the record of the best one, and the retention policy. */
#ifndef THAW_CHECKPOINT_FOLDER_H
#define THAW_CHECKPOINT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thaw/error.h"

/* DIRECTORY/step-N.safetensors.zst; the caller frees it with thaw_free. NULL if out of memory. */
char *thaw_folder_path(const char *directory, int64_t step);

/* Lists the steps that have a file, newest first; the caller frees (*steps)[*count] with thaw_free. */
thaw_status thaw_folder_list(int64_t **steps, int *count, const char *directory);

/* If `path` is not a regular file but a folder, a link, a FIFO or the like, renames it to PATH.unusable: a checkpoint
 * written there would fail, or replace the target of the link. */
thaw_status thaw_folder_clear(const char *path);

/* Which checkpoints are kept. Initialise the first three members and zero the others. */
struct thaw_retention {
	const char *directory;
	int keep_last;
	size_t largest;  /* bytes of content that an undamaged file may have */
	int64_t *intact; /* [intact_count] steps whose files are known to be undamaged; from thaw_alloc */
	int intact_count;
};

/* Call before the file of `step` is written. best: it becomes the best checkpoint as soon as its file exists. */
thaw_status thaw_retention_announce(struct thaw_retention *r, int64_t step, bool best);
/* Call when the file exists: removes checkpoints that are no longer kept. */
thaw_status thaw_retention_apply(struct thaw_retention *r, int64_t step);
/* Removes one checkpoint to make room for that of `step`: the oldest, the best one last, and never the newest undamaged
 * one before `step`. False if none was removed. Keeps the error message. */
bool thaw_retention_make_room(struct thaw_retention *r, int64_t step);

#endif
