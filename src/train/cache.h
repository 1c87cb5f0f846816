/* The feature cache of one lane, kept from epoch to epoch.
 *
 * With a frozen trunk, the features of an image at the cut are the same in every epoch that uses the same view of it.
 * An entry is one view of one sample. The cache is in memory, or in a file that a later start reuses: a file only if
 * its digest matches, a record only if its checksum does and the image is still the one that the features were computed
 * from. Entries beyond the size limit are not kept; they are computed again, to the same bits.
 */
#ifndef THAW_SRC_TRAIN_CACHE_H
#define THAW_SRC_TRAIN_CACHE_H

#include <stdbool.h>

#include "thaw/dataset.h"
#include "thaw/dtype.h"
#include "thaw/error.h"

struct thaw_cache;

struct thaw_cache_options {
	int64_t entries;       /* largest number of entries: samples of the lane x views */
	int64_t features;      /* floats of one entry */
	enum thaw_dtype dtype; /* as stored: THAW_F32, or THAW_F16 in half the space */
	size_t bytes;          /* limit for all records */
	const char *path;      /* the file; NULL: memory */
	uint64_t digest;       /* of everything that the features depend on, except the image */
};

/* What the file contained when it was opened. */
enum thaw_cache_found {
	THAW_CACHE_NEW, /* there was none, or it is in memory */
	THAW_CACHE_REUSED,
	THAW_CACHE_OTHER,   /* made with other settings, images or another program; made anew */
	THAW_CACHE_DAMAGED, /* its header or index is damaged, or it is truncated; made anew */
};

/* THAW_IO or THAW_RESOURCE when the space cannot be allocated; THAW_CONFIG when another process uses the file. */
thaw_status thaw_cache_create(struct thaw_cache **cache, const struct thaw_cache_options *options);
void thaw_cache_destroy(struct thaw_cache *cache); /* NULL is fine; the file is kept */

enum thaw_cache_found thaw_cache_found(const struct thaw_cache *cache);
/* How many entries had a damaged record, and how many were of an image that has changed since; both are computed again.
 */
struct thaw_cache_lost {
	int64_t damaged, changed;
};
struct thaw_cache_lost thaw_cache_lost(const struct thaw_cache *cache);

/* Whether the entry is present, undamaged, and of sample `sample` of `dataset` as it is stored now. */
bool thaw_cache_has(struct thaw_cache *cache, int64_t entry, const struct thaw_dataset *dataset, int64_t sample);
/* Begins to read an entry that is present and will be needed soon, if it is in a file. */
void thaw_cache_fetch(const struct thaw_cache *cache, int64_t entry);
/* Reads features[options.features] of an entry that is present. THAW_IO if the file was damaged after thaw_cache_has.
 */
thaw_status thaw_cache_get(struct thaw_cache *cache, int64_t entry, float *features);
/* The digest of all bytes of the image that an entry is of, which is present. */
uint64_t thaw_cache_content(const struct thaw_cache *cache, int64_t entry);
/* Stores the entry if there is space, with the fingerprint of its image. In any case rounds `features` to the values
 * that thaw_cache_get would return. */
void thaw_cache_put(struct thaw_cache *cache, int64_t entry, const struct thaw_fingerprint *image, float *features);

/* Bytes of the records of all entries. */
size_t thaw_cache_full_bytes(const struct thaw_cache_options *options);

#endif
