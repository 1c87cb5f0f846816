/* Finds the splits of a dataset of folders by their customary names.
 *
 * A class may be called "train". So, among folders of other names, train/ is a split only if val/ or test/ is there too
 * and train/ contains folders. A folder that contains nothing but one folder is a wrapping, as archives have it. */
#include "src/data/layout.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/listing.h"
#include "src/data/split_names.h"
#include "thaw/memory.h"

#define MAX_WRAPPINGS 8

/* The folders of one level, sorted into splits and others. The strings belong to the listing. */
struct level {
	struct listing listing;
	struct split_names names;
	const char *split[LAYOUT_SPLITS];
	const char *twice; /* a second folder of one of the splits, or NULL */
	int64_t others;
};

static thaw_status read_level(struct level *level, const char *path, const char *relative)
{
	THAW_TRY(thaw_list_once(&level->listing, path, relative));
	thaw_split_names_find(&level->names, &level->listing.folders);
	for (int64_t i = 0; i < level->listing.folders.count; i++) {
		const char *name = level->listing.folders.name[i];
		int split = thaw_split_by_name(&level->names, name);
		if (split < 0)
			level->others++;
		else if (level->split[split])
			level->twice = name;
		else
			level->split[split] = name;
	}
	return THAW_OK;
}

static bool has_held_out(const struct level *level)
{
	return level->split[THAW_SPLIT_VAL] || level->split[THAW_SPLIT_TEST];
}

static thaw_status count_entries(int64_t *folders, int64_t *images, const char *path, const char *relative)
{
	struct listing l = {0};
	thaw_status status = thaw_list_once(&l, path, relative);
	*folders = l.folders.count;
	*images = l.images.count;
	thaw_listing_free(&l);
	return status;
}

/* What to do with split names beside other folders. */
static thaw_status are_splits(bool *splits, const struct level *level, const char *path)
{
	*splits = level->others == 0 && (level->split[THAW_SPLIT_TRAIN] || has_held_out(level));
	if (level->others == 0 || (!level->split[THAW_SPLIT_TRAIN] && !has_held_out(level)))
		return THAW_OK;
	for (int s = 0; s < LAYOUT_SPLITS; s++) {
		int64_t folders = 0, images = 0;
		if (!level->split[s])
			continue;
		THAW_TRY(count_entries(&folders, &images, path, level->split[s]));
		if (folders == 0 && s == THAW_SPLIT_TRAIN)
			return THAW_OK; /* a class called "train" */
		if (folders < 2)
			continue;
		if (level->split[THAW_SPLIT_TRAIN] && has_held_out(level)) {
			*splits = true;
			return THAW_OK;
		}
		return thaw_fail(
			THAW_CONFIG,
			"%s/ contains %lld folders and has other folders beside it: %s: if it is a split, name "
			"the folder of training images train/ and put other folders elsewhere",
			level->split[s], (long long)folders, path);
	}
	*splits = level->split[THAW_SPLIT_TRAIN] && has_held_out(level);
	return THAW_OK;
}

/* train/ may contain one folder that contains the classes. */
static thaw_status unwrap_split(char **inner, const char *path, const char *outer)
{
	*inner = thaw_strdup(outer);
	for (int depth = 0; *inner && depth < MAX_WRAPPINGS; depth++) {
		struct listing l = {0};
		int64_t folders = 0, images = 0;
		thaw_status status = thaw_list_once(&l, path, *inner);
		bool alone = status == THAW_OK && l.folders.count == 1 && l.images.count == 0;
		if (alone)
			status = count_entries(&folders, &images, path, l.folders.name[0]);
		if (alone && status == THAW_OK && folders >= 2) {
			thaw_free(*inner);
			*inner = thaw_strdup(l.folders.name[0]);
		} else {
			alone = false;
		}
		thaw_listing_free(&l);
		THAW_TRY(status);
		if (!alone)
			break;
	}
	return *inner ? THAW_OK : THAW_RESOURCE;
}

