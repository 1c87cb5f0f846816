/* The training images that a format gives are opened as a whole, divided, and one part becomes the dataset. */
#include "src/data/parts.h"

#include <string.h>

#include "src/base/try.h"
#include "src/data/found.h"
#include "src/data/groups.h"
#include "src/data/hold_out.h"
#include "src/data/manifest.h"
#include "src/data/stratify.h"
#include "thaw/memory.h"

#define MAX_FOLDS 1000

thaw_status thaw_parts_asked(bool *asked, const char *path, const struct thaw_dataset_options *options)
{
	const struct thaw_parts_options *p = &options->parts;
	if (p->folds == 0 && p->fold != 0)
		return thaw_fail(THAW_USAGE, "a fold of none: --fold %d: give their number too, as in --folds 5",
				 p->fold);
	if (p->folds != 0 && (p->folds < 2 || p->folds > MAX_FOLDS))
		return thaw_fail(THAW_USAGE, "number of folds out of range: --folds %d: give 2 to %d", p->folds,
				 MAX_FOLDS);
	if (p->folds != 0 && (p->fold < 1 || p->fold > p->folds))
		return thaw_fail(THAW_USAGE, "no such fold: --fold %d: folds are numbered from 1 to %d", p->fold,
				 p->folds);
	*asked = p->folds > 0 || p->group_by || thaw_manifest_given(path, &options->manifest);
	return THAW_OK;
}

/* Sets held[count]: the images that are held out. */
static thaw_status choose_held(bool *held, const struct thaw_dataset *d, const struct thaw_dataset_options *options)
{
	const struct thaw_parts_options *p = &options->parts;
	double share[MAX_FOLDS];
	bool labelled = d->task == THAW_TASK_CLASS || d->task == THAW_TASK_GRADE;
	if (p->folds == 0 && labelled && !d->groups)
		return thaw_hold_out_select(held, d->labels, d->count, d, options);
	if (p->folds == 0 && !(options->test_share >= 0 && options->test_share < 1))
		return thaw_fail(THAW_CONFIG,
				 "fraction of test images is %g: --test-share: give a value from 0 to below 1",
				 options->test_share);
	if (p->folds == 0 && options->test_share == 0)
		return THAW_OK;
	int32_t *part = thaw_alloc((size_t)d->count, sizeof(*part));
	if (!part)
		return THAW_RESOURCE;
	share[0] = 1 - options->test_share;
	share[1] = options->test_share;
	for (int i = 0; i < p->folds; i++)
		share[i] = 1.0 / p->folds;
	int parts = p->folds > 0 ? p->folds : 2, wanted = p->folds > 0 ? p->fold - 1 : 1;
	thaw_status status = thaw_stratify(part, d, share, parts, options->seed);
	for (int64_t i = 0; status == THAW_OK && i < d->count; i++)
		held[i] = part[i] == wanted;
	thaw_free(part);
	return status;
}

static thaw_status check_parts(const struct thaw_dataset *d, const bool *held, const char *path,
			       const struct thaw_dataset_options *options)
{
	int64_t count = 0;
	const char *place = thaw_dataset_place(path, &options->manifest);
	for (int64_t i = 0; i < d->count; i++)
		count += held[i];
	if (count > 0 && count < d->count)
		return THAW_OK;
	if (options->parts.folds > 0)
		return thaw_fail(THAW_CONFIG,
				 "%lld images in %lld groups cannot be divided into %d folds: %s: give "
				 "fewer --folds",
				 (long long)d->count, (long long)(d->groups ? d->found->groups : d->count),
				 options->parts.folds, place);
	if (d->groups && options->test_share > 0)
		return thaw_fail(THAW_CONFIG,
				 "%lld groups: %s: of one group none can be held out: check the column or "
				 "expression of groups",
				 (long long)d->found->groups, place);
	return THAW_OK;
}

/* Classes of which one of the parts has no image. */
static thaw_status note_lacking(const struct thaw_dataset *d, const bool *held)
{
	static const char *const consequence[] = {"training images, which cannot be learned",
						  "held-out images, which are not measured"};
	if (d->task != THAW_TASK_CLASS && d->task != THAW_TASK_GRADE)
		return THAW_OK;
	int64_t *size = thaw_alloc(2 * (size_t)d->classes, sizeof(*size));
	thaw_status status = size ? THAW_OK : THAW_RESOURCE;
	for (int64_t i = 0; size && i < d->count; i++)
		size[2 * d->labels[i] + held[i]]++;
	for (int part = 0; part < 2 && status == THAW_OK; part++) {
		int lacking = 0, first = 0;
		for (int c = d->classes - 1; c >= 0; c--)
			if (size[2 * c + part] == 0 && size[2 * c + !part] > 0) {
				lacking++;
				first = c;
			}
		if (lacking > 0)
			status = thaw_found_note(d->found, thaw_format("classes without %s: %d of %d (first: %s)",
								       consequence[part], lacking, d->classes,
								       d->class_names[first]));
	}
	thaw_free(size);
	return status;
}

