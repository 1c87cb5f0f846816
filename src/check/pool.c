#include "src/check/pool.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/error.h"
#include "thaw/found.h"
#include "thaw/memory.h"

/* Test images are the last part. */
static thaw_status open_parts(struct thaw_dataset d[THAW_POOL_SPLITS], const char *path,
			      const struct thaw_dataset_options *options)
{
	thaw_status status = thaw_dataset_open_splits(d, path, options);
	if (status == THAW_OK && d[1].found && d[1].found->split == THAW_SPLIT_TEST) {
		d[2] = d[1];
		d[1] = (struct thaw_dataset){0};
	}
	return status;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of the classes of all parts, sorted, each once. */
static thaw_status merge_classes(struct thaw_pool *p)
{
	size_t most = 0, count = 0;
	for (int s = 0; s < THAW_POOL_SPLITS; s++)
		most += (size_t)p->part[s].classes;
	char **names = thaw_alloc(most, sizeof(*names));
	p->all.class_names = thaw_alloc(most, sizeof(*names));
	if (!names || !p->all.class_names) {
		thaw_free(names);
		return THAW_RESOURCE;
	}
	for (int s = 0; s < THAW_POOL_SPLITS; s++)
		for (int c = 0; c < p->part[s].classes; c++)
			names[count++] = p->part[s].class_names[c];
	qsort(names, count, sizeof(*names), compare_names);
	thaw_status status = THAW_OK;
	for (size_t i = 0; i < count && status == THAW_OK; i++) {
		if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
			continue;
		char *copy = thaw_strdup(names[i]);
		if (copy)
			p->all.class_names[p->all.classes++] = copy;
		else
			status = THAW_RESOURCE;
	}
	thaw_free(names);
	return status;
}

static int find_class(const struct thaw_dataset *all, const char *name)
{
	char **at = bsearch(&name, all->class_names, (size_t)all->classes, sizeof(*all->class_names), compare_names);
	return at ? (int)(at - all->class_names) : 0;
}

static thaw_status copy_labels(struct thaw_pool *p)
{
	p->all.labels = thaw_alloc((size_t)p->all.count, sizeof(*p->all.labels));
	if (!p->all.labels)
		return THAW_RESOURCE;
	for (int s = 0; s < THAW_POOL_SPLITS; s++) {
		const struct thaw_dataset *d = &p->part[s];
		int *number = thaw_alloc((size_t)d->classes, sizeof(*number));
		if (!number)
			return THAW_RESOURCE;
		for (int c = 0; c < d->classes; c++)
			number[c] = find_class(&p->all, d->class_names[c]);
		for (int64_t i = 0; i < d->count; i++)
			p->all.labels[p->first[s] + i] = number[d->labels[i]];
		thaw_free(number);
	}
	return THAW_OK;
}

int thaw_pool_part(const struct thaw_pool *pool, int64_t image)
{
	int s = 0;
	while (image >= pool->first[s + 1])
		s++;
	return s;
}

/* The dataset that image `image` of all of them is in, and its position there. */
static const struct thaw_dataset *locate(const struct thaw_dataset *all, int64_t image, int64_t *position)
{
	const struct thaw_pool *p = all->context;
	int s = thaw_pool_part(p, image);
	*position = image - p->first[s];
	return &p->part[s];
}

static thaw_status read_sample(const struct thaw_dataset *all, int64_t i, struct thaw_encoded_image *encoded)
{
	const struct thaw_dataset *d = locate(all, i, &i);
	return d->read(d, i, encoded);
}

static thaw_status fingerprint_sample(const struct thaw_dataset *all, int64_t i, bool whole, struct thaw_fingerprint *f)
{
	const struct thaw_dataset *d = locate(all, i, &i);
	*f = thaw_dataset_fingerprint(d, i, whole);
	return THAW_OK;
}

static void name_sample(const struct thaw_dataset *all, int64_t i, char *text, size_t size)
{
	const struct thaw_dataset *d = locate(all, i, &i);
	d->name(d, i, text, size);
}

thaw_status thaw_pool_open(struct thaw_pool *p, const char *path, const struct thaw_dataset_options *options)
{
	const struct thaw_dataset *parts[THAW_POOL_SPLITS];
	const char *place = thaw_dataset_place(path, &options->manifest);
	*p = (struct thaw_pool){
		.all = {.read = read_sample, .fingerprint = fingerprint_sample, .name = name_sample, .context = p}};
	thaw_status status = open_parts(p->part, path, options);
	for (int s = 0; s < THAW_POOL_SPLITS; s++) {
		p->first[s + 1] = p->first[s] + p->part[s].count;
		parts[s] = &p->part[s];
		if (p->part[s].count > 0)
			p->all.task = p->part[s].task;
	}
	p->all.count = p->first[THAW_POOL_SPLITS];
	if (status == THAW_OK)
		status = merge_classes(p);
	if (status == THAW_OK)
		status = copy_labels(p);
	if (status == THAW_OK && !(p->found = thaw_found_json(place, parts, THAW_POOL_SPLITS)))
		status = thaw_fail(THAW_RESOURCE, "out of memory: the description of the data");
	if (status != THAW_OK)
		thaw_pool_close(p);
	return status;
}

void thaw_pool_close(struct thaw_pool *p)
{
	thaw_dataset_close(&p->all);
	for (int s = 0; s < THAW_POOL_SPLITS; s++)
		thaw_dataset_close(&p->part[s]);
	json_decref(p->found);
	p->found = NULL;
}

uint64_t thaw_pool_group(const struct thaw_pool *p, int64_t image)
{
	int part = thaw_pool_part(p, image);
	return p->part[part].groups ? p->part[part].groups[image - p->first[part]] : 0;
}
