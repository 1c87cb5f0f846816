/* ImageNet (ILSVRC 2012 to 2017) as its archives unpack: training images in folders that are called by WordNet's
 * numbers, n01440764, and validation images in one folder, with a file of labels. */
#include "src/data/imagenet.h"

#include <dirent.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/class_folders.h"
#include "src/data/found.h"
#include "src/data/list_images.h"
#include "src/data/listed_files.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define LOOKED_AT 1000 /* entries of a folder until one has the expected name */

/* Where the images are: in the archives' folders, as most programs have them, and as from Kaggle. */
static const struct place {
	const char *train, *val;
} places[] = {
	{"train", "val"},
	{"ILSVRC2012_img_train", "ILSVRC2012_img_val"},
	{"Data/CLS-LOC/train", "Data/CLS-LOC/val"},
	{"ILSVRC/Data/CLS-LOC/train", "ILSVRC/Data/CLS-LOC/val"},
};

/* Whether the name is a number of WordNet: n01440764. */
static bool is_wnid(const char *name)
{
	return name[0] == 'n' && strspn(name + 1, "0123456789") == 8 && name[9] == '\0';
}

static bool is_val_image(const char *name)
{
	static const char start[] = "ILSVRC2012_val_";
	return strncmp(name, start, sizeof(start) - 1) == 0;
}

/* Whether one of the folder's first entries has such a name. */
static thaw_status has_entry(bool *has, const char *folder, const char *relative, bool (*is)(const char *name))
{
	char *path = thaw_path_join(folder, relative);
	*has = false;
	if (!path)
		return THAW_RESOURCE;
	DIR *dir = opendir(path);
	const struct dirent *e;
	for (int i = 0; dir && !*has && i < LOOKED_AT && (e = readdir(dir)); i++)
		*has = is(e->d_name);
	if (dir)
		closedir(dir);
	thaw_free(path);
	return THAW_OK;
}

/* NULL: the folder is not of this form. */
static thaw_status find_place(const struct place **place, const char *folder)
{
	*place = NULL;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !*place; i++) {
		bool train, val;
		THAW_TRY(has_entry(&train, folder, places[i].train, is_wnid));
		THAW_TRY(has_entry(&val, folder, places[i].val, is_val_image));
		if (train && val)
			*place = &places[i];
	}
	return THAW_OK;
}

/* Without labels, it is a folder of training images only. */
static thaw_status recognises_imagenet(bool *is, const char *folder)
{
	const struct place *place;
	THAW_TRY(find_place(&place, folder));
	char *labels = place ? thaw_imagenet_find_labels(folder) : NULL;
	*is = labels != NULL;
	thaw_free(labels);
	return THAW_OK;
}

/* The images of all class folders. */
static thaw_status read_train(struct thaw_dataset *d, const char *folder, const struct place *place,
			      const struct names *classes, const struct thaw_dataset_options *options)
{
	const struct list_request request = {
		.path = folder, .classes = classes, .all_classes = classes, .share = options->share};
	struct listed l = {0};
	int32_t *labels = NULL;
	char *from = thaw_format("%s/", place->train);
	thaw_status status = from ? thaw_list_images(&l, &request) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_found_merge(d->found, l.images.found);
	if (status == THAW_OK)
		status = (labels = thaw_alloc((size_t)l.images.files.count, sizeof(*labels))) ? THAW_OK : THAW_RESOURCE;
	for (int64_t c = 0, i = 0; status == THAW_OK && c < l.classes; c++)
		for (int64_t k = 0; k < l.count[c]; k++)
			labels[i++] = (int32_t)c;
	if (status == THAW_OK)
		status = thaw_listed_files_take_packed(d, &l.images.files, labels, from, options);
	thaw_listed_free(&l);
	thaw_free(from);
	thaw_free(labels);
	return status;
}

static thaw_status add_notes(struct thaw_dataset *d, const struct imagenet_labels *l, const char *labels)
{
	if (l->others == 0)
		return THAW_OK;
	return thaw_found_note(d->found, thaw_format("%s: %lld images of classes without training images: they are "
						     "not used",
						     labels, (long long)l->others));
}

/* The images that the file of labels lists. wnids: the classes. */
static thaw_status read_val(struct thaw_dataset *d, const char *folder, const struct place *place,
			    const struct names *wnids, const struct thaw_dataset_options *options)
{
	struct imagenet_labels l = {0};
	struct names files = {0};
	char *name = thaw_imagenet_find_labels(folder);
	char *from = name ? thaw_format("%s/, with the labels of %s", place->val, name) : NULL;
	thaw_status status = from ? thaw_imagenet_read_labels(&l, folder, name, wnids) : THAW_RESOURCE;
	int32_t *labels = status == THAW_OK ? thaw_alloc((size_t)l.count, sizeof(*labels)) : NULL;
	if (status == THAW_OK)
		status = labels ? add_notes(d, &l, name) : THAW_RESOURCE;
	for (int64_t i = 0; status == THAW_OK && i < l.count; i++) {
		labels[i] = l.entry[i].class;
		status = thaw_names_add(&files, thaw_relative_join(place->val, l.entry[i].image));
	}
	if (status == THAW_OK)
		status = thaw_listed_files_take(d, &files, labels, from, options);
	thaw_imagenet_labels_free(&l);
	thaw_names_free(&files);
	thaw_free(labels);
	thaw_free(from);
	thaw_free(name);
	return status;
}

/* *wnids: the names of the class folders. */
static thaw_status name_classes(struct names *wnids, const struct names *folders)
{
	for (int64_t i = 0; i < folders->count; i++)
		THAW_TRY(thaw_names_add(wnids, thaw_strdup(thaw_base_name(folders->name[i]))));
	return THAW_OK;
}

static thaw_status open_imagenet(struct thaw_dataset *d, const char *folder, enum thaw_split split,
				 const struct thaw_dataset_options *options)
{
	const struct place *place;
	struct names folders = {0}, wnids = {0}, copy = {0};
	bool train = split == THAW_SPLIT_TRAIN;
	THAW_TRY(find_place(&place, folder));
	THAW_TRY(thaw_listed_files_open(d, folder, train ? THAW_SPLIT_TRAIN : THAW_SPLIT_VAL));
	thaw_status status = thaw_list_classes(&folders, folder, place->train, train ? d->found : NULL);
	if (status == THAW_OK)
		status = name_classes(&wnids, &folders);
	if (status == THAW_OK)
		status = name_classes(&copy, &folders);
	if (status == THAW_OK)
		status = thaw_listed_files_classes(d, &copy);
	if (status == THAW_OK)
		status = train ? read_train(d, folder, place, &folders, options)
			       : read_val(d, folder, place, &wnids, options);
	thaw_names_free(&folders);
	thaw_names_free(&wnids);
	thaw_names_free(&copy);
	return status;
}

const struct dataset_format thaw_dataset_imagenet = {.recognises = recognises_imagenet, .open = open_imagenet};
