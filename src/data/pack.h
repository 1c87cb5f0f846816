/* Shared by the files of thaw/pack.h. Internal to src/data. */
#ifndef THAW_SRC_DATA_PACK_H
#define THAW_SRC_DATA_PACK_H

#include "thaw/dataset.h"
#include "thaw/pack.h"

#define PACK_SPLITS 3

/* The images of one shard are those with positions first <= k < end of its lane, or of the split. */
struct pack_shard {
	int split, lane;
	int64_t first, end;
	char *name; /* train-000000.tar */
};

struct thaw_pack {
	struct thaw_pack_options options;
	struct thaw_dataset splits[PACK_SPLITS]; /* zeroed: none */
	const char *prefix[PACK_SPLITS];         /* of file names: "train" */
	int64_t *order[PACK_SPLITS];             /* with options.shuffle: [count] the sample at each position */
	struct pack_shard *shards;               /* [count] */
	int count;
	uint64_t plan; /* digest */
	int lock;      /* descriptor; -1: none */
};

/* The sample at position k of a shard. */
int64_t thaw_pack_sample(const struct thaw_pack *pack, const struct pack_shard *shard, int64_t k);

/* The members of a tar file that make one sample. */
struct pack_members {
	char key[128];
	const char *extension; /* of the image: "jpg" */
	void *image;           /* [image_size] from thaw_alloc */
	size_t image_size;
	char *label; /* from thaw_alloc: the text of .cls, or of .json */
	bool json;   /* label is JSON */
	char *more;  /* beside a .cls, JSON with the weight; NULL: none */
};

/* Makes the members of sample i; a file is copied as it is, pixels become a PNG. THAW_IO if it cannot be read. */
thaw_status thaw_pack_make(struct pack_members *m, const struct thaw_dataset *d, int64_t i);

/* Only the label and `more`. */
thaw_status thaw_pack_make_label(struct pack_members *m, const struct thaw_dataset *d, int64_t i);
void thaw_pack_free_members(struct pack_members *m); /* zeroed is fine */

#endif
