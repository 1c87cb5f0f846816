/* Datasets: the table of formats, opening, closing and the digest. */
#include "src/data/dataset.h"

#include <string.h>

#include "thaw/digest.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define NAME_SIZE 4096 /* bytes of a sample name that enter the digest */

#define FORMAT(name) &thaw_dataset_##name,
static const struct dataset_format *const formats[] = {
#include "src/data/dataset_formats.h"
};
#undef FORMAT

thaw_status thaw_dataset_open(struct thaw_dataset *d, const char *path, enum thaw_split split,
			      const struct thaw_dataset_options *options)
{
	if (!thaw_path_is_directory(path))
		return thaw_fail(THAW_IO, "no such folder: %s: give the folder with the images", path);
	for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
		if (!formats[f]->recognises(path))
			continue;
		struct thaw_dataset opened = {0};
		thaw_status status = formats[f]->open(&opened, path, split, options);
		if (status == THAW_OK && opened.count == 0)
			status = thaw_fail(THAW_DATA, "no samples in this split: %s: check --data and --test-share",
					   path);
		if (status != THAW_OK) {
			thaw_dataset_close(&opened);
			return status;
		}
		*d = opened;
		return THAW_OK;
	}
	return thaw_fail(THAW_DATA, "no known dataset format: %s: give a folder with one folder of images per class",
			 path);
}

void thaw_dataset_close(struct thaw_dataset *d)
{
	if (d->close)
		d->close(d);
	for (int c = 0; d->class_names && c < d->classes; c++)
		thaw_free(d->class_names[c]);
	thaw_free(d->class_names);
	thaw_free(d->labels);
	*d = (struct thaw_dataset){0};
}

uint64_t thaw_dataset_digest(const struct thaw_dataset *d)
{
	uint64_t digest = 0;
	for (int c = 0; c < d->classes; c++)
		digest = thaw_digest(d->class_names[c], strlen(d->class_names[c]) + 1, digest);
	digest = thaw_digest(d->labels, (size_t)d->count * sizeof(d->labels[0]), digest);
	for (int64_t i = 0; i < d->count; i++) {
		char name[NAME_SIZE];
		d->name(d, i, name, sizeof(name));
		digest = thaw_digest(name, strlen(name) + 1, digest);
	}
	return digest;
}
