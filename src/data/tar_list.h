/* Which files are the tar shards of which split. Internal to src/data. */
#ifndef THAW_SRC_DATA_TAR_LIST_H
#define THAW_SRC_DATA_TAR_LIST_H

#include <stdbool.h>

#include "src/data/found.h"
#include "src/data/names.h"

#define TAR_SPLITS 3          /* THAW_SPLIT_TRAIN, _TEST, _VAL */
#define TAR_FLAT   TAR_SPLITS /* shards without splits */

struct tar_list {
	char *root;                          /* folder */
	struct names shards[TAR_SPLITS + 1]; /* relative to `root`, sorted */
};

/* Whether the path names tar shards: a file .tar, or a pattern of such files as "train-{000..127}.tar". */
bool thaw_tar_is_named(const char *path);

/* Whether the folder has tar shards, and no folders of images. */
thaw_status thaw_tar_is_folder(bool *is, const char *path);

/* Whether the folder has compressed tar files, which cannot be read as shards; false if it cannot be listed. */
bool thaw_tar_has_compressed(const char *path);

/* Lists the shards of a folder, or those that a path names. Other files are counted in `found`. THAW_IO if a file is
 * missing, THAW_CONFIG if the splits are not clear. */
thaw_status thaw_tar_list(struct tar_list *l, const char *path, struct thaw_found *found);
void thaw_tar_list_free(struct tar_list *l); /* zeroed is fine */

/* Lists all shards of a folder, in its folders if it has none itself, or those that a path names: *root receives the
 * folder that they are relative to. */
thaw_status thaw_tar_list_all(char **root, struct names *shards, const char *path);

/* A shard of one lane has "-lane3of8" in its name. Returns false if it has not. */
bool thaw_tar_lane(const char *file, int *lane, int *lanes);

#endif
