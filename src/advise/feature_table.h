/* Features of labelled images: the input of probes and scores. */
#ifndef THAW_SRC_ADVISE_FEATURE_TABLE_H
#define THAW_SRC_ADVISE_FEATURE_TABLE_H

#include <stdint.h>

#include "thaw/error.h"

/* A view: does not own its arrays. */
struct thaw_feature_table {
	int64_t count, width;  /* images, features per image */
	const float *features; /* (count,width) */
	const int32_t *labels; /* [count], each 0 .. classes - 1 */
	int classes;           /* some may have no images */
};

/* Checks that the table can be scored: THAW_CONFIG if it is empty, a label is out of range or all images are of one
 * class; THAW_DATA if a feature is not finite. */
thaw_status thaw_feature_table_check(const struct thaw_feature_table *t);

/* Counts the images of each class into images[classes]. Labels must be in range. */
void thaw_feature_table_images(const struct thaw_feature_table *t, int64_t *images);

/* A copy of some rows of a table; owns features and labels. */
struct thaw_feature_rows {
	struct thaw_feature_table table; /* a view of the two arrays */
	float *features;
	int32_t *labels;
};

/* Copies the rows row[count] of the table. */
thaw_status thaw_feature_rows_copy(struct thaw_feature_rows *rows, const struct thaw_feature_table *t,
				   const int64_t *row, int64_t count);
void thaw_feature_rows_release(struct thaw_feature_rows *rows); /* zeroed is fine */

#endif
