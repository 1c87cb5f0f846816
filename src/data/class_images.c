/* Walks through a class folder. Folders come first, then links to folders in the order of their names, so the result
 * does not depend on the order in which the file system lists entries. */
#include "src/data/class_images.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/grow.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/split_names.h"
#include "thaw/memory.h"

#define SPLITS 3 /* THAW_SPLIT_TRAIN, _TEST, _VAL */

void thaw_class_images_free(struct class_images *c)
{
	thaw_names_free(&c->targets);
	thaw_packed_names_free(&c->files);
	thaw_free(c->followed);
	thaw_free(c->first_nested);
	c->followed = NULL;
	c->first_nested = NULL;
	c->followed_count = 0;
}

static thaw_status find_targets(struct class_images *c)
{
	for (int64_t i = c->targets.count; i < c->classes->count; i++)
		THAW_TRY(thaw_names_add(&c->targets, thaw_path_real(c->root, c->classes->name[i])));
	return THAW_OK;
}

/* Whether the real path is in a class folder, or above one. */
static bool is_read_anyway(const struct class_images *c, const char *real)
{
	for (int64_t i = 0; i < c->targets.count; i++)
		if (thaw_path_is_inside(real, c->targets.name[i]) || thaw_path_is_inside(c->targets.name[i], real))
			return true;
	return false;
}

/* Records the folder. *again: it was reached before. */
static thaw_status follow_once(struct class_images *c, const char *relative, bool *again)
{
	struct stat s;
	char *path = thaw_path_join(c->root, relative);
	int failed = path ? stat(path, &s) : 0;
	thaw_free(path);
	if (!path)
		return THAW_RESOURCE;
	*again = failed != 0; /* removed meanwhile */
	for (int i = 0; !failed && i < c->followed_count; i++)
		*again |= c->followed[i].device == s.st_dev && c->followed[i].inode == s.st_ino;
	if (*again)
		return THAW_OK;
	struct followed *grown = thaw_grow(c->followed, c->followed_count, sizeof(*grown));
	if (!grown)
		return THAW_RESOURCE;
	c->followed = grown;
	grown[c->followed_count++] = (struct followed){s.st_dev, s.st_ino};
	return THAW_OK;
}

/* Lists a folder and all below it. linked: it was reached through a link, so its folders may be reached again. Links
 * that are found are appended to l->links. */
static thaw_status walk(struct class_images *c, struct listing *l, const char *relative, bool linked)
{
	thaw_names_free(&l->folders);
	THAW_TRY(thaw_names_add(&l->folders, thaw_strdup(relative)));
	for (int64_t i = 0; i < l->folders.count; i++) {
		bool again = false;
		if (linked)
			THAW_TRY(follow_once(c, l->folders.name[i], &again));
		if (again)
			THAW_TRY(thaw_found_skip(c->found, "linked folders that were read before", l->folders.name[i]));
		else
			THAW_TRY(thaw_list_folder(l, c->root, l->folders.name[i]));
		if (linked)
			thaw_names_sort(&l->folders, i + 1);
	}
	return THAW_OK;
}

static thaw_status follow_link(struct class_images *c, struct listing *l, const char *relative)
{
	THAW_TRY(find_targets(c));
	char *real = thaw_path_real(c->root, relative);
	if (!real)
		return thaw_found_skip(c->found, "links that lead nowhere", relative);
	bool known = is_read_anyway(c, real);
	thaw_free(real);
	return known ? thaw_found_skip(c->found, "links to folders of the dataset", relative)
		     : walk(c, l, relative, true);
}

static bool is_direct(const char *name, const char *folder)
{
	size_t length = strlen(folder);
	return strlen(name) > length && thaw_base_name(name) == name + length + 1;
}

/* Whether the folder has no images of its own but two or more folders. */
static bool is_nested(const struct listing *l, const char *relative)
{
	int64_t folders = 0;
	for (int64_t i = 0; i < l->images.count; i++)
		if (is_direct(l->images.name[i], relative))
			return false;
	for (int64_t i = 0; i < l->folders.count; i++)
		folders += is_direct(l->folders.name[i], relative);
	return folders >= 2;
}

/* A dataset in the place of a class, or splits below the classes: both would be read as one class. folders: all that
 * are below the class folder. */
static thaw_status check_level(const struct class_images *c, const struct names *folders, const char *relative)
{
	bool has[SPLITS] = {false};
	struct split_names how;
	struct names direct = {0};
	thaw_status status = THAW_OK;
	for (int64_t i = 0; status == THAW_OK && i < folders->count; i++)
		if (is_direct(folders->name[i], relative))
			status = thaw_names_add(&direct, thaw_strdup(folders->name[i]));
	thaw_split_names_find(&how, &direct);
	for (int64_t i = 0; i < direct.count; i++) {
		int split = thaw_split_by_name(&how, direct.name[i]);
		if (split >= 0)
			has[split] = true;
	}
	thaw_names_free(&direct);
	if (status == THAW_OK && has[THAW_SPLIT_TRAIN] && (has[THAW_SPLIT_VAL] || has[THAW_SPLIT_TEST]))
		status = thaw_fail(THAW_CONFIG,
				   "splits below a class folder: %s/%s: if it is a dataset, give it with --data; else "
				   "put the class folders into train/ and val/",
				   c->root, relative);
	return status;
}

thaw_status thaw_class_images_add(struct class_images *c, const char *relative)
{
	struct listing l = {.found = c->found};
	thaw_status status = walk(c, &l, relative, false);
	if (status == THAW_OK)
		status = check_level(c, &l.folders, relative);
	if (status == THAW_OK && is_nested(&l, relative)) {
		c->nested++;
		if (!c->first_nested && !(c->first_nested = thaw_strdup(relative)))
			status = THAW_RESOURCE;
	}
	for (int64_t i = 0; status == THAW_OK && i < l.links.count; i++) {
		thaw_names_sort(&l.links, i);
		char *link = l.links.name[i];
		l.links.name[i] = NULL; /* the array may grow */
		status = follow_link(c, &l, link);
		thaw_free(link);
	}
	thaw_names_sort(&l.images, 0);
	for (int64_t i = 0; status == THAW_OK && i < l.images.count; i++)
		status = thaw_packed_names_add(&c->files, l.images.name[i]);
	thaw_listing_free(&l);
	return status;
}
