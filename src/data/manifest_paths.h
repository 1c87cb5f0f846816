/* The files that the paths of a manifest lead to. Internal to src/data. */
#ifndef THAW_SRC_DATA_MANIFEST_PATHS_H
#define THAW_SRC_DATA_MANIFEST_PATHS_H

#include "src/data/arena.h"
#include "src/data/manifest_search.h"

struct manifest_files {
	struct arena text;
	size_t *offset; /* [count] 1 + offset in `text` of a file that is not named as in the manifest; 0: as there;
			 * NULL: all are */
};

/* Looks for the files in the folder `root`; see thaw_manifest_folder_open. */
thaw_status thaw_manifest_paths_find(struct manifest_files *f, struct thaw_found *found, const char *root,
				     struct manifest_search *s);
void thaw_manifest_files_free(struct manifest_files *f); /* zeroed is fine */

#endif
