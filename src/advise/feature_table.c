#include "src/advise/feature_table.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/memory.h"

static thaw_status check_labels(const struct thaw_feature_table *t)
{
	bool several = false;
	for (int64_t i = 0; i < t->count; i++) {
		if (t->labels[i] < 0 || t->labels[i] >= t->classes)
			return thaw_fail(THAW_CONFIG,
					 "label out of range: class %d of %d, image %" PRId64 ": check the labels",
					 (int)t->labels[i], t->classes, i);
		several |= t->labels[i] != t->labels[0];
	}
	if (!several)
		return thaw_fail(THAW_CONFIG, "all images are of one class: a score needs two or more");
	return THAW_OK;
}

thaw_status thaw_feature_table_check(const struct thaw_feature_table *t)
{
	if (t->count < 1 || t->width < 1)
		return thaw_fail(THAW_CONFIG, "nothing to score: %" PRId64 " images with %" PRId64 " features each",
				 t->count, t->width);
	THAW_TRY(check_labels(t));
	for (int64_t i = 0; i < t->count; i++)
		for (int64_t j = 0; j < t->width; j++)
			if (!isfinite(t->features[i * t->width + j]))
				return thaw_fail(THAW_DATA,
						 "a feature is not finite: feature %" PRId64 " of image %" PRId64
						 ": check the network's weights",
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

thaw_status thaw_feature_rows_copy(struct thaw_feature_rows *rows, const struct thaw_feature_table *t,
				   const int64_t *row, int64_t count)
{
	size_t width = (size_t)t->width;
	float *features = thaw_alloc((size_t)count * width, sizeof(*features));
	int32_t *labels = thaw_alloc((size_t)count, sizeof(*labels));
	if (!features || !labels) {
		thaw_free(features);
		thaw_free(labels);
		return THAW_RESOURCE;
	}
	for (int64_t i = 0; i < count; i++) {
		memcpy(features + (size_t)i * width, t->features + (size_t)row[i] * width, width * sizeof(*features));
		labels[i] = t->labels[row[i]];
	}
	rows->table = (struct thaw_feature_table){count, t->width, features, labels, t->classes};
	rows->features = features;
	rows->labels = labels;
	return THAW_OK;
}

void thaw_feature_rows_release(struct thaw_feature_rows *rows)
{
	thaw_free(rows->features);
	thaw_free(rows->labels);
	*rows = (struct thaw_feature_rows){0};
}
