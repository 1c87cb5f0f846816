/* Paths of files. */
#ifndef THAW_SRC_BASE_PATH_H
#define THAW_SRC_BASE_PATH_H

#include <stdbool.h>

/* "folder/file" in memory from thaw_alloc; NULL when memory runs out. */
char *thaw_path_join(const char *folder, const char *file);

/* The real path of folder/file, without links, in memory from thaw_alloc; NULL if there is none. */
char *thaw_path_real(const char *folder, const char *file);

/* Whether `path` is the folder or below it. Both are real paths. */
bool thaw_path_is_inside(const char *path, const char *folder);

/* Whether the path is a regular file or a link to one. */
bool thaw_path_is_file(const char *path);

#endif
