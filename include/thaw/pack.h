/* Packing: a dataset as tar shards in WebDataset's layout, which thaw_dataset_open and other programs read.
 *
 * Any number of processes can share the work: all open the same packing, one of them calls thaw_pack_begin, then each
 * writes some of the shards, and when all are written one calls thaw_pack_end. The bytes of the shards depend on the
 * dataset and the options only. A packing that was interrupted is continued by the same calls.
 */
#ifndef THAW_PACK_H
#define THAW_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/dataset.h"

THAW_BEGIN_DECLS

struct thaw_pack_options {
	const char *data; /* see thaw_dataset_open */
	struct thaw_manifest_options manifest;
	struct thaw_exclude *exclude; /* images that are left out; NULL: none. Marks the names that the dataset has */
	const char *out;              /* the folder of the shards, created by thaw_pack_begin */
	/* Shards of the training images, or of all images where the dataset has no splits; other splits get as many per
	 * image. 0: so many that one has about 256 MiB. */
	int shards;
	/* 0: samples are in the order of the dataset. Else each shard has samples of one lane of so many
	 * (thaw/lanes.h), and they are read in the order of the dataset again. A dataset without splits is split as for
	 * a training, by test_share and seed: lanes are those of the training images. */
	int lanes;
	bool shuffle; /* samples in a random order, by seed: shards then have images of all classes. Not with lanes */
	double test_share; /* see struct thaw_dataset_options */
	uint64_t seed;
};

struct thaw_pack;

/* Opens the dataset and plans the shards; writes nothing. Fails like thaw_dataset_open; THAW_USAGE if the options do
 * not fit. The caller frees *pack with thaw_pack_close. The strings of `options` must stay valid. */
thaw_status thaw_pack_open(struct thaw_pack **pack, const struct thaw_pack_options *options);
void thaw_pack_close(struct thaw_pack *pack); /* NULL is fine */

/* Whether the images have groups: shards do not keep them. */
bool thaw_pack_drops_groups(const struct thaw_pack *pack);

/* The number of shards of all splits. */
int thaw_pack_count(const struct thaw_pack *pack);

/* A digest of all that decides the shards, other than the bytes of images: processes that share the work compare it. */
uint64_t thaw_pack_digest(const struct thaw_pack *pack);

/* Makes the folder, or continues in one that an earlier start of the same packing left, and removes that one's
 * temporary files. Also writes classnames.txt. THAW_CONFIG, with nothing changed, if the folder has other files or
 * another process is packing to it. */
thaw_status thaw_pack_begin(struct thaw_pack *pack);

/* What thaw_pack_write did. */
struct thaw_packed {
	int64_t images, bytes; /* of the shard */
	bool kept;             /* it was there, from an earlier start, with the images as they are now */
};

/* Writes one shard and its index, atomically. stop (may be NULL) is asked before each image. THAW_UNFINISHED if it
 * returns true, THAW_IO if an image cannot be read or the shard cannot be written; then the shard is not there. */
thaw_status thaw_pack_write(const struct thaw_pack *pack, int shard, bool (*stop)(void *context), void *context,
			    struct thaw_packed *packed);

/* Marks the folder as complete: it is not read before. */
thaw_status thaw_pack_end(const struct thaw_pack *pack);

THAW_END_DECLS

#endif
