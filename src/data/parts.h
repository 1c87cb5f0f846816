/* Splits that are made here: folds, and held-out images by groups or of a manifest. Internal to src/data. */
#ifndef THAW_SRC_DATA_PARTS_H
#define THAW_SRC_DATA_PARTS_H

#include "src/data/dataset.h"

/* Whether thaw_parts_open is needed: the formats themselves hold out a share of each class. THAW_USAGE if folds and
 * fold do not fit each other. */
thaw_status thaw_parts_asked(bool *asked, const char *path, const struct thaw_dataset_options *options);

/* thaw_dataset_open for such options. */
thaw_status thaw_parts_open(struct thaw_dataset *d, const char *path, enum thaw_split split,
			    const struct thaw_dataset_options *options);

#endif
