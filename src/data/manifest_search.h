/* The rows of a manifest whose images are looked for. Internal to src/data. */
#ifndef THAW_SRC_DATA_MANIFEST_SEARCH_H
#define THAW_SRC_DATA_MANIFEST_SEARCH_H

#include "src/data/found.h"
#include "src/data/manifest_rows.h"

struct manifest_search {
	const struct manifest_rows *m;
	const int64_t *rows; /* [count] */
	int64_t count;
	bool *found; /* [count] whether the image is there */
};

const char *thaw_manifest_search_path(const struct manifest_search *s, int64_t i);
long long thaw_manifest_search_line(const struct manifest_search *s, int64_t i);

/* THAW_DATA: the rows `one` and `other` name the same image. */
thaw_status thaw_manifest_search_fail_same(const struct manifest_rows *m, int64_t one, int64_t other);

/* Notes the images that were not found. THAW_IO if they are more than half; the message says that the first one "is not
 * in" `where`, and what to do. */
thaw_status thaw_manifest_search_end(const struct manifest_search *s, struct thaw_found *found, const char *where,
				     const char *todo);

#endif
