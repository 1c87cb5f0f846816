/* Divides a dataset into parts with equal shares of each class. Internal to src/data. */
#ifndef THAW_SRC_DATA_STRATIFY_H
#define THAW_SRC_DATA_STRATIFY_H

#include "src/data/dataset.h"

/* Sets part[i], 0 .. parts - 1, for each of d->count samples. share[parts]: their shares of the dataset, above 0, with
 * the sum 1. Samples of a group come into one part. The shares of each class in each part are as near to `share` as the
 * groups allow: without groups they differ by one sample at most. Classes are the labels of CLASS and GRADE, each of
 * the labels of LABELS, and tenths of the first quantity of VALUE. The result depends on the samples' order, labels and
 * groups, and the seed. */
thaw_status thaw_stratify(int32_t *part, const struct thaw_dataset *d, const double *share, int parts, uint64_t seed);

#endif