/* "fold 2 of 5 (seed 1)", "20 % of each class, chosen at random (seed 1)" */
static thaw_status describe(struct thaw_found *found, const struct thaw_dataset *d, bool held,
			    const struct thaw_dataset_options *options)
{
	const struct thaw_parts_options *p = &options->parts;
	const unsigned long long seed = options->seed;
	const char *of = found->held_out ? "" : found->from, *word = found->held_out ? "" : " of ";
	double share = 100 * (held ? options->test_share : 1 - options->test_share);
	const char *what = d->groups                                                  ? "the images, in whole groups"
			   : d->task == THAW_TASK_CLASS || d->task == THAW_TASK_GRADE ? "each class"
										      : "the images";
	char *from = NULL;
	if (p->folds > 0 && held)
		from = thaw_format("fold %d of %d%s%s (seed %llu)", p->fold, p->folds, word, of, seed);
	else if (p->folds > 0)
		from = thaw_format("the folds other than %d of %d%s%s (seed %llu)", p->fold, p->folds, word, of, seed);
	else if (held)
		from = thaw_format("%g %% of %s, chosen at random (seed %llu)", share, what, seed);
	else
		from = thaw_format("%g %% of %s, the rest is held out", share, what);
	if (!from)
		return THAW_RESOURCE;
	thaw_free(found->from);
	found->from = from;
	found->held_out = true;
	return THAW_OK;
}

/* *samples[*count]: those where held[i] == value, at most limit_per_class of each class. */
static thaw_status list_samples(int64_t **samples, int64_t *count, int64_t *all, const struct thaw_dataset *d,
				const bool *held, bool value, const struct thaw_dataset_options *options)
{
	int64_t *limited = NULL;
	int64_t *listed = thaw_alloc((size_t)d->count, sizeof(*listed));
	int32_t *labels = thaw_alloc((size_t)d->count, sizeof(*labels));
	thaw_status status = listed && labels ? THAW_OK : THAW_RESOURCE;
	*all = 0;
	for (int64_t i = 0; status == THAW_OK && i < d->count; i++)
		if (held[i] == value) {
			labels[*all] = d->labels[i];
			listed[(*all)++] = i;
		}
	enum thaw_split split = value ? THAW_SPLIT_TEST : THAW_SPLIT_TRAIN;
	if (status == THAW_OK)
		status = thaw_limit_per_class(&limited, count, d, labels, *all, split, options);
	for (int64_t i = 0; status == THAW_OK && i < *count; i++)
		limited[i] = listed[limited[i]];
	thaw_free(listed);
	thaw_free(labels);
	if (status == THAW_OK)
		*samples = limited;
	return status;
}

/* A limit per class has no meaning where images have no class. */
static thaw_status check_limit(const struct thaw_dataset *d, enum thaw_split split,
			       const struct thaw_dataset_options *options)
{
	if (split != THAW_SPLIT_TRAIN || options->limit_per_class == 0 || d->task == THAW_TASK_CLASS ||
	    d->task == THAW_TASK_GRADE)
		return THAW_OK;
	return thaw_fail(THAW_USAGE, "images are not of one class each: --per-class %lld: omit it: the task is \"%s\"",
			 (long long)options->limit_per_class, thaw_task_name(d->task));
}

/* Replaces *d by those of its samples where held[i] == value. */
static thaw_status keep_part(struct thaw_dataset *d, const bool *held, bool value,
			     const struct thaw_dataset_options *options)
{
	int64_t *samples, count, all;
	THAW_TRY(list_samples(&samples, &count, &all, d, held, value, options));
	thaw_status status = count < d->count ? thaw_dataset_reduce(d, samples, count) : THAW_OK;
	thaw_free(samples);
	THAW_TRY(status);
	d->found->images = all;
	return thaw_groups_count(d);
}

