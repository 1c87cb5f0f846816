#include "src/advise/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

static thaw_status check_labels(const struct thaw_feature_table *t)
{
	bool several = false;
	for (int64_t i = 0; i < t->count; i++) {
		if (t->labels[i] < 0 || t->labels[i] >= t->classes)
			return thaw_fail(THAW_CONFIG, "image %" PRId64 " is of class %d of %d: check the labels", i,
					 (int)t->labels[i], t->classes);
		several |= t->labels[i] != t->labels[0];
	}
	if (!several)
		return thaw_fail(THAW_CONFIG, "all images are of one class: a score needs two or more");
	return THAW_OK;
}

thaw_status thaw_feature_table_check(const struct thaw_feature_table *t)
{
	if (t->count < 1 || t->width < 1)
		return thaw_fail(THAW_CONFIG, "%" PRId64 " images with %" PRId64 " features each: nothing to score",
				 t->count, t->width);
	THAW_TRY(check_labels(t));
	for (int64_t i = 0; i < t->count; i++)
		for (int64_t j = 0; j < t->width; j++)
			if (!isfinite(t->features[i * t->width + j]))
				return thaw_fail(THAW_DATA,
						 "feature %" PRId64 " of image %" PRId64
						 " is not a finite number: check the network's weights",
						 j, i);
	return THAW_OK;
}

void thaw_feature_table_images(const struct thaw_feature_table *t, int64_t *images)
{
	for (int c = 0; c < t->classes; c++)
		images[c] = 0;
	for (int64_t i = 0; i < t->count; i++)
		images[t->labels[i]]++;
}
