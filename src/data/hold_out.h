/* Which of the listed images belong to a split. Internal to src/data. */
#ifndef THAW_SRC_DATA_HOLD_OUT_H
#define THAW_SRC_DATA_HOLD_OUT_H

#include "src/data/dataset.h"
#include "src/data/names.h"

/* THAW_CONFIG unless options->test_share is a fraction below 1. */
thaw_status thaw_hold_out_check(const struct thaw_dataset_options *options);

/* Sets held[count], zeroed, for the fraction test_share of each class of d, which has its class names; at least one
 * image of it and not all of them. */
thaw_status thaw_hold_out_choose(bool *held, const struct thaw_dataset *d, const int32_t *labels, int64_t count,
				 const struct thaw_dataset_options *options);

/* Splits at random: the fraction test_share of each class, but at least one image and not all of them, is held out.
 * Keeps the files and labels of that part (`part` true) or of the other. d has its class names. */
thaw_status thaw_hold_out(struct names *files, int32_t *labels, const struct thaw_dataset *d, bool part,
			  const struct thaw_dataset_options *options);

/* Applies options->limit_per_class. */
thaw_status thaw_apply_limit(struct names *files, int32_t *labels, const struct thaw_dataset *d,
			     const struct thaw_dataset_options *options);

#endif
