/* images.digests.zst in the run directory: a zstd frame of one line of JSON and the digests of all images, 8 bytes each
 * (little-endian), part by part of the dataset and within a part in the order of the lanes. The line:
 *   {"format": "thaw image digests 1", "data": the folder, "lanes": N, "parts": [{"images", "count"}, ...],
 *    "changed": [{"images", "image", "was", "is", "phase", "epoch"}, ...], "changes": their number} */
#ifndef THAW_SRC_TRAIN_CONTENTS_FILE_H
#define THAW_SRC_TRAIN_CONTENTS_FILE_H

#include <jansson.h>

#include "src/train/contents.h"
#include "thaw/dataset.h"

#define CONTENTS_FILE  "images.digests.zst"
#define CONTENTS_PARTS 3 /* training images, those evaluated after epochs, those of the last word */

/* Writes the digests of all ranks to `path`, atomically. part[i]: NULL if there is none. header: on rank 0, an object
 * with "data" and what else belongs into the line; format, lanes and parts are added to it. kind: [CONTENTS_PARTS] what
 * the images of each part are. check: on rank 0, must be THAW_OK directly before the file appears. *written: the result
 * on all ranks. A failure that is returned ends the run. Collective. */
thaw_status thaw_contents_save(struct thaw_comm *comm, struct thaw_contents *const *part, const char *const *kind,
			       json_t *header, const char *path, thaw_status *written);

/* Reads the file into part[], which must have the counts and lanes of the run. *header: on rank 0 a new reference to
 * the line, NULL if there is no such file. THAW_DATA on all ranks if the file is damaged or of other images.
 * Collective. */
thaw_status thaw_contents_load(struct thaw_comm *comm, struct thaw_contents *const *part, json_t **header,
			       const char *path);

/* *digest: on rank 0, of names, classes and bytes of the images of all parts; it does not depend on lanes and ranks.
 * *unread: on rank 0, images whose digest is not known. Collective. */
thaw_status thaw_contents_digest(struct thaw_comm *comm, struct thaw_contents *const *part,
				 const struct thaw_dataset *const *dataset, uint64_t *digest, int64_t *unread);

/* The line alone: a new reference. Not collective. */
thaw_status thaw_contents_read_header(json_t **header, const char *path);

#endif
