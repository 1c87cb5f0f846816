/* The Python version of CIFAR-10 and CIFAR-100: the images, labels and their order of the binary version (cifar.c), as
 * pickles. Pixels are read from the open files on demand. */
#include <stdio.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/cifar_batch.h"
#include "src/data/dataset.h"
#include "src/data/found.h"
#include "thaw/memory.h"

#define MAX_FILES 5

/* CIFAR-10 or CIFAR-100. */
struct variant {
	const char *files[2][MAX_FILES + 1]; /* by split, NULL-terminated */
	const char *names, *names_key, *labels_key;
};

static const struct variant variants[] = {
	{
		.files = {[THAW_SPLIT_TRAIN] = {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
						"data_batch_5"},
			  [THAW_SPLIT_TEST] = {"test_batch"}},
		.names = "batches.meta",
		.names_key = "label_names",
		.labels_key = "labels",
	},
	{
		.files = {[THAW_SPLIT_TRAIN] = {"train"}, [THAW_SPLIT_TEST] = {"test"}},
		.names = "meta",
		.names_key = "fine_label_names",
		.labels_key = "fine_labels",
	},
};

struct cifar {
	const struct variant *variant;
	enum thaw_split split;
	int files;
	struct cifar_batch batch[MAX_FILES];
	int64_t first[MAX_FILES + 1]; /* index of the first image of each file, then the total */
	int64_t *images;              /* [count] image of each sample */
};

static thaw_status has_file(bool *has, const char *folder, const char *name)
{
	char *path = thaw_path_join(folder, name);
	*has = path && thaw_path_is_file(path);
	thaw_free(path);
	return path ? THAW_OK : THAW_RESOURCE;
}

/* *variant: the one whose first file of training images is in the folder, or NULL. "train" alone may be anything. */
static thaw_status find_variant(const struct variant **variant, const char *folder)
{
	*variant = NULL;
	for (size_t v = 0; v < sizeof(variants) / sizeof(variants[0]) && !*variant; v++) {
		bool images, names;
		THAW_TRY(has_file(&images, folder, variants[v].files[THAW_SPLIT_TRAIN][0]));
		THAW_TRY(has_file(&names, folder, variants[v].names));
		if (images && (names || v == 0))
			*variant = &variants[v];
	}
	return THAW_OK;
}

static thaw_status recognises(bool *is, const char *folder)
{
	const struct variant *variant;
	THAW_TRY(find_variant(&variant, folder));
	*is = variant != NULL;
	return THAW_OK;
}

static void name_sample(const struct thaw_dataset *d, int64_t i, char *text, size_t size)
{
	const struct cifar *c = d->context;
	int64_t within;
	int f = thaw_cifar_file_of(c->first, c->images[i], &within);
	snprintf(text, size, "%s[%lld]", c->variant->files[c->split][f], (long long)within);
}

static thaw_status read_pixels(const struct thaw_dataset *d, int64_t i, uint8_t pixels[CIFAR_PIXELS])
{
	const struct cifar *c = d->context;
	char name[64];
	int64_t within;
	int f = thaw_cifar_file_of(c->first, c->images[i], &within);
	name_sample(d, i, name, sizeof(name));
	return thaw_cifar_batch_read(&c->batch[f], within, pixels, name);
}

static thaw_status fingerprint_sample(const struct thaw_dataset *d, int64_t i, bool whole, struct thaw_fingerprint *f)
{
	uint8_t pixels[CIFAR_PIXELS];
	(void)whole;
	THAW_TRY(read_pixels(d, i, pixels));
	*f = thaw_fingerprint_of(pixels, CIFAR_PIXELS, 0);
	return THAW_OK;
}

static thaw_status read_sample(const struct thaw_dataset *d, int64_t i, struct thaw_encoded_image *encoded)
{
	uint8_t planes[CIFAR_PIXELS];
	THAW_TRY(read_pixels(d, i, planes));
	THAW_TRY(thaw_cifar_image(encoded, planes));
	encoded->fingerprint = thaw_fingerprint_of(planes, CIFAR_PIXELS, 0);
	return THAW_OK;
}

