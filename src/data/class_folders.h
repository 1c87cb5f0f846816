/* The class folders of a split. Internal to src/data. */
#ifndef THAW_SRC_DATA_CLASS_FOLDERS_H
#define THAW_SRC_DATA_CLASS_FOLDERS_H

#include "src/data/listing.h"

/* Appends the class folders in root/relative, sorted, as paths relative to `root`. Links to the dataset, to a folder
 * above it or to another class are left out. What is skipped is counted in `found`, unless it is NULL. THAW_DATA if
 * there are no class folders. */
thaw_status thaw_list_classes(struct names *classes, const char *root, const char *relative, struct thaw_found *found);

#endif
