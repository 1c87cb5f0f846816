/* Datasets: the table of formats, and opening. */
#include "src/data/dataset.h"

#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/found.h"
#include "src/data/idx_files.h"
#include "src/data/listing.h"
#include "src/data/manifest.h"
#include "src/data/tar_list.h"
#include "src/data/wrong_folder.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define FORMAT(name) &thaw_dataset_##name,
static const struct dataset_format *const formats[] = {
#include "src/data/dataset_formats.h"
};
#undef FORMAT

#define FORMATS   (sizeof(formats) / sizeof(formats[0]))
#define MAX_DEPTH 4 /* folders in one another */

/* The format that accepts the folder; the last one accepts any. */
static thaw_status find_format(const struct dataset_format **format, const char *path)
{
	bool is = false;
	for (size_t f = 0; f < FORMATS && !is; f++) {
		*format = formats[f];
		THAW_TRY(formats[f]->recognises(&is, path));
	}
	return THAW_OK;
}

/* The folder to look into for files of a format: the only one, or one called raw. *next is NULL if there is none. */
static thaw_status find_next(char **next, const char *path)
{
	struct listing l = {0};
	*next = NULL;
	thaw_status status = thaw_list_once(&l, path, "");
	for (int64_t i = 0; status == THAW_OK && l.images.count == 0 && !*next && i < l.folders.count; i++)
		if (l.folders.count == 1 || strcmp(l.folders.name[i], "raw") == 0)
			status = (*next = thaw_path_join(path, l.folders.name[i])) ? THAW_OK : THAW_RESOURCE;
	thaw_listing_free(&l);
	return status;
}

/* A copy without slashes at the end, which would be doubled in messages. */
static char *copy_path(const char *path)
{
	char *copy = thaw_strdup(path);
	for (size_t n = copy ? strlen(copy) : 0; n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	return copy;
}

/* Files of a format may be some folders further in, as torchvision has MNIST/raw. *inner: that folder, or a copy of
 * `path`; *format: its format. */
static thaw_status find_inside(const struct dataset_format **format, char **inner, const char *path)
{
	const struct dataset_format *any = formats[FORMATS - 1];
	char *at = copy_path(path);
	thaw_status status = at ? find_format(format, at) : THAW_RESOURCE;
	for (int depth = 0; at && status == THAW_OK && *format == any && depth < MAX_DEPTH; depth++) {
		char *next;
		status = find_next(&next, at);
		thaw_free(at);
		at = next;
		if (at)
			status = find_format(format, at);
	}
	if (status == THAW_OK && *format == any) {
		thaw_free(at);
		at = copy_path(path);
		status = at ? THAW_OK : THAW_RESOURCE;
	}
	if (status != THAW_OK)
		thaw_free(at);
	else
		*inner = at;
	return status;
}

/* Other formats have two files, for training and testing. */
static thaw_status choose_file(enum thaw_split *split, const struct dataset_format *format, const char *path)
{
	if (format->splits)
		return THAW_OK;
	if (*split == THAW_SPLIT_ALL)
		return thaw_fail(THAW_USAGE, "the dataset has splits: %s: give --split train, val or test, not all",
				 path);
	if (*split == THAW_SPLIT_VAL && !format->validation)
		*split = THAW_SPLIT_TEST;
	return THAW_OK;
}

static thaw_status fail_empty_split(const struct thaw_dataset *d, const char *path)
{
	if (d->found && d->found->from && !d->found->held_out)
		return thaw_fail(THAW_DATA,
				 "no images in %s: %s: add images, or remove the folder: then a part of the training "
				 "images is held out",
				 d->found->from, path);
	return thaw_fail(THAW_DATA, "no samples in this split: %s: check --data and --test-share", path);
}

/* The format of a path and the folder that has its files, or a copy of `path`. */
static thaw_status find_path(const struct dataset_format **format, char **inner, const char *path)
{
	if (thaw_tar_is_named(path)) {
		*format = &thaw_dataset_tar;
		*inner = thaw_strdup(path);
		return *inner ? THAW_OK : THAW_RESOURCE;
	}
	if (thaw_path_is_file(path))
		return thaw_fail(THAW_IO,
				 "a file, not a folder: %s: unpack it if it is an archive, and give the folder; the "
				 "name of a manifest ends in .csv or .tsv",
				 path);
	bool set = false; /* of IDX files, in a folder with several */
	if (!thaw_path_is_directory(path))
		THAW_TRY(thaw_idx_is_there(&set, path));
	if (!thaw_path_is_directory(path) && !set)
		return thaw_fail(THAW_IO, "no such folder: %s: give the folder with the images", path);
	return find_inside(format, inner, path);
}

/* Fills the zeroed *d, partly on failure. */
static thaw_status open_format(struct thaw_dataset *d, const char *path, enum thaw_split split,
			       const struct thaw_dataset_options *options)
{
	char *inner = NULL;
	const struct dataset_format *format = NULL;
	THAW_TRY(find_path(&format, &inner, path));
	thaw_status status = choose_file(&split, format, path);
	if (status == THAW_OK)
		status = format->open(d, inner, split, options);
	thaw_free(inner);
	if (status == THAW_OK && options->exclude && !format->excludes && d->count > 0)
		status = thaw_dataset_remove(d, options->exclude);
	if (status == THAW_OK && d->count == 0)
		status = fail_empty_split(d, path);
	if (status == THAW_OK && split == THAW_SPLIT_TRAIN && d->classes < 2 && d->task == THAW_TASK_CLASS &&
	    !options->lenient)
		status = thaw_fail_one_class(path, d->class_names[0], d->count);
	return status;
}

thaw_status thaw_dataset_open_given(struct thaw_dataset *d, const char *path, enum thaw_split split,
				    const struct thaw_dataset_options *options)
{
	struct thaw_dataset opened = {0};
	bool manifest = thaw_manifest_given(path, &options->manifest);
	thaw_status status = manifest ? thaw_manifest_open(&opened, path, split, options)
				      : open_format(&opened, path, split, options);
	if (status == THAW_OK && manifest && options->exclude && opened.count > 0)
		status = thaw_dataset_remove(&opened, options->exclude);
	if (status == THAW_OK)
		*d = opened;
	else
		thaw_dataset_close(&opened);
	return status;
}
