/* Fingerprints of files that are not in memory. Internal to src/data. */
#ifndef THAW_SRC_DATA_FINGERPRINT_H
#define THAW_SRC_DATA_FINGERPRINT_H

#include "thaw/error.h"
#include "thaw/fingerprint.h"

/* Reads three blocks of the file, or all of it if `whole`, which sets f->content. A file that is written meanwhile may
 * give any fingerprint. THAW_IO if it cannot be read. */
thaw_status thaw_fingerprint_file(struct thaw_fingerprint *f, const char *path, bool whole);

/* The same of the `size` bytes at `offset` of an open file, which is called `name` in messages. */
thaw_status thaw_fingerprint_part(struct thaw_fingerprint *f, int fd, uint64_t offset, size_t size, bool whole,
				  const char *name);

/* The time of the last modification, in nanoseconds; 0 if the file cannot be examined. */
int64_t thaw_modified(const char *path);

#endif
