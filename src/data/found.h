/* Filling in struct thaw_found. Internal to src/data. */
#ifndef THAW_SRC_DATA_FOUND_H
#define THAW_SRC_DATA_FOUND_H

#include "thaw/found.h"

struct thaw_found *thaw_found_create(void); /* NULL without memory */
void thaw_found_destroy(struct thaw_found *found);

/* Counts one more skipped file or folder; `what` and `example` are copied. */
thaw_status thaw_found_skip(struct thaw_found *found, const char *what, const char *example);

/* Counts `count` more of them. */
thaw_status thaw_found_skip_many(struct thaw_found *found, const char *what, int64_t count, const char *example);

/* Adds what `from` skipped to `to`. */
thaw_status thaw_found_merge(struct thaw_found *to, const struct thaw_found *from);

/* Adds a note and takes ownership of `text`; NULL counts as a failed allocation. */
thaw_status thaw_found_note(struct thaw_found *found, char *text);

/* "training", "validation", "test" or "all". */
const char *thaw_split_kind(enum thaw_split split);

/* "AVIF images, which thaw does not read: 3; other files: 2", or "no files". */
void thaw_found_list_skipped(const struct thaw_found *found, char *text, size_t size);

#endif
