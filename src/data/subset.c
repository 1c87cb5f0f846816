/* A dataset of some samples of another one. */
#include <string.h>

#include "src/base/try.h"
#include "src/data/dataset.h"
#include "src/data/found.h"
#include "src/data/manifest.h"
#include "thaw/memory.h"

#define NAME_SIZE 4096 /* bytes of a sample's name */

struct subset {
	const struct thaw_dataset *parent;
	struct thaw_dataset owned; /* the parent, if it is closed with the subset; else zeroed */
	int64_t samples[];         /* [count], indices into parent */
};

static thaw_status read_sample(const struct thaw_dataset *d, int64_t i, struct thaw_encoded_image *encoded)
{
	const struct subset *s = d->context;
	return s->parent->read(s->parent, s->samples[i], encoded);
}

static thaw_status fingerprint_sample(const struct thaw_dataset *d, int64_t i, bool whole, struct thaw_fingerprint *f)
{
	const struct subset *s = d->context;
	*f = thaw_dataset_fingerprint(s->parent, s->samples[i], whole);
	return THAW_OK;
}

static void name_sample(const struct thaw_dataset *d, int64_t i, char *text, size_t size)
{
	const struct subset *s = d->context;
	s->parent->name(s->parent, s->samples[i], text, size);
}

static thaw_status read_file(const struct thaw_dataset *d, int64_t i, void **bytes, size_t *size)
{
	const struct subset *s = d->context;
	return s->parent->read_file(s->parent, s->samples[i], bytes, size);
}

static uint64_t name_digest(const struct thaw_dataset *d, int64_t i)
{
	const struct subset *s = d->context;
	return s->parent->name_digest(s->parent, s->samples[i]);
}

/* The files of an owned parent. */
static int64_t count_files(const struct thaw_dataset *d)
{
	const struct subset *s = d->context;
	return s->owned.parts->count(&s->owned);
}

static int64_t file_of_sample(const struct thaw_dataset *d, int64_t i)
{
	const struct subset *s = d->context;
	return s->owned.parts->of_sample(&s->owned, s->samples[i]);
}

static const char *file_path(const struct thaw_dataset *d, int64_t file)
{
	const struct subset *s = d->context;
	return s->owned.parts->path(&s->owned, file);
}

static thaw_status replace_file(struct thaw_dataset *d, int64_t file, const char *path)
{
	struct subset *s = d->context;
	return s->owned.parts->replace(&s->owned, file, path);
}

static const struct thaw_dataset_parts parts_of_owned = {count_files, file_of_sample, file_path, replace_file};

static void close_subset(struct thaw_dataset *d)
{
	struct subset *s = d->context;
	if (s)
		thaw_dataset_close(&s->owned);
	thaw_free(s);
}

static thaw_status copy_classes(struct thaw_dataset *d, const struct thaw_dataset *from)
{
	d->class_names = thaw_alloc((size_t)from->classes, sizeof(*d->class_names));
	if (!d->class_names)
		return THAW_RESOURCE;
	d->classes = from->classes;
	for (int c = 0; c < from->classes; c++)
		if (!(d->class_names[c] = thaw_strdup(from->class_names[c])))
			return THAW_RESOURCE;
	return THAW_OK;
}

/* *to: values[samples[i]][width] of the samples; NULL if values is. */
static thaw_status copy_values(float **to, const float *values, size_t width, const int64_t *samples, int64_t count)
{
	if (!values)
		return THAW_OK;
	*to = thaw_alloc((size_t)count * width, sizeof(**to));
	if (!*to)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++)
		memcpy(*to + (size_t)i * width, values + (size_t)samples[i] * width, width * sizeof(**to));
	return THAW_OK;
}

static thaw_status copy_groups(struct thaw_dataset *d, const uint64_t *groups, const int64_t *samples)
{
	if (!groups)
		return THAW_OK;
	if (!(d->groups = thaw_alloc((size_t)d->count, sizeof(*groups))))
		return THAW_RESOURCE;
	for (int64_t i = 0; i < d->count; i++)
		d->groups[i] = groups[samples[i]];
	return THAW_OK;
}

thaw_status thaw_dataset_subset(struct thaw_dataset *d, const struct thaw_dataset *parent, const int64_t *samples,
				int64_t count)
{
	struct thaw_dataset part = {.task = parent->task,
				    .read = read_sample,
				    .fingerprint = fingerprint_sample,
				    .name = name_sample,
				    .read_file = parent->read_file ? read_file : NULL,
				    .name_digest = parent->name_digest ? name_digest : NULL,
				    .close = close_subset};
	struct subset *s = thaw_alloc(1, sizeof(*s) + (size_t)count * sizeof(*s->samples));
	part.context = s;
	thaw_status status = s ? copy_classes(&part, parent) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_dataset_set_labels(&part, parent->labels, samples, count);
	if (status == THAW_OK)
		status = copy_values(&part.targets, parent->targets, (size_t)parent->classes, samples, count);
	if (status == THAW_OK)
		status = copy_values(&part.weights, parent->weights, 1, samples, count);
	if (status == THAW_OK)
		status = copy_groups(&part, parent->groups, samples);
	if (status != THAW_OK) {
		thaw_dataset_close(&part);
		return status;
	}
	s->parent = parent;
	for (int64_t i = 0; i < count; i++)
		s->samples[i] = samples[i];
	*d = part;
	return THAW_OK;
}

thaw_status thaw_dataset_reduce(struct thaw_dataset *d, const int64_t *samples, int64_t count)
{
	bool manifest;
	struct thaw_dataset part;
	THAW_TRY(thaw_manifest_reduce(&manifest, d, samples, count));
	if (manifest)
		return THAW_OK;
	THAW_TRY(thaw_dataset_subset(&part, d, samples, count));
	struct subset *s = part.context;
	part.found = d->found;
	d->found = NULL;
	s->owned = *d;
	s->parent = &s->owned;
	if (d->parts)
		part.parts = &parts_of_owned;
	*d = part;
	return THAW_OK;
}

thaw_status thaw_dataset_remove(struct thaw_dataset *d, struct thaw_exclude *exclude)
{
	char name[NAME_SIZE];
	int64_t kept = 0, *samples = thaw_alloc((size_t)d->count, sizeof(*samples));
	if (!samples)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < d->count; i++) {
		d->name(d, i, name, sizeof(name));
		if (!thaw_exclude_has(exclude, name))
			samples[kept++] = i;
	}
	thaw_status status = THAW_OK;
	if (kept == 0)
		status =
			thaw_fail(THAW_DATA, "every image is excluded: --exclude %s: leave some images", exclude->path);
	else if (kept < d->count)
		status = thaw_found_note(d->found, thaw_format("%lld images are left out, as %s says",
							       (long long)(d->count - kept), exclude->path));
	if (status == THAW_OK && kept < d->count)
		status = thaw_dataset_reduce(d, samples, kept);
	thaw_free(samples);
	return status;
}
