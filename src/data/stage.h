/* Copies of large files on a local disk. Internal to thaw. */
#ifndef THAW_SRC_DATA_STAGE_H
#define THAW_SRC_DATA_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/error.h"

enum stage_result {
	STAGE_COPIED,
	STAGE_KEPT,    /* it was there, with the right bytes */
	STAGE_NO_ROOM, /* the limit is reached, or the disk is full */
	STAGE_FAILED,  /* it could not be copied; the message is recorded */
};

/* Who asks to stop. */
struct stage_stop {
	bool (*stop)(void *context); /* or NULL */
	void *context;
};

/* What copies may still take. */
struct stage_room {
	int64_t bytes;
	bool limited; /* by the user, and not by the free space: then copies that were there count too */
};

/* Copies the file `source` to a name of its own in the folder, unless a copy with the same bytes is there. The
 * size of the copy is subtracted from the room; one that was there and has none is removed. A copy counts only when its
 * bytes, read again, have the digest of those that were written. THAW_UNFINISHED when asked to stop, THAW_RESOURCE
 * without memory; else *result says what happened. */
thaw_status thaw_stage_copy(enum stage_result *result, int64_t *bytes, const char *folder, const char *source,
			    struct stage_room *room, const struct stage_stop *stop);

/* *copy: the path of the copy of the source as it is now, from thaw_alloc; NULL if there is none. Its bytes are not
 * read again. */
thaw_status thaw_stage_find(char **copy, const char *folder, const char *source);

/* Removes the copies of files of the folder `sources` that have changed or gone since they were copied. */
thaw_status thaw_stage_clean(const char *folder, const char *sources);

/* Waits until no other process copies to the folder, which is made if it does not exist. The caller closes *fd. */
thaw_status thaw_stage_lock(int *fd, const char *folder, const struct stage_stop *stop);

/* Bytes that may be used: nine tenths of what is free. */
int64_t thaw_stage_free(const char *folder);

#endif
