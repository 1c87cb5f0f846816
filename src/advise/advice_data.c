/* The images that thaw_advise measures: a sample without classes of one image. */
#include <stdio.h>
#include <stdlib.h>

#include "src/advise/advice.h"
#include "src/advise/sampling.h"
#include "src/base/try.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define MIN_PER_CLASS 2 /* images of a class that can be measured */

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Sorts size[classes]. */
static void describe_sizes(struct advice *a, int64_t *size, int classes)
{
	qsort(size, (size_t)classes, sizeof(*size), ascending);
	a->least = size[0];
	a->median = size[classes / 2];
	a->most = size[classes - 1];
}

static thaw_status count_classes(struct advice *a, const struct thaw_dataset *all)
{
	int64_t *size = thaw_alloc((size_t)all->classes, sizeof(*size));
	if (!size)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < all->count; i++)
		size[all->labels[i]]++;
	for (int c = 0; c < all->classes; c++) {
		if (size[c] >= MIN_PER_CLASS)
			continue;
		if (a->single_image_classes++ == 0)
			snprintf(a->single_image_name, sizeof(a->single_image_name), "%s", all->class_names[c]);
	}
	a->images = all->count;
	a->data_digest = thaw_dataset_digest(all);
	describe_sizes(a, size, all->classes);
	thaw_free(size);
	return THAW_OK;
}

/* Drops classes with one image, of which nothing can be held out. If that leaves fewer than two classes, keeps all, for
 * the similarity. */
static thaw_status drop_single_image_classes(struct advice *a)
{
	const struct thaw_dataset *d = &a->limited;
	int64_t *size = thaw_alloc((size_t)d->classes, sizeof(*size)), kept = 0;
	int64_t *row = thaw_alloc((size_t)d->count, sizeof(*row));
	thaw_status status = size && row ? THAW_OK : THAW_RESOURCE;
	for (int64_t i = 0; i < d->count && status == THAW_OK; i++)
		size[d->labels[i]]++;
	for (int c = 0; c < d->classes && status == THAW_OK; c++)
		a->measured_classes += size[c] >= MIN_PER_CLASS;
	for (int64_t i = 0; i < d->count && status == THAW_OK; i++)
		if (size[d->labels[i]] >= MIN_PER_CLASS || a->measured_classes < 2)
			row[kept++] = i;
	if (status == THAW_OK)
		status = thaw_dataset_subset(&a->dataset, d, row, kept);
	thaw_free(size);
	thaw_free(row);
	return status;
}

/* The images for evaluations are not read, only counted: evaluating them is part of the cost of a plan. */
static thaw_status describe(struct advice *a, const struct thaw_dataset *train,
			    const struct thaw_dataset_options *options)
{
	struct thaw_dataset val = {0}, test = {0};
	const struct thaw_dataset *parts[] = {train, &val, &test};
	if (thaw_dataset_open(&val, a->options->data, THAW_SPLIT_VAL, options) == THAW_OK)
		a->test_images = val.count;
	if (val.count > 0 && val.found->split == THAW_SPLIT_VAL &&
	    thaw_dataset_open(&test, a->options->data, THAW_SPLIT_TEST, options) == THAW_OK &&
	    test.found->split == THAW_SPLIT_VAL)
		thaw_dataset_close(&test); /* val/ again: there is no test/ */
	a->found = thaw_found_json(thaw_dataset_place(a->options->data, &a->options->manifest), parts, 3);
	thaw_dataset_close(&val);
	thaw_dataset_close(&test);
	return a->found ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: the description of the data");
}

/* Notes the names of the list that no split has. */
static thaw_status note_unknown(json_t *found, const struct thaw_exclude *exclude)
{
	const char *first;
	int64_t unknown = thaw_exclude_unknown(exclude, &first);
	if (unknown == 0)
		return THAW_OK;
	char *text = thaw_format("%lld of the %lld names in %s are not in the data (first: %.400s)", (long long)unknown,
				 (long long)exclude->count, exclude->path, first);
	int failed = !text || json_array_append_new(json_object_get(found, "notes"), thaw_report_string(text));
	thaw_free(text);
	return failed ? thaw_fail(THAW_RESOURCE, "out of memory: the description of the data") : THAW_OK;
}

thaw_status thaw_advice_open_data(struct advice *a)
{
	const struct thaw_advise_options *o = a->options;
	struct thaw_dataset_options options;
	struct thaw_exclude exclude;
	struct thaw_dataset all;
	if (!o->data && !o->manifest.file)
		return thaw_fail(THAW_USAGE, "no data: --data: name a folder of images");
	THAW_TRY(thaw_advise_data_options(&options, &exclude, o));
	thaw_status status = thaw_dataset_open(&all, o->data, THAW_SPLIT_TRAIN, &options);
	if (status == THAW_OK) {
		status = thaw_sample_check(&all, thaw_dataset_place(o->data, &o->manifest));
		if (status == THAW_OK)
			status = count_classes(a, &all);
		if (status == THAW_OK)
			status = describe(a, &all, &options);
		if (status == THAW_OK && options.exclude)
			status = note_unknown(a->found, &exclude);
		thaw_dataset_close(&all);
	}
	thaw_exclude_free(&exclude);
	THAW_TRY(status);
	THAW_TRY(thaw_sample_open(&a->limited, o));
	return drop_single_image_classes(a);
}

thaw_status thaw_advice_count_measured(struct advice *a)
{
	int64_t *size = thaw_alloc((size_t)a->dataset.classes, sizeof(*size));
	if (!size)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < a->activations.count; i++)
		size[a->activations.labels[i]]++;
	a->measured_classes = 0;
	for (int c = 0; c < a->dataset.classes; c++)
		a->measured_classes += size[c] >= MIN_PER_CLASS;
	thaw_free(size);
	return THAW_OK;
}
