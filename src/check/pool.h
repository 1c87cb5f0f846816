/* All images of a dataset, those of its splits one after the other. */
#ifndef THAW_SRC_CHECK_POOL_H
#define THAW_SRC_CHECK_POOL_H

#include <jansson.h>

#include "thaw/dataset.h"

enum { THAW_POOL_SPLITS = 3 };

struct thaw_pool {
	struct thaw_dataset part[THAW_POOL_SPLITS]; /* training, validation, test images; zeroed: there are none */
	int64_t first[THAW_POOL_SPLITS + 1];        /* the position of the first image of each part in `all` */
	struct thaw_dataset all;                    /* with the classes of all parts, sorted by name */
	json_t *found;                              /* thaw_found_json */
};

/* Opens the splits that are there. options: `lenient` must be set. The caller closes *pool with thaw_pool_close and
 * does not move it. */
thaw_status thaw_pool_open(struct thaw_pool *pool, const char *path, const struct thaw_dataset_options *options);
void thaw_pool_close(struct thaw_pool *pool); /* zeroed is fine */

/* The part of an image of `all`. */
int thaw_pool_part(const struct thaw_pool *pool, int64_t image);

/* The digest of the name of the group that an image of `all` belongs to; 0: the image has no group. */
uint64_t thaw_pool_group(const struct thaw_pool *pool, int64_t image);

#endif