/* Divides the training images of a dataset. */
static thaw_status divide(struct thaw_dataset *d, const char *path, enum thaw_split split,
			  const struct thaw_dataset_options *options)
{
	bool held_part = split != THAW_SPLIT_TRAIN;
	bool *held = thaw_alloc((size_t)d->count, sizeof(*held));
	thaw_status status = held ? choose_held(held, d, options) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = check_parts(d, held, path, options);
	if (status == THAW_OK)
		status = note_lacking(d, held);
	if (status == THAW_OK)
		status = describe(d->found, d, held_part, options);
	if (status == THAW_OK)
		status = keep_part(d, held, held_part, options);
	thaw_free(held);
	if (status == THAW_OK && d->count == 0)
		status = thaw_fail(THAW_DATA, "no samples in this split: %s: check --data and --test-share",
				   thaw_dataset_place(path, &options->manifest));
	if (held_part && status == THAW_OK)
		d->found->split = options->parts.folds > 0 ? THAW_SPLIT_VAL : THAW_SPLIT_TEST;
	return status;
}

/* A split that the dataset has. train: its training images, NULL if there are none. */
static thaw_status open_own(struct thaw_dataset *d, const struct thaw_dataset *train, const char *path,
			    enum thaw_split split, const struct thaw_dataset_options *options)
{
	THAW_TRY(thaw_dataset_open_given(d, path, split, options));
	THAW_TRY(thaw_groups_find(d, options));
	return train ? thaw_groups_compare(d, train) : THAW_OK;
}

/* Whether the dataset has test images of its own, apart from what folds divide. */
static bool has_own_split(const char *path, enum thaw_split split, const struct thaw_dataset_options *options)
{
	struct thaw_dataset d = {0};
	struct thaw_dataset_options own = *options;
	own.listed = NULL;
	bool has = thaw_dataset_open_given(&d, path, split, &own) == THAW_OK && !d.found->held_out &&
		   d.found->split == split;
	thaw_dataset_close(&d);
	return has;
}

static thaw_status note_unused(struct thaw_dataset *d, const char *path, enum thaw_split split,
			       const struct thaw_dataset_options *options)
{
	if (options->parts.folds == 0 || split == THAW_SPLIT_TRAIN || d->found->held_out ||
	    !has_own_split(path, THAW_SPLIT_VAL, options))
		return THAW_OK;
	return thaw_found_note(d->found, thaw_strdup("the validation images of the dataset are not used: a fold of the "
						     "training images takes their place"));
}

static thaw_status limit_own(struct thaw_dataset *d, const struct thaw_dataset_options *options)
{
	bool *held = thaw_alloc((size_t)d->count, sizeof(*held));
	thaw_status status = held ? keep_part(d, held, false, options) : THAW_RESOURCE;
	thaw_free(held);
	return status;
}

/* Of a dataset with training images, *pool, which becomes the result or is closed by the caller. */
static thaw_status open_part(struct thaw_dataset *d, struct thaw_dataset *pool, const char *path, enum thaw_split split,
			     const struct thaw_dataset_options *options)
{
	struct thaw_dataset_options whole = *options;
	const bool folds = options->parts.folds > 0, train = split == THAW_SPLIT_TRAIN;
	whole.test_share = 0;
	whole.limit_per_class = 0;
	THAW_TRY(check_limit(pool, split, options));
	THAW_TRY(thaw_groups_find(pool, options));
	bool own = !train &&
		   (folds ? split == THAW_SPLIT_TEST && has_own_split(path, split, &whole) : !pool->found->held_out);
	if (own)
		return open_own(d, pool, path, split, &whole);
	THAW_TRY(note_unused(pool, path, split, &whole));
	bool divided = folds || pool->found->held_out;
	THAW_TRY(divided ? divide(pool, path, split, options) : limit_own(pool, options));
	*d = *pool;
	*pool = (struct thaw_dataset){0};
	return THAW_OK;
}

thaw_status thaw_parts_open(struct thaw_dataset *d, const char *path, enum thaw_split split,
			    const struct thaw_dataset_options *options)
{
	struct thaw_dataset opened = {0}, pool = {0};
	struct thaw_dataset_options whole = *options;
	whole.test_share = 0;
	whole.limit_per_class = 0;
	thaw_status status =
		split == THAW_SPLIT_ALL ? THAW_IO : thaw_dataset_open_given(&pool, path, THAW_SPLIT_TRAIN, &whole);
	if (status == THAW_OK)
		status = open_part(&opened, &pool, path, split, options);
	else if (split != THAW_SPLIT_TRAIN) /* no training images: test images alone can be measured */
		status = open_own(&opened, NULL, path, split, &whole);
	thaw_dataset_close(&pool);
	if (status == THAW_OK)
		*d = opened;
	else
		thaw_dataset_close(&opened);
	return status;
}
