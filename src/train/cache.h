/* The feature cache: one lane's features, kept from epoch to epoch.
 *
 * With a frozen trunk, what an image becomes at the cut is the same in every epoch that shows the same view of
 * it. An entry is one view of one sample. The cache lies in memory, or in a memory-mapped file that a later start
 * finds again; a file is believed only under the same digest, and each record only with its checksum. What does
 * not fit within the bound is not kept: that costs time and changes no bit.
 */
#ifndef THAW_SRC_TRAIN_CACHE_H
#define THAW_SRC_TRAIN_CACHE_H

#include <stdbool.h>

#include "thaw/error.h"
#include "thaw/tensor.h"

struct thaw_cache;

struct thaw_cache_options {
	int64_t entries;       /* that may come: samples of the lane x views */
	int64_t features;      /* floats of one entry */
	enum thaw_dtype dtype; /* as which they are kept: THAW_F32, or THAW_F16 at half the room */
	size_t bytes;          /* bound on the records */
	const char *path;      /* the file; NULL: memory */
	uint64_t digest;       /* of everything that decides the features */
};

/* THAW_IO or THAW_RESOURCE when the room cannot be had; THAW_CONFIG when another program uses the file. */
thaw_status thaw_cache_create(struct thaw_cache **cache, const struct thaw_cache_options *options);
void thaw_cache_destroy(struct thaw_cache *cache); /* NULL is fine; a file stays */

/* Whether the entry is there, and sound. */
bool thaw_cache_has(struct thaw_cache *cache, int64_t entry);
/* features[options.features] of an entry that is there. */
void thaw_cache_get(const struct thaw_cache *cache, int64_t entry, float *features);
/* Keeps the entry if there is room. Rounds `features` to what a later thaw_cache_get would give, room or not. */
void thaw_cache_put(struct thaw_cache *cache, int64_t entry, float *features);

/* Bytes that all entries would take. */
size_t thaw_cache_full_bytes(const struct thaw_cache_options *options);

#endif
