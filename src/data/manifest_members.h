/* The images in tar shards that the paths of a manifest lead to. Internal to src/data. */
#ifndef THAW_SRC_DATA_MANIFEST_MEMBERS_H
#define THAW_SRC_DATA_MANIFEST_MEMBERS_H

#include "src/data/manifest_search.h"
#include "src/data/tar_name.h"
#include "src/data/tar_read.h"

#define MANIFEST_MISSING (-1)
#define MEMBER_NAME      (TAR_NAME + 1024) /* bytes of the name of a sample, with that of its shard */

/* sample[s->count] becomes the number of each image among f->count samples, or MANIFEST_MISSING; see
 * thaw_manifest_shards_open. A path with the key of its image and another ending is found here, and refused by
 * thaw_manifest_member_fits. */
thaw_status thaw_manifest_members_find(int64_t *sample, const struct tar_files *f, struct manifest_search *s,
				       struct thaw_found *found);

/* Whether the path is the key or the name of the sample, whose name, after that of its shard, is `name`. */
bool thaw_manifest_member_fits(const struct tar_files *f, int64_t sample, const char *name, const char *path);

#endif
