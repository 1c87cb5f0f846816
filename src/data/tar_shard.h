/* The images in one tar shard and what the shard says about them. Internal to src/data. */
#ifndef THAW_SRC_DATA_TAR_SHARD_H
#define THAW_SRC_DATA_TAR_SHARD_H

#include "src/data/found.h"
#include "src/data/tar_texts.h"

#define TAR_IMAGE_LIMIT ((uint64_t)512 << 20) /* bytes of one image */

/* What is counted. Those up to TAR_SKIPPED are not used, the others are. */
enum tar_count {
	TAR_LABELS_ALONE,
	TAR_FURTHER_IMAGES,
	TAR_OTHER_MEMBERS,
	TAR_SYSTEM_MEMBERS,
	TAR_LINKS_OUTSIDE,
	TAR_DEVICES,
	TAR_TOO_LARGE,
	TAR_DAMAGED_LABELS,
	TAR_DAMAGED,
	TAR_CUT,
	TAR_SKIPPED = TAR_CUT,
	TAR_NO_END,
	TAR_EMPTY,
	TAR_SAME_KEYS,
	TAR_APART,
	TAR_ODD_NAMES,
	TAR_COUNTS
};

struct tar_counts {
	uint64_t count[TAR_COUNTS];
	char *example[TAR_COUNTS]; /* the first of each, or NULL */
};

void thaw_tar_counts_free(struct tar_counts *c); /* zeroed is fine */

/* Counts one more; the first time `example` is copied. */
thaw_status thaw_tar_count(struct tar_counts *c, enum tar_count what, const char *example);

/* Adds the counts of the shard of this name. */
thaw_status thaw_tar_counts_add(struct tar_counts *to, const struct tar_counts *from, const char *shard);

/* Describes all that was counted. */
thaw_status thaw_tar_counts_report(struct thaw_found *found, const struct tar_counts *c);

struct tar_sample {
	uint64_t offset; /* of the image in the shard */
	uint64_t key;    /* digest of the key, or of the whole name of an image that shares its key with others */
	uint32_t size;   /* bytes */
	uint32_t header; /* bytes of the headers directly before the image */
	uint32_t label, folder; /* numbers of texts; TAR_NONE: none */
	float weight;           /* 0: not given */
	uint32_t link;          /* 1: the image is another member's, of another name */
};

struct tar_shard {
	struct tar_sample *samples; /* [count], in the order of the images in the shard */
	void *memory;               /* that `samples` are in; NULL: they are from thaw_alloc */
	uint32_t count;
	struct tar_texts texts; /* labels (tar_label.h) and folders */
	struct tar_counts counts;
	int64_t size, modified; /* of the file: bytes, nanoseconds */
};

void thaw_tar_shard_free(struct tar_shard *s); /* zeroed is fine */

/* Reads the headers and labels of the open tar file. A shard that is cut or damaged ends where it is; THAW_DATA if it
 * is not a tar file, THAW_IO if it cannot be read. `name` is for messages. */
thaw_status thaw_tar_scan(struct tar_shard *s, int fd, const char *name);

#endif
