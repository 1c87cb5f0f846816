/* What lies in a folder of checkpoints: step files, the record of the best one, and which of them stay. */
#ifndef THAW_CHECKPOINT_FOLDER_H
#define THAW_CHECKPOINT_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/error.h"

/* DIRECTORY/step-N.safetensors.zst, from thaw_alloc. */
char *thaw_folder_path(const char *directory, int64_t step);

/* The steps that have a file, newest first; (*steps)[*count] is from thaw_alloc. */
thaw_status thaw_folder_list(int64_t **steps, int *count, const char *directory);

/* Decides what stays. Zeroed but for the first two, it is ready. */
struct thaw_retention {
	const char *directory;
	int keep_last;
	int64_t *whole; /* [whole_count]: steps whose files are known to be whole; thaw_alloc */
	int whole_count;
};

/* To be called before the file of `step` is written: from the moment that it is there, it is the best. */
thaw_status thaw_retention_announce(struct thaw_retention *r, int64_t step, bool best);
/* To be called when it is there: removes what need not stay. */
thaw_status thaw_retention_apply(struct thaw_retention *r, int64_t step);

#endif
