/* The file that a path to be written leads to. */
#ifndef THAW_SRC_BASE_TARGET_H
#define THAW_SRC_BASE_TARGET_H

#include "thaw/error.h"

/* Follows links: *target is the path of a regular file, or of a name that does not exist yet; memory from thaw_alloc.
 * To rename a temporary file to `path` itself would replace the link, or a device. THAW_IO for a device, a pipe, a
 * socket and a folder, named in the message. */
thaw_status thaw_path_target(char **target, const char *path);

#endif
