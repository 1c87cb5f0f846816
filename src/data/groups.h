/* Groups of samples, such as the images of one patient. Internal to src/data. */
#ifndef THAW_SRC_DATA_GROUPS_H
#define THAW_SRC_DATA_GROUPS_H

#include "src/data/dataset.h"

/* Digest of a group's name; 0 for an empty one. */
uint64_t thaw_group_digest(const char *name, size_t length);

/* Replaces d->groups by those that options->parts.group_by finds in the samples' names, if it is set, and counts the
 * groups in d->found. THAW_USAGE if the expression is wrong or matches no name. */
thaw_status thaw_groups_find(struct thaw_dataset *d, const struct thaw_dataset_options *options);

/* Sets d->found->groups. */
thaw_status thaw_groups_count(struct thaw_dataset *d);

/* Adds a note to d->found about groups that both datasets have. train: training images of the same dataset. */
thaw_status thaw_groups_compare(struct thaw_dataset *d, const struct thaw_dataset *train);

#endif
