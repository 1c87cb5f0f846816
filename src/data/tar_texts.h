/* Tables for the scan of a tar shard: numbers by digest, and texts by number. Internal to src/data. */
#ifndef THAW_SRC_DATA_TAR_TEXTS_H
#define THAW_SRC_DATA_TAR_TEXTS_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/error.h"

#define TAR_NONE UINT32_MAX /* no text, no member */

/* Values by 64-bit digests. Two keys of one digest count as one. */
struct tar_map {
	uint64_t *keys; /* [room]; 0: free */
	uint32_t *values;
	uint32_t count, room;
};

/* The value of a key, TAR_NONE if it is new; valid until the next call. NULL without memory. */
uint32_t *thaw_tar_map_at(struct tar_map *m, uint64_t key);
/* The value of a key; TAR_NONE if it is not there. */
uint32_t thaw_tar_map_find(const struct tar_map *m, uint64_t key);
void thaw_tar_map_free(struct tar_map *m); /* zeroed is fine */

/* Different texts, numbered from 0. */
struct tar_texts {
	char **text; /* [count] */
	uint32_t count;
	struct tar_map numbers;
};

/* The number of the text, which is copied if it is new. */
thaw_status thaw_tar_texts_add(struct tar_texts *t, uint32_t *number, const char *text);
void thaw_tar_texts_free(struct tar_texts *t); /* zeroed is fine */

#endif