/* What to do about ImageNet's validation images without labels: see imagenet.c. */
static thaw_status find_remedy(const char **remedy, const char *path, const char *relative)
{
	char *image = thaw_format("%s/%s/ILSVRC2012_val_00000001.JPEG", path, relative);
	if (!image)
		return THAW_RESOURCE;
	*remedy = thaw_path_is_file(image)
			  ? ": for ImageNet's labels, put LOC_val_solution.csv or the development kit, "
			    "ILSVRC2012_devkit_t12/, beside it"
			  : "";
	thaw_free(image);
	return THAW_OK;
}

/* A folder of images without class folders, as competitions have it for test images: nothing can be measured on it. */
static thaw_status drop_unlabelled(struct layout *l, int split, const char *path, struct thaw_found *found)
{
	int64_t folders, images;
	THAW_TRY(count_entries(&folders, &images, path, l->split[split]));
	if (split == THAW_SPLIT_TRAIN || folders > 0 || images == 0)
		return THAW_OK;
	const char *remedy;
	THAW_TRY(find_remedy(&remedy, path, l->split[split]));
	THAW_TRY(thaw_found_note(found, thaw_format("%s/ has %lld images but no class folders: it is not used%s",
						    l->split[split], (long long)images, remedy)));
	thaw_free(l->split[split]);
	l->split[split] = NULL;
	return THAW_OK;
}

/* A split must not be another one under a second name, as through a link. */
static thaw_status check_same_folder(const struct layout *l, int a, int b, const char *path)
{
	struct stat s = {0}, t = {0};
	if (!l->split[a] || !l->split[b])
		return THAW_OK;
	char *first = thaw_path_join(path, l->split[a]), *second = thaw_path_join(path, l->split[b]);
	thaw_status status = first && second ? THAW_OK : THAW_RESOURCE;
	bool found = status == THAW_OK && stat(first, &s) == 0 && stat(second, &t) == 0;
	thaw_free(first);
	thaw_free(second);
	if (found && s.st_dev == t.st_dev && s.st_ino == t.st_ino)
		status = thaw_fail(THAW_CONFIG,
				   "%s/ and %s/ are the same folder: %s: put different images into them, or remove the "
				   "second",
				   l->split[a], l->split[b], path);
	return status;
}

static thaw_status use_splits(struct layout *l, const struct level *level, const char *path, const char *root,
			      struct thaw_found *found)
{
	if (level->twice)
		return thaw_fail(THAW_CONFIG, "%s/ and %s/ are the same split: %s: keep one of them",
				 level->split[thaw_split_by_name(&level->names, level->twice)], level->twice, path);
	for (int s = 0; s < LAYOUT_SPLITS; s++) {
		if (!level->split[s])
			continue;
		THAW_TRY(unwrap_split(&l->split[s], path, level->split[s]));
		THAW_TRY(drop_unlabelled(l, s, path, found));
	}
	for (int s = 0; s < LAYOUT_SPLITS; s++)
		for (int other = 0; other < s; other++)
			THAW_TRY(check_same_folder(l, other, s, path));
	struct listing again = {.found = found, .names_only = true};
	thaw_status status = thaw_list_folder(&again, path, root);
	thaw_listing_free(&again);
	THAW_TRY(status);
	for (int64_t i = 0; i < level->listing.folders.count; i++)
		if (thaw_split_by_name(&level->names, level->listing.folders.name[i]) < 0)
			THAW_TRY(thaw_found_skip(found, "folders beside the splits", level->listing.folders.name[i]));
	return THAW_OK;
}

