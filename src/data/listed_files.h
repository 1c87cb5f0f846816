/* Datasets whose images are files that a list names, with their classes. Internal to src/data. */
#ifndef THAW_SRC_DATA_LISTED_FILES_H
#define THAW_SRC_DATA_LISTED_FILES_H

#include "src/data/dataset.h"
#include "src/data/names.h"
#include "src/data/packed_names.h"

/* Makes *d a dataset of image files below the folder `path`, without classes and samples, which the format adds. On
 * failure the caller closes *d. */
thaw_status thaw_listed_files_open(struct thaw_dataset *d, const char *path, enum thaw_split split);

/* Adds the samples, when d has its class names: files, relative to the folder, and labels[files->count]. Takes the
 * files, leaving an empty list. from: where they are listed, for the user. A file that is missing is noticed when it is
 * read. */
thaw_status thaw_listed_files_take(struct thaw_dataset *d, struct names *files, const int32_t *labels, const char *from,
				   const struct thaw_dataset_options *options);

/* The same for many files. */
thaw_status thaw_listed_files_take_packed(struct thaw_dataset *d, struct packed_names *files, const int32_t *labels,
					  const char *from, const struct thaw_dataset_options *options);

/* Takes the names as those of the classes, leaving an empty list. */
thaw_status thaw_listed_files_classes(struct thaw_dataset *d, struct names *classes);

#endif
