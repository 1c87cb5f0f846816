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

/* Looks for the images of s->rows[s->count] by listing the folders that they are in; no file is opened. Relative paths
 * begin in `root`. A path without the extension of an image may lack it, if one file fits; one without a folder is also
 * looked for in the folders below `root`. What was added is noted in `found`. THAW_DATA if several files fit, THAW_IO
 * if more than half of the files are missing or a folder cannot be listed. */
thaw_status thaw_manifest_folder_open(struct manifest_place **place, struct thaw_found *found, const char *root,
				      struct manifest_search *s);

/* Looks for the same in tar shards: a folder of them, one, or a pattern. A path is the key of a sample, or the name of
 * an image, after that of its shard or not; one without a folder is also looked for in the folders of the shards.
 * THAW_DATA if several images fit, or two paths lead to one, THAW_IO if more than half are missing. */
thaw_status thaw_manifest_shards_open(struct manifest_place **place, struct thaw_found *found, const char *root,
				      struct manifest_search *s);

#endif
