/* What a network says about some labelled images, in numbers: the input of all scores. */
#ifndef THAW_SRC_ADVISE_TABLE_H
#define THAW_SRC_ADVISE_TABLE_H

#include <stdint.h>

#include "thaw/error.h"

/* Owned by whoever filled it; the scores only read it. */
struct thaw_feature_table {
	int64_t count, width;  /* images, features of each */
	const float *features; /* (count,width) */
	const int32_t *labels; /* [count], each 0 .. classes - 1 */
	int classes;           /* some of them may have no image */
};

/* Whether the table can tell classes apart at all: THAW_CONFIG where it is empty, a label is out of range or all images
 * are of one class; THAW_DATA where a feature is not a finite number. */
thaw_status thaw_feature_table_check(const struct thaw_feature_table *t);

/* Images of each class into images[classes]. The labels have been checked. */
void thaw_feature_table_images(const struct thaw_feature_table *t, int64_t *images);

#endif
