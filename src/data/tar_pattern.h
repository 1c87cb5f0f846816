/* Patterns of shard names as WebDataset has them. Internal to src/data. */
#ifndef THAW_SRC_DATA_TAR_PATTERN_H
#define THAW_SRC_DATA_TAR_PATTERN_H

#include "src/data/names.h"

/* Expands {000..127} and {a,b} in the last part of a path, as bash does. *root receives the folder, `files` the names
 * in it. THAW_IO if one of them is missing, THAW_USAGE if the pattern is not valid. */
thaw_status thaw_tar_expand(char **root, struct names *files, const char *path);

#endif
