/* A folder of checkpoints: step files, the record of the best one, and the retention policy. */
#ifndef THAW_CHECKPOINT_FOLDER_H
#define THAW_CHECKPOINT_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/error.h"

/* DIRECTORY/step-N.safetensors.zst; the caller frees it with thaw_free. NULL if out of memory. */
char *thaw_folder_path(const char *directory, int64_t step);

/* Lists the steps that have a file, newest first; the caller frees (*steps)[*count] with thaw_free. */
thaw_status thaw_folder_list(int64_t **steps, int *count, const char *directory);

/* Which checkpoints are kept. Initialise the first two members and zero the others. */
struct thaw_retention {
	const char *directory;
	int keep_last;
	int64_t *intact; /* [intact_count] steps whose files are known to be undamaged; from thaw_alloc */
	int intact_count;
};

/* Call before the file of `step` is written. best: it becomes the best checkpoint as soon as its file exists. */
thaw_status thaw_retention_announce(struct thaw_retention *r, int64_t step, bool best);
/* Call when the file exists: removes checkpoints that are no longer kept. */
thaw_status thaw_retention_apply(struct thaw_retention *r, int64_t step);

#endif
