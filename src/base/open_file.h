/* Opens files to read them. Internal to thaw. */
#ifndef THAW_SRC_BASE_OPEN_FILE_H
#define THAW_SRC_BASE_OPEN_FILE_H

#include <sys/stat.h>

#include "thaw/error.h"

/* "a pipe", "a device", "a folder" or "a socket": what a path leads to instead of a regular file. */
const char *thaw_file_kind(mode_t mode);

/* Opens a regular file, without waiting: the caller closes *fd. *st receives its properties. Also accepted are pipes
 * below /dev and /proc, such as /dev/stdin and those of <(...): they have a writer. Returns THAW_DATA for any other
 * pipe, a device or a socket; THAW_IO for a folder and for a path that cannot be opened. */
thaw_status thaw_open_file(int *fd, struct stat *st, const char *path);

#endif
