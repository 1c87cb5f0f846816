/* The feature cache of one lane, kept from epoch to epoch.
 *
 * With a frozen trunk, the features of an image at the cut are the same in every epoch that uses the same view of it.
 * An entry is one view of one sample. The cache is in memory, or in a memory-mapped file that a later start reuses: a
 * file only if its digest matches, and a record only if its checksum does. Entries beyond the size limit are not kept;
 * they are computed again, to the same bits.
 */
#ifndef THAW_SRC_TRAIN_CACHE_H
#define THAW_SRC_TRAIN_CACHE_H

#include <stdbool.h>

#include "thaw/dtype.h"
#include "thaw/error.h"

struct thaw_cache;

struct thaw_cache_options {
	int64_t entries;       /* largest number of entries: samples of the lane x views */
	int64_t features;      /* floats of one entry */
	enum thaw_dtype dtype; /* as stored: THAW_F32, or THAW_F16 in half the space */
	size_t bytes;          /* limit for all records */
	const char *path;      /* the file; NULL: memory */
	uint64_t digest;       /* of everything that the features depend on */
};

/* THAW_IO or THAW_RESOURCE when the space cannot be allocated; THAW_CONFIG when another process uses the file. */
thaw_status thaw_cache_create(struct thaw_cache **cache, const struct thaw_cache_options *options);
void thaw_cache_destroy(struct thaw_cache *cache); /* NULL is fine; the file is kept */

/* Whether the entry is present and undamaged. */
bool thaw_cache_has(struct thaw_cache *cache, int64_t entry);
/* Reads features[options.features] of an entry that is present. */
void thaw_cache_get(const struct thaw_cache *cache, int64_t entry, float *features);
/* Stores the entry if there is space. In any case rounds `features` to the values that thaw_cache_get would return. */
void thaw_cache_put(struct thaw_cache *cache, int64_t entry, float *features);

/* Bytes of the records of all entries. */
size_t thaw_cache_full_bytes(const struct thaw_cache_options *options);

#endif
