/* What one folder contains: folders, images, and files that are skipped. Internal to src/data. */
#ifndef THAW_SRC_DATA_LISTING_H
#define THAW_SRC_DATA_LISTING_H

#include <stdbool.h>

#include "src/data/found.h"
#include "src/data/names.h"

#define THAW_RUN_DIRECTORIES "folders that thaw wrote" /* a kind of skipped folder */

/* Paths relative to the dataset's folder. A caller that sets `found` gets skipped files counted by kind there, which
 * opens each file whose name has no known image extension; else such files are ignored. */
struct listing {
	struct names folders, links; /* links: to folders */
	struct names images;
	struct thaw_found *found; /* borrowed; NULL: do not look into files */
	bool names_only;          /* with `found`: count by names alone, and not the files that are no images */
};

/* Adds the contents of root/relative, in no particular order. Hidden files, system files and run directories are left
 * out. */
thaw_status thaw_list_folder(struct listing *l, const char *root, const char *relative);
void thaw_listing_free(struct listing *l); /* zeroed is fine */

/* Whether operating systems, file servers or notebooks create files of this name, or it is hidden. */
bool thaw_is_system_name(const char *name);

/* The same as thaw_list_folder, for one call; folders and links to folders are both in `folders`, sorted. */
thaw_status thaw_list_once(struct listing *l, const char *root, const char *relative);

#endif
