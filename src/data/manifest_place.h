/* Where the images of a manifest are: files below a folder, or members of tar shards. Internal to src/data. */
#ifndef THAW_SRC_DATA_MANIFEST_PLACE_H
#define THAW_SRC_DATA_MANIFEST_PLACE_H

#include "src/data/arena.h"
#include "src/data/dataset.h"
#include "src/data/manifest_search.h"

/* The images of a dataset; `path` is that of image i in the manifest. Functions as those of struct thaw_dataset. */
struct manifest_place {
	thaw_status (*read)(const struct manifest_place *, int64_t i, const char *path,
			    struct thaw_encoded_image *encoded);
	thaw_status (*read_file)(const struct manifest_place *, int64_t i, const char *path, void **bytes,
				 size_t *size);
	thaw_status (*fingerprint)(const struct manifest_place *, int64_t i, const char *path, bool whole,
				   struct thaw_fingerprint *f);
	/* Keeps images[count], ascending. On failure nothing has changed. */
	thaw_status (*reduce)(struct manifest_place *, const int64_t *images, int64_t count);
	void (*destroy)(struct manifest_place *);
	const struct thaw_dataset_parts *parts; /* NULL: images are files */
};

/* The context of a dataset with a manifest. */
struct manifest_listed {
	struct arena text; /* the paths of the manifest */
	size_t *name;      /* [count] offsets in `text` */
	struct manifest_place *place;
};

/* Looks for the images of s->rows[s->count] in the listings of their folders; opens no file. Relative paths are
 * relative to `root`. Two paths lead to files of other names, noted in `found`: "a1" leads to a1.jpg, if no other image
 * is called a1, and "a1.jpg" leads to a1.jpg in a folder below `root`, if `root` itself has none. THAW_DATA if several
 * files fit or two rows lead to one file, THAW_IO if more than half of the files are missing or a folder cannot be
 * listed. */
thaw_status thaw_manifest_folder_open(struct manifest_place **place, struct thaw_found *found, const char *root,
				      struct manifest_search *s);

/* Looks for the images in tar shards; `root` is a folder of shards, one shard, or a pattern. A path is the key of a
 * sample or the name of its image, and may begin with the name of the shard. A path without a folder may leave out the
 * folder inside the shard. THAW_DATA if several images fit or two rows lead to one image, THAW_IO if more than half are
 * missing. Collective with `share`. */
thaw_status thaw_manifest_shards_open(struct manifest_place **place, struct thaw_found *found, const char *root,
				      const struct thaw_share *share, struct manifest_search *s);

#endif
