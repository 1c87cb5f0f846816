/* Fingerprints of encoded images: whether an image is still the one that something was computed from. */
#ifndef THAW_FINGERPRINT_H
#define THAW_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"

THAW_BEGIN_DECLS

/* Of the bytes of one image as they are stored, not of its pixels after decoding. */
struct thaw_fingerprint {
	int64_t modified; /* time of the last modification in nanoseconds; 0: the image is not a separate file */
	uint64_t blocks;  /* digest of the size and of three blocks: the first, the middle and the last one */
	uint64_t content; /* digest of all bytes; 0: not read */
};

#define THAW_FINGERPRINT_BLOCK 4096 /* bytes; up to three blocks, all bytes are read */

/* The fingerprint of an image that is in memory. */
struct thaw_fingerprint thaw_fingerprint_of(const void *bytes, size_t size, int64_t modified);

/* Whether an image is unchanged: the time and the blocks are equal, or, if the time differs, all bytes are. An image of
 * the same size that differs outside of the three blocks only and has the same time of modification is not noticed.
 * `now.content` may be 0 if the times are equal and not 0. */
bool thaw_fingerprint_same(const struct thaw_fingerprint *then, const struct thaw_fingerprint *now);

THAW_END_DECLS

#endif
