#include "src/data/wrong_folder.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/data/listing.h"
#include "src/data/split_names.h"
#include "thaw/memory.h"

#define HINT_SIZE 1024 /* bytes */

/* Files of datasets that thaw does not read. */
static const struct {
	const char *pattern, *text;
} forms[] = {
	{"data_batch_1", "it has CIFAR-10's Python version: download the binary version"},
	{"fine_label_names.txt", "it has a part of CIFAR-100's binary version: download it again"},
	{"meta", "it may have CIFAR-100's Python version: download the binary version"},
	{"*.parquet", "it has Parquet files: extract their images into one folder per class"},
	{"*.arrow", "it has Arrow files: extract their images into one folder per class"},
	{"*.tfrecord*", "it has TFRecord files: extract their images into one folder per class"},
	{"*.npz", "it has NumPy files: save their images into one folder per class"},
	{"*.npy", "it has NumPy files: save their images into one folder per class"},
	{"*.h5", "it has HDF5 files: extract their images into one folder per class"},
	{"*.hdf5", "it has HDF5 files: extract their images into one folder per class"},
	{"*.mat", "it has Matlab files: save their images into one folder per class"},
	{"*.tar", "it has an archive: unpack it"},
	{"*.tar.*", "it has an archive: unpack it"},
	{"*.tgz", "it has an archive: unpack it"},
	{"*.zip", "it has an archive: unpack it"},
	{"*-ubyte", "it has IDX files under other names: name them train-images-idx3-ubyte, train-labels-idx1-ubyte, "
		    "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte"},
	{"*-ubyte.gz", "it has IDX files under other names: name them train-images-idx3-ubyte.gz, "
		       "train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz"},
};

const char *thaw_known_form(const char *folder)
{
	size_t best = sizeof(forms) / sizeof(forms[0]), count = best;
	DIR *dir = opendir(folder);
	for (const struct dirent *e; dir && (e = readdir(dir));)
		for (size_t i = 0; i < best; i++)
			if (fnmatch(forms[i].pattern, e->d_name, 0) == 0)
				best = i;
	if (dir)
		closedir(dir);
	return best < count ? forms[best].text : NULL;
}

/* The folder above, if its folders may be the classes: *folders is their number. From malloc. */
static char *folder_above(const char *folder, int64_t *folders)
{
	bool splits = false;
	struct listing l = {0};
	struct split_names names;
	char *real = realpath(folder, NULL), *slash = real ? strrchr(real, '/') : NULL;
	*folders = 0;
	if (slash && slash != real) {
		*slash = '\0';
		if (thaw_list_once(&l, real, "") == THAW_OK && l.images.count == 0)
			*folders = l.folders.count;
		thaw_split_names_find(&names, &l.folders);
		for (int64_t i = 0; i < l.folders.count; i++)
			splits |= thaw_split_by_name(&names, l.folders.name[i]) >= 0;
		if (splits)
			*folders = 0;
		thaw_listing_free(&l);
	}
	return real;
}

static void hint_above(char *hint, size_t size, const char *folder)
{
	int64_t folders;
	char *above = folder_above(folder, &folders);
	if (above && folders >= 2)
		snprintf(hint, size, ", or give the folder above, which has %lld folders: %s", (long long)folders,
			 above);
	free(above);
}

/* A CSV file may have the labels of images that are not in folders of classes. */
static void hint_manifest(char *hint, size_t size, const char *folder)
{
	char first[NAME_MAX + 1] = "";
	DIR *dir = opendir(folder);
	for (const struct dirent *e; dir && (e = readdir(dir));)
		if (fnmatch("*.[ct]sv", e->d_name, FNM_CASEFOLD) == 0 && e->d_name[0] != '.' &&
		    (!first[0] || strcmp(e->d_name, first) < 0))
			snprintf(first, sizeof(first), "%s", e->d_name);
	if (dir)
		closedir(dir);
	if (first[0])
		snprintf(hint, size, "; if %s has their labels, give --manifest %s/%s", first, folder, first);
}

thaw_status thaw_fail_no_classes(const char *path, const char *relative, int64_t images)
{
	char hint[HINT_SIZE] = "";
	char *folder = relative[0] == '\0' ? thaw_strdup(path) : thaw_path_join(path, relative);
	if (!folder)
		return THAW_RESOURCE;
	const char *form = images == 0 ? thaw_known_form(folder) : NULL;
	thaw_status status;
	if (images > 0 && relative[0] == '\0')
		hint_above(hint, sizeof(hint), folder);
	if (images > 0 && !hint[0])
		hint_manifest(hint, sizeof(hint), path);
	if (form)
		status = thaw_fail(THAW_DATA, "no class folders: %s: %s", folder, form);
	else if (images > 0)
		status = thaw_fail(THAW_DATA,
				   "no class folders but %lld images: %s: put the images of each class into a separate "
				   "folder%s",
				   (long long)images, folder, hint);
	else
		status = thaw_fail(THAW_DATA,
				   "no class folders: %s: put the images of each class into a separate folder", folder);
	thaw_free(folder);
	return status;
}

thaw_status thaw_fail_one_class(const char *path, const char *class, int64_t images)
{
	struct listing l = {0};
	char hint[HINT_SIZE] = "";
	if (thaw_list_once(&l, path, class) == THAW_OK && l.folders.count >= 2)
		snprintf(hint, sizeof(hint), ", or, if its %lld folders are the classes, %s/%s",
			 (long long)l.folders.count, path, class);
	else
		hint_manifest(hint, sizeof(hint), path);
	thaw_listing_free(&l);
	return thaw_fail(
		THAW_CONFIG,
		"only one class, \"%s\" with %lld images: %s: give a folder with one folder of images for each "
		"of two or more classes%s",
		thaw_base_name(class), (long long)images, path, hint);
}
