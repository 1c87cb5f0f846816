#include "src/data/listed_files.h"

#include <stdio.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/fingerprint.h"
#include "src/data/found.h"
#include "src/data/hold_out.h"
#include "src/data/image_file.h"
#include "thaw/memory.h"

struct listed {
	char *path;                /* of the dataset */
	struct packed_names files; /* by sample, relative to `path` */
};

static thaw_status read_sample(const struct thaw_dataset *d, int64_t i, struct thaw_encoded_image *encoded)
{
	const struct listed *l = d->context;
	char *path = thaw_path_join(l->path, thaw_packed_name(&l->files, i));
	thaw_status status = path ? thaw_image_file_read(encoded, path, thaw_packed_name(&l->files, i)) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

static thaw_status read_file(const struct thaw_dataset *d, int64_t i, void **bytes, size_t *size)
{
	const struct listed *l = d->context;
	char *path = thaw_path_join(l->path, thaw_packed_name(&l->files, i));
	thaw_status status = path ? thaw_image_file_bytes(bytes, size, path) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

static thaw_status fingerprint_sample(const struct thaw_dataset *d, int64_t i, bool whole, struct thaw_fingerprint *f)
{
	const struct listed *l = d->context;
	char *path = thaw_path_join(l->path, thaw_packed_name(&l->files, i));
	thaw_status status = path ? thaw_fingerprint_file(f, path, whole) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

static void name_sample(const struct thaw_dataset *d, int64_t i, char *text, size_t size)
{
	const struct listed *l = d->context;
	snprintf(text, size, "%s", thaw_packed_name(&l->files, i));
}

static void close_listed(struct thaw_dataset *d)
{
	struct listed *l = d->context;
	thaw_packed_names_free(&l->files);
	thaw_free(l->path);
	thaw_free(l);
}

thaw_status thaw_listed_files_open(struct thaw_dataset *d, const char *path, enum thaw_split split)
{
	struct listed *l = thaw_alloc(1, sizeof(*l));
	if (!l)
		return THAW_RESOURCE;
	*d = (struct thaw_dataset){.read = read_sample,
				   .read_file = read_file,
				   .fingerprint = fingerprint_sample,
				   .name = name_sample,
				   .close = close_listed,
				   .context = l,
				   .found = thaw_found_create()};
	l->path = thaw_strdup(path);
	if (!l->path || !d->found)
		return THAW_RESOURCE;
	d->found->split = split;
	return THAW_OK;
}

thaw_status thaw_listed_files_take(struct thaw_dataset *d, struct names *files, const int32_t *labels, const char *from,
				   const struct thaw_dataset_options *options)
{
	struct packed_names packed = {0};
	thaw_status status = THAW_OK;
	for (int64_t i = 0; status == THAW_OK && i < files->count; i++)
		status = thaw_packed_names_add(&packed, files->name[i]);
	thaw_names_free(files);
	if (status == THAW_OK)
		status = thaw_listed_files_take_packed(d, &packed, labels, from, options);
	thaw_packed_names_free(&packed);
	return status;
}

thaw_status thaw_listed_files_take_packed(struct thaw_dataset *d, struct packed_names *files, const int32_t *labels,
					  const char *from, const struct thaw_dataset_options *options)
{
	struct listed *l = d->context;
	l->files = *files;
	*files = (struct packed_names){0};
	d->found->images = l->files.count;
	d->found->from = thaw_strdup(from);
	d->labels = thaw_alloc((size_t)l->files.count, sizeof(*d->labels));
	if (!d->labels || !d->found->from)
		return THAW_RESOURCE;
	if (l->files.count > 0)
		memcpy(d->labels, labels, (size_t)l->files.count * sizeof(*labels));
	if (d->found->split == THAW_SPLIT_TRAIN)
		THAW_TRY(thaw_apply_limit(&l->files, d->labels, d, options));
	thaw_packed_names_trim(&l->files);
	d->count = l->files.count;
	return THAW_OK;
}

thaw_status thaw_listed_files_classes(struct thaw_dataset *d, struct names *classes)
{
	if (!(d->class_names = thaw_alloc((size_t)classes->count, sizeof(*d->class_names))))
		return THAW_RESOURCE;
	for (int64_t i = 0; i < classes->count; i++) {
		d->class_names[d->classes++] = classes->name[i];
		classes->name[i] = NULL;
	}
	thaw_names_free(classes);
	return THAW_OK;
}
