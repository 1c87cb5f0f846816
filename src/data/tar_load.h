/* The samples of several tar shards. Internal to src/data. */
#ifndef THAW_SRC_DATA_TAR_LOAD_H
#define THAW_SRC_DATA_TAR_LOAD_H

#include <stdbool.h>

#include "src/data/names.h"
#include "src/data/node_block.h"
#include "src/data/tar_shard.h"

/* Where one image is: what stays in memory for each sample. */
struct tar_record {
	uint64_t offset, key; /* as in struct tar_sample */
	uint32_t size, header;
	uint32_t shard;
	uint32_t link;
};

_Static_assert(sizeof(struct tar_record) == 32, "a dataset may have millions of samples");

/* The shards of one split, in the order of their names and of the images in them. Set by the caller: `share`,
 * `in_lanes` and `labels_only`; the rest is zero. */
struct tar_load {
	const struct thaw_share *share; /* NULL: this rank is alone */
	bool in_lanes;                  /* samples of shards of lanes are in the order that they were packed from */
	bool labels_only;               /* `records` stays NULL */
	struct tar_record *records;     /* [count] */
	uint32_t *labels, *folders;     /* [count] numbers of texts; TAR_NONE: none */
	float *weights;                 /* [count] 0: not given; NULL: none is */
	int64_t count;
	int64_t *end; /* [shards] samples up to this shard */
	struct tar_texts texts;
	struct tar_counts counts;
	int64_t scanned, stale; /* shards without a current index; of these, with another one */
	char *first_stale;
	struct thaw_node_block record_memory; /* of `records`, if ranks share it; else thaw_free releases them */
	struct thaw_node_block label_memory;  /* of labels, folders and weights */
};

/* Reads the shards `files` of the folder `root`, by index where there is one. THAW_IO if one cannot be read, THAW_DATA
 * if it is not a tar file, or if shards of lanes are missing. Collective with `share`. */
thaw_status thaw_tar_load(struct tar_load *l, const char *root, const struct names *files);
void thaw_tar_load_free(struct tar_load *l); /* zeroed is fine */

/* Describes what was counted in the shards `files`, and their indexes. THAW_DATA if there are no images. */
thaw_status thaw_tar_load_report(struct thaw_found *found, const struct tar_load *l, const char *root,
				 const struct names *files);

#endif
