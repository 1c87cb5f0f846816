/* Messages about a folder that is no dataset, with what was found and what was probably meant. Internal to src/data. */
#ifndef THAW_SRC_DATA_WRONG_FOLDER_H
#define THAW_SRC_DATA_WRONG_FOLDER_H

#include <stdint.h>

#include "thaw/error.h"

/* What the files in the folder seem to be and what to do: "it has Parquet files: ..."; NULL: unknown. */
const char *thaw_known_form(const char *folder);

/* The folder path/relative has no folders but this many images. */
thaw_status thaw_fail_no_classes(const char *path, const char *relative, int64_t images);

/* All images of the dataset are in one class folder, relative to `path`. */
thaw_status thaw_fail_one_class(const char *path, const char *class, int64_t images);

#endif
