/* The files that the paths of a manifest lead to. Internal to src/data. */
#ifndef THAW_SRC_DATA_MANIFEST_PATHS_H
#define THAW_SRC_DATA_MANIFEST_PATHS_H

#include "src/data/found.h"
#include "src/data/manifest_rows.h"

struct manifest_files {
	struct arena text;
	size_t *offset; /* [count] 1 + offset in `text` of a file that is not named as in the manifest; 0: as there;
			 * NULL: all are */
	int64_t missing, first_missing; /* paths that lead to no file, and the first of them */
	uint64_t digest;                /* of these paths */
};

/* Looks for the files of rows[count] by listing the folders that they are in; no file is opened. Relative paths begin
 * in `root`. A path without the extension of an image may lack it, if one file fits; one without a folder is also
 * looked for in the folders below `root`. What was added is noted in `found`. THAW_DATA if several files fit, THAW_IO
 * if more than half of the files are missing or a folder cannot be listed. */
thaw_status thaw_manifest_paths_find(struct manifest_files *f, struct thaw_found *found, const char *root,
				     const struct manifest_rows *m, const int64_t *rows, int64_t count);
void thaw_manifest_files_free(struct manifest_files *f); /* zeroed is fine */

#endif
