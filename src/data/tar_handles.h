/* Open files of tar shards: few at a time, since a dataset may have thousands. Internal to src/data. */
#ifndef THAW_SRC_DATA_TAR_HANDLES_H
#define THAW_SRC_DATA_TAR_HANDLES_H

#include <stdint.h>

#include "thaw/error.h"

struct tar_handles;

/* The files path[count] are borrowed. */
thaw_status thaw_tar_handles_create(struct tar_handles **h, char *const *path, int64_t count);
void thaw_tar_handles_destroy(struct tar_handles *h); /* NULL is fine */

/* Opens file i, or finds it open. It stays open until it is released. From any thread. */
thaw_status thaw_tar_handles_acquire(struct tar_handles *h, int64_t i, int *fd);
void thaw_tar_handles_release(struct tar_handles *h, int64_t i);

/* Closes file i, if it is open, so that the next one to acquire it opens it anew. No thread may be using it. */
void thaw_tar_handles_forget(struct tar_handles *h, int64_t i);

#endif
