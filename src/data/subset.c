/* A dataset of some samples of another one. */
#include <string.h>

#include "src/base/try.h"
#include "src/data/dataset.h"
#include "src/data/manifest.h"
#include "thaw/memory.h"

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
	*d = part;
	return THAW_OK;
}