/* The split that `path` is by its name, and those of the folders beside it. */
static void find_beside(bool beside[LAYOUT_SPLITS], int *own, const char *path)
{
	struct listing l = {0};
	struct split_names names;
	char *real = realpath(path, NULL), *slash = real ? strrchr(real, '/') : NULL;
	*own = -1;
	if (slash && slash != real && thaw_has_split_word(real)) {
		*slash = '\0';
		bool listed = thaw_list_once(&l, real, "") == THAW_OK; /* else only `path` itself can be listed */
		thaw_split_names_find(&names, &l.folders);
		for (int64_t i = 0; listed && i < l.folders.count; i++) {
			int split = thaw_split_by_name(&names, l.folders.name[i]);
			if (strcmp(l.folders.name[i], slash + 1) == 0)
				*own = split;
			else if (split >= 0)
				beside[split] = true;
		}
		thaw_listing_free(&l);
	}
	free(real);
}

/* A folder of classes may itself be a split of a dataset: of val/ or test/ with training images beside it all images
 * are held out. */
static thaw_status use_flat(struct layout *l, const char *path, const char *root, struct thaw_found *found)
{
	bool beside[LAYOUT_SPLITS] = {false};
	int own;
	find_beside(beside, &own, path);
	if (own == THAW_SPLIT_TRAIN && (beside[THAW_SPLIT_VAL] || beside[THAW_SPLIT_TEST]))
		THAW_TRY(thaw_found_note(found, thaw_format("%s has %s images beside it, which are not used: give the "
							    "folder above to use them",
							    path, beside[THAW_SPLIT_VAL] ? "validation" : "test")));
	if ((own != THAW_SPLIT_VAL && own != THAW_SPLIT_TEST) || !beside[THAW_SPLIT_TRAIN])
		return (l->flat = thaw_strdup(root)) ? THAW_OK : THAW_RESOURCE;
	THAW_TRY(thaw_found_note(found, thaw_format("%s has training images beside it: all its images are %s images",
						    path, own == THAW_SPLIT_VAL ? "validation" : "test")));
	return (l->split[own] = thaw_strdup(root)) ? THAW_OK : THAW_RESOURCE;
}

/* Reads the level `root`. *inner: the folder to continue with, or NULL if the layout is complete. */
static thaw_status read_root(struct layout *l, char **inner, const char *path, const char *root,
			     struct thaw_found *found)
{
	struct level level = {0};
	bool splits;
	int64_t folders = 0, images = 0;
	*inner = NULL;
	thaw_status status = read_level(&level, path, root);
	if (status == THAW_OK)
		status = are_splits(&splits, &level, path);
	bool alone =
		status == THAW_OK && !splits && level.listing.folders.count == 1 && level.listing.images.count == 0;
	if (alone)
		status = count_entries(&folders, &images, path, level.listing.folders.name[0]);
	if (status == THAW_OK && alone && folders > 0 && images == 0)
		status = (*inner = thaw_strdup(level.listing.folders.name[0])) ? THAW_OK : THAW_RESOURCE;
	else if (status == THAW_OK)
		status = splits ? use_splits(l, &level, path, root, found) : use_flat(l, path, root, found);
	thaw_listing_free(&level.listing);
	return status;
}

thaw_status thaw_layout_find(struct layout *l, const char *path, struct thaw_found *found)
{
	char *root = thaw_strdup("");
	thaw_status status = root ? THAW_OK : THAW_RESOURCE;
	for (int depth = 0; root && status == THAW_OK; depth++) {
		char *inner = NULL;
		if (depth > MAX_WRAPPINGS)
			status = thaw_fail(THAW_CONFIG,
					   "more than %d folders in one another: %s: give the one that holds the class "
					   "folders",
					   MAX_WRAPPINGS, path);
		else
			status = read_root(l, &inner, path, root, found);
		thaw_free(root);
		root = inner;
	}
	thaw_free(root);
	if (status != THAW_OK)
		thaw_layout_free(l);
	return status;
}

void thaw_layout_free(struct layout *l)
{
	for (int s = 0; s < LAYOUT_SPLITS; s++)
		thaw_free(l->split[s]);
	thaw_free(l->flat);
	*l = (struct layout){0};
}

bool thaw_layout_holds_out(const struct layout *l)
{
	return !l->split[THAW_SPLIT_VAL] && !l->split[THAW_SPLIT_TEST];
}
