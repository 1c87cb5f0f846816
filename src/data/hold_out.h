/* Which of the listed images belong to a split. Internal to src/data. */
#ifndef THAW_SRC_DATA_HOLD_OUT_H
#define THAW_SRC_DATA_HOLD_OUT_H

#include "src/data/dataset.h"
#include "src/data/names.h"

/* Which samples are held out: held[count] (zeroed) is set for the fraction test_share of each class, but at least one
 * image and not all of them. d has its class names. */
thaw_status thaw_hold_out_select(bool *held, const int32_t *labels, int64_t count, const struct thaw_dataset *d,
				 const struct thaw_dataset_options *options);

/* Keeps the files and labels of the part that is held out (`part` true) or of the other. */
thaw_status thaw_hold_out(struct names *files, int32_t *labels, const struct thaw_dataset *d, bool part,
			  const struct thaw_dataset_options *options);

/* Applies options->limit_per_class. */
thaw_status thaw_apply_limit(struct names *files, int32_t *labels, const struct thaw_dataset *d,
			     const struct thaw_dataset_options *options);

#endif
