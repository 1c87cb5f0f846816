/* Oxford Flowers-102 as it unpacks: jpg/image_00001.jpg and so on, imagelabels.mat with the class of each image, from
 * 1, and setid.mat with the numbers of the images of each split. The files do not name the classes: their names are
 * their numbers, or those of cat_to_name.json ({"1": "pink primrose", ...}), which is often kept beside them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/found.h"
#include "src/data/listed_files.h"
#include "src/data/mat.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define LABELS      "imagelabels.mat"
#define SPLITS      "setid.mat"
#define NAMES       "cat_to_name.json"
#define CLASSES_MAX 100000
#define NAMES_LIMIT ((size_t)4 << 20) /* bytes */

/* The matrix of each split. */
static const char *const matrices[] = {
	[THAW_SPLIT_TRAIN] = "trnid", [THAW_SPLIT_VAL] = "valid", [THAW_SPLIT_TEST] = "tstid"};

static bool has_file(const char *folder, const char *name)
{
	char *path = thaw_path_join(folder, name);
	bool has = path && thaw_path_is_file(path);
	thaw_free(path);
	return has;
}

static thaw_status recognises_flowers(bool *is, const char *folder)
{
	*is = has_file(folder, LABELS) && has_file(folder, SPLITS);
	return THAW_OK;
}

static thaw_status read_matrix(int32_t **values, int64_t *count, const char *folder, const char *file, const char *name)
{
	char *path = thaw_path_join(folder, file);
	thaw_status status = path ? thaw_mat_read(values, count, path, name) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

/* The highest class. */
static thaw_status count_classes(int *classes, const int32_t *labels, int64_t count, const char *folder)
{
	*classes = 0;
	for (int64_t i = 0; i < count; i++) {
		if (labels[i] < 1 || labels[i] > CLASSES_MAX)
			return thaw_fail(THAW_DATA, "class %d of image %lld: %s/" LABELS ": download it again",
					 labels[i], (long long)i + 1, folder);
		*classes = max_int(*classes, labels[i]);
	}
	return THAW_OK;
}

/* names: NULL for numbers. */
static thaw_status add_name(struct names *list, const json_t *names, int class, const char *path)
{
	char number[16];
	snprintf(number, sizeof(number), "%d", class);
	const char *name = names ? json_string_value(json_object_get(names, number)) : number;
	if (!name || !*name)
		return thaw_fail(THAW_DATA, "no name of class %d: %s: name all classes, or remove the file", class,
				 path);
	return thaw_names_add(list, thaw_strdup(name));
}

static thaw_status name_classes(struct thaw_dataset *d, const char *folder, int classes)
{
	struct names list = {0};
	json_t *names = NULL;
	char *path = thaw_path_join(folder, NAMES);
	thaw_status status = path ? THAW_OK : THAW_RESOURCE;
	if (path && thaw_path_is_file(path))
		status = thaw_report_read(&names, path, NAMES_LIMIT, "repair or remove it");
	for (int c = 1; c <= classes && status == THAW_OK; c++)
		status = add_name(&list, names, c, path);
	if (status == THAW_OK)
		status = thaw_listed_files_classes(d, &list);
	thaw_names_free(&list);
	json_decref(names);
	thaw_free(path);
	return status;
}

/* labels: of all images; numbers[count]: those of the split, from 1. */
static thaw_status take_split(struct thaw_dataset *d, const char *folder, const int32_t *labels, int64_t images,
			      const int32_t *numbers, int64_t count, const struct thaw_dataset_options *options)
{
	struct names files = {0};
	int32_t *own = thaw_alloc((size_t)count, sizeof(*own));
	thaw_status status = own ? THAW_OK : THAW_RESOURCE;
	for (int64_t i = 0; i < count && status == THAW_OK; i++) {
		if (numbers[i] < 1 || numbers[i] > images) {
			status = thaw_fail(THAW_DATA, "image %d of %lld: %s/" SPLITS ": download it again", numbers[i],
					   (long long)images, folder);
			break;
		}
		own[i] = labels[numbers[i] - 1] - 1;
		status = thaw_names_add(&files, thaw_format("jpg/image_%05d.jpg", numbers[i]));
	}
	char *from = thaw_format("jpg/ (%s of " SPLITS ")", matrices[d->found->split]);
	if (!from)
		status = THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_listed_files_take(d, &files, own, from, options);
	thaw_free(from);
	thaw_free(own);
	thaw_names_free(&files);
	return status;
}

static thaw_status open_flowers(struct thaw_dataset *d, const char *folder, enum thaw_split split,
				const struct thaw_dataset_options *options)
{
	int32_t *labels = NULL, *numbers = NULL;
	int64_t images = 0, count = 0;
	int classes;
	THAW_TRY(thaw_listed_files_open(d, folder, split));
	thaw_status status = read_matrix(&labels, &images, folder, LABELS, "labels");
	if (status == THAW_OK)
		status = read_matrix(&numbers, &count, folder, SPLITS, matrices[split]);
	if (status == THAW_OK)
		status = count_classes(&classes, labels, images, folder);
	if (status == THAW_OK)
		status = name_classes(d, folder, classes);
	if (status == THAW_OK)
		status = take_split(d, folder, labels, images, numbers, count, options);
	thaw_free(labels);
	thaw_free(numbers);
	return status;
}

const struct dataset_format thaw_dataset_flowers102 = {
	.recognises = recognises_flowers, .open = open_flowers, .validation = true};
