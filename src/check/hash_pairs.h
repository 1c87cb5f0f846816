/* Pairs of images whose perceptual hashes are near. */
#ifndef THAW_SRC_CHECK_HASH_PAIRS_H
#define THAW_SRC_CHECK_HASH_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thaw/error.h"

#define THAW_HASH_RADIUS 10 /* the most bits, of 64, that hashes of a pair differ in */

/* The hashes of images: `views` each, of which the first is of the whole image. */
struct thaw_hashes {
	const uint64_t *first; /* those of image 0 */
	size_t stride;         /* bytes from one image to the next */
	int views;
	int64_t count;    /* images, fewer than 2^32 */
	const bool *used; /* [count] which take part */
};

/* The hash of `part` as a whole is near the hash of a view of `whole`. */
struct thaw_hash_pair {
	int64_t whole, part;
	int view;
	int distance; /* bits, up to THAW_HASH_RADIUS */
};

struct thaw_hash_pairs {
	struct thaw_hash_pair *pair; /* [count] each pair of images once, with its least distance, in a fixed order */
	int64_t count;
	int64_t crowded; /* images with so many neighbours that only the nearest ones are in `pair` */
};

/* Finds the pairs by multi-index hashing: all that are up to 7 bits apart, and most of the others. The time per image
 * hardly grows with their number, unless many hashes are alike. The caller releases *pairs. */
thaw_status thaw_hash_pairs_find(struct thaw_hash_pairs *pairs, const struct thaw_hashes *hashes);
void thaw_hash_pairs_release(struct thaw_hash_pairs *pairs); /* zeroed is fine */

#endif
