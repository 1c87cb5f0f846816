/* Reading images from tar shards. Internal to src/data. */
#ifndef THAW_SRC_DATA_TAR_READ_H
#define THAW_SRC_DATA_TAR_READ_H

#include <stdbool.h>

#include "src/data/tar_handles.h"
#include "src/data/tar_load.h"
#include "thaw/fingerprint.h"

/* The context of a dataset of tar shards. */
struct tar_files {
	struct names shards; /* relative to the dataset's folder */
	char **path;         /* [shards.count] of the file that is read: the shard or a copy of it */
	char **source;       /* [shards.count] of the shard, where a copy is read; else NULL */
	struct tar_handles *handles;
	struct tar_record *records; /* [count] */
	int64_t count;
	struct thaw_node_block memory; /* of `records`, where it is shared by ranks; else thaw_free releases them */
};

/* Moves the records of `l` to `f`. */
void thaw_tar_take(struct tar_files *f, struct tar_load *l);

/* Opens the files f->shards of the folder `root`. */
thaw_status thaw_tar_files_open(struct tar_files *f, const char *root);
void thaw_tar_files_close(struct tar_files *f); /* zeroed is fine */

/* Keeps the records with keep[i] == value, which are `count`. Collective with `share`. */
thaw_status thaw_tar_keep(struct tar_files *f, const bool *keep, bool value, int64_t count,
			  const struct thaw_share *share);

/* Of image i: the digest of its key (struct tar_sample), its shard, whether it is a link to another image. */
uint64_t thaw_tar_key(const struct tar_files *f, int64_t i);
int64_t thaw_tar_shard(const struct tar_files *f, int64_t i);
bool thaw_tar_is_link(const struct tar_files *f, int64_t i);

/* From now on a shard is read from its copy; where that fails, an image is read from the shard itself. */
thaw_status thaw_tar_replace(struct tar_files *f, int64_t shard, const char *copy);

/* Reads image i. *bytes: memory from thaw_alloc; its name follows the `size` bytes, ended by a NUL. *modified: the time
 * of the shard. THAW_DATA if the shard is not the one that was opened, or ends too early. */
thaw_status thaw_tar_read(const struct tar_files *f, int64_t i, void **bytes, size_t *size, int64_t *modified);

/* "train-000000.tar/rose/a.jpg". */
void thaw_tar_name(const struct tar_files *f, int64_t i, char *text, size_t size);

thaw_status thaw_tar_fingerprint(const struct tar_files *f, int64_t i, bool whole,
				 struct thaw_fingerprint *fingerprint);

#endif
