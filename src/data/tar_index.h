/* The index of a tar shard: a file beside it with what a scan finds. Internal to src/data. */
#ifndef THAW_SRC_DATA_TAR_INDEX_H
#define THAW_SRC_DATA_TAR_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "src/data/tar_shard.h"

#define TAR_INDEX_END ".index" /* train-000000.tar.index */

enum tar_index_state {
	TAR_INDEX_MISSING,
	TAR_INDEX_STALE, /* damaged, or the shard has changed since it was written */
	TAR_INDEX_READ,
};

/* Reads the index of the shard `path`, whose file is open as fd. *s is changed only by TAR_INDEX_READ. THAW_RESOURCE
 * without memory. */
thaw_status thaw_tar_index_read(struct tar_shard *s, enum tar_index_state *state, int fd, const char *path);

/* The same as far as the beginning of the index tells: *count becomes the number of samples by TAR_INDEX_READ. */
thaw_status thaw_tar_index_count(uint32_t *count, enum tar_index_state *state, int fd, const char *path);

/* Writes the index of the shard `path`, and gives both files the present time, in whole seconds: an index is that of
 * its shard if they have the same time. */
thaw_status thaw_tar_index_write(const struct tar_shard *s, const char *path);

/* For tests: makes bytes[size] an index of the shard `path` in all but its contents, if they are long enough. */
thaw_status thaw_tar_index_seal(void *bytes, size_t size, const char *path);

#endif
