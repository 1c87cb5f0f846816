/* Which samples of a dataset are used: stratified random selection, and the limit per class. */
#include "src/data/dataset.h"

#include <string.h>

#include "thaw/digest.h"
#include "thaw/memory.h"
#include "thaw/random.h"

thaw_status thaw_select_per_class(bool *selected, const struct thaw_dataset *d, const int32_t *labels, int64_t count,
				  uint64_t seed, enum select_purpose purpose, const int64_t *quota)
{
	int classes = d->classes;
	/* Counting sort by class: the samples of class c are order[start[c]] .. order[start[c + 1] - 1]. */
	int64_t *start = thaw_alloc((size_t)classes + 2, sizeof(int64_t));
	int64_t *order = thaw_alloc((size_t)count, sizeof(int64_t));
	if (!start || !order) {
		thaw_free(start);
		thaw_free(order);
		return THAW_RESOURCE;
	}
	for (int64_t i = 0; i < count; i++)
		start[labels[i] + 2]++;
	for (int c = 0; c < classes; c++)
		start[c + 2] += start[c + 1];
	for (int64_t i = 0; i < count; i++)
		order[start[labels[i] + 1]++] = i;

	for (int c = 0; c < classes; c++) {
		uint64_t key = thaw_digest(d->class_names[c], strlen(d->class_names[c]), 0);
		struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_SPLIT, purpose, key);
		int64_t size = start[c + 1] - start[c];
		thaw_random_shuffle(&random, order + start[c], size);
		for (int64_t i = 0; i < size && i < quota[c]; i++)
			selected[order[start[c] + i]] = true;
	}
	thaw_free(start);
	thaw_free(order);
	return THAW_OK;
}

thaw_status thaw_limit_per_class(int64_t **selected, int64_t *selected_count, const struct thaw_dataset *d,
				 const int32_t *labels, int64_t count, enum thaw_split split,
				 const struct thaw_dataset_options *options)
{
	bool limited = split == THAW_SPLIT_TRAIN && options->limit_per_class > 0;
	bool *chosen = thaw_alloc((size_t)count, sizeof(bool));
	int64_t *quota = thaw_alloc((size_t)d->classes, sizeof(int64_t));
	int64_t *indices = thaw_alloc((size_t)count, sizeof(int64_t));
	int64_t n = 0;
	thaw_status status = chosen && quota && indices ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && limited) {
		for (int c = 0; c < d->classes; c++)
			quota[c] = options->limit_per_class;
		status = thaw_select_per_class(chosen, d, labels, count, options->seed, SELECT_LIMIT, quota);
	}
	thaw_free(quota);
	if (status != THAW_OK) {
		thaw_free(chosen);
		thaw_free(indices);
		return status;
	}
	for (int64_t i = 0; i < count; i++)
		if (!limited || chosen[i])
			indices[n++] = i;
	thaw_free(chosen);
	*selected = indices;
	*selected_count = n;
	return THAW_OK;
}

thaw_status thaw_dataset_set_labels(struct thaw_dataset *d, const int32_t *labels, const int64_t *selected,
				    int64_t selected_count)
{
	d->labels = thaw_alloc((size_t)selected_count, sizeof(int32_t));
	if (!d->labels)
		return THAW_RESOURCE;
	d->count = selected_count;
	for (int64_t i = 0; i < selected_count; i++)
		d->labels[i] = labels[selected[i]];
	return THAW_OK;
}
