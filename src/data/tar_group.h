/* Groups the members of a tar shard into samples by their keys. Internal to src/data. */
#ifndef THAW_SRC_DATA_TAR_GROUP_H
#define THAW_SRC_DATA_TAR_GROUP_H

#include "src/data/tar_label.h"
#include "src/data/tar_name.h"
#include "src/data/tar_shard.h"

struct tar_group; /* the members of one key */
struct tar_image;

/* A shard while it is read. */
struct tar_groups {
	struct tar_shard *shard;
	struct tar_group *group; /* [group_count] */
	struct tar_image *image; /* [image_count], in the order of the shard */
	uint32_t group_count, image_count;
	uint32_t last;         /* group of the member before; TAR_NONE: none */
	struct tar_map keys;   /* groups by key, the newest of each */
	struct tar_map names;  /* the newest group that has a member of a whole name */
	struct tar_map images; /* images by whole name */
};

/* Where a member is. */
struct tar_place {
	uint64_t position; /* of its headers */
	uint64_t offset;   /* of its bytes */
	uint64_t size;
};

/* Add one member. A name that the shard had before begins a new group of its key. link: digest of the name of the image
 * that the member is a link to; 0: it is an image itself. */
thaw_status thaw_tar_groups_image(struct tar_groups *g, const struct tar_name *n, const struct tar_place *at,
				  uint64_t link);
thaw_status thaw_tar_groups_label(struct tar_groups *g, const struct tar_name *n, const struct tar_place *at,
				  const struct tar_label *label);

/* Makes the samples of the shard; fd and name are those of its file. */
thaw_status thaw_tar_groups_end(struct tar_groups *g, int fd, const char *name);
void thaw_tar_groups_free(struct tar_groups *g); /* zeroed is fine */

#endif
