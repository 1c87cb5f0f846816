/* Datasets whose images and labels are listed in a CSV file. Internal to src/data. */
#ifndef THAW_SRC_DATA_MANIFEST_H
#define THAW_SRC_DATA_MANIFEST_H

#include "src/data/dataset.h"

/* Whether the dataset has a manifest: it is named, or `path` is a file called .csv or .tsv. path may be NULL. */
bool thaw_manifest_given(const char *path, const struct thaw_manifest_options *options);

/* As `open` of struct dataset_format. found->held_out: all rows are of one split, and the caller divides them. */
thaw_status thaw_manifest_open(struct thaw_dataset *d, const char *path, enum thaw_split split,
			       const struct thaw_dataset_options *options);

/* thaw_dataset_reduce of a dataset that thaw_manifest_open opened (*is), without the memory of what is not kept; of
 * others nothing is done. samples: ascending. */
thaw_status thaw_manifest_reduce(bool *is, struct thaw_dataset *d, const int64_t *samples, int64_t count);

#endif
