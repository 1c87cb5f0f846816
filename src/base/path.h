/* Paths of files. */
#ifndef THAW_SRC_BASE_PATH_H
#define THAW_SRC_BASE_PATH_H

#include <stdbool.h>

/* "folder/file" in memory from thaw_alloc; NULL when memory runs out. */
char *thaw_path_join(const char *folder, const char *file);

/* Whether the path is a regular file or a link to one. */
bool thaw_path_is_file(const char *path);

#endif