static void close_cifar(struct thaw_dataset *d)
{
	struct cifar *c = d->context;
	for (int f = 0; f < c->files; f++)
		thaw_cifar_batch_close(&c->batch[f]);
	thaw_free(c->images);
	thaw_free(c);
}

static thaw_status read_names(struct thaw_dataset *d, const struct cifar *c, const char *folder)
{
	struct names names = {0};
	char *path = thaw_path_join(folder, c->variant->names);
	thaw_status status = path ? thaw_cifar_names_read(&names, path, c->variant->names_key) : THAW_RESOURCE;
	thaw_free(path);
	if (status == THAW_OK && !(d->class_names = thaw_alloc((size_t)names.count, sizeof(*d->class_names))))
		status = THAW_RESOURCE;
	for (int64_t i = 0; status == THAW_OK && i < names.count; i++) {
		d->class_names[d->classes++] = names.name[i];
		names.name[i] = NULL;
	}
	thaw_names_free(&names);
	return status;
}

static thaw_status open_files(struct cifar *c, const char *folder, int classes)
{
	for (const char *const *file = c->variant->files[c->split]; *file; file++) {
		char *path = thaw_path_join(folder, *file);
		if (!path)
			return THAW_RESOURCE;
		struct cifar_batch *batch = &c->batch[c->files++];
		thaw_status status = thaw_cifar_batch_open(batch, path, c->variant->labels_key, classes);
		thaw_free(path);
		THAW_TRY(status);
		c->first[c->files] = c->first[c->files - 1] + batch->count;
	}
	return THAW_OK;
}

static thaw_status select_samples(struct thaw_dataset *d, struct cifar *c, const struct thaw_dataset_options *options)
{
	int64_t count = c->first[c->files], selected;
	int32_t *labels = thaw_alloc((size_t)count, sizeof(*labels));
	thaw_status status = labels ? THAW_OK : THAW_RESOURCE;
	for (int f = 0; labels && f < c->files; f++)
		if (c->batch[f].count > 0)
			memcpy(labels + c->first[f], c->batch[f].labels, (size_t)c->batch[f].count * sizeof(*labels));
	if (status == THAW_OK)
		status = thaw_limit_per_class(&c->images, &selected, d, labels, count, c->split, options);
	if (status == THAW_OK)
		status = thaw_dataset_set_labels(d, labels, c->images, selected);
	thaw_free(labels);
	return status;
}

static thaw_status open_cifar(struct thaw_dataset *d, const char *folder, enum thaw_split split,
			      const struct thaw_dataset_options *options)
{
	struct cifar *c = thaw_alloc(1, sizeof(*c));
	if (!c)
		return THAW_RESOURCE;
	c->split = split;
	*d = (struct thaw_dataset){.read = read_sample,
				   .fingerprint = fingerprint_sample,
				   .name = name_sample,
				   .close = close_cifar,
				   .context = c,
				   .found = thaw_found_create()};
	if (!d->found)
		return THAW_RESOURCE;
	THAW_TRY(find_variant(&c->variant, folder));
	if (!c->variant)
		return thaw_fail(THAW_IO, "files disappeared: %s: do not change the dataset while it is opened",
				 folder);
	THAW_TRY(read_names(d, c, folder));
	THAW_TRY(open_files(c, folder, d->classes));
	d->found->split = split;
	d->found->images = c->first[c->files];
	d->found->from = c->files > 1 ? thaw_format("%s and %d more", c->variant->files[split][0], c->files - 1)
				      : thaw_strdup(c->variant->files[split][0]);
	return d->found->from ? select_samples(d, c, options) : THAW_RESOURCE;
}

const struct dataset_format thaw_dataset_cifar_pickles = {.recognises = recognises, .open = open_cifar};
