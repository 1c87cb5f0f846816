/* Splits are folders, train/ and val/, or the names of shards, train-000000.tar and val-000000.tar. */
#include "src/data/tar_list.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/listing.h"
#include "src/data/split_names.h"
#include "src/data/tar_pattern.h"
#include "thaw/memory.h"

#define TAR_END ".tar"

void thaw_tar_list_free(struct tar_list *l)
{
	for (int s = 0; s <= TAR_SPLITS; s++)
		thaw_names_free(&l->shards[s]);
	thaw_free(l->root);
	*l = (struct tar_list){0};
}

static bool has_end(const char *name, const char *end)
{
	size_t length = strlen(name), n = strlen(end);
	return length > n && strcasecmp(name + length - n, end) == 0;
}

bool thaw_tar_is_named(const char *path)
{
	return has_end(path, TAR_END) && (thaw_path_is_file(path) || strchr(path, '{'));
}

static bool is_compressed(const char *name)
{
	static const char *const ends[] = {".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz", ".tar.lz4"};
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (has_end(name, ends[i]))
			return true;
	return false;
}

bool thaw_tar_has_compressed(const char *path)
{
	bool has = false;
	DIR *dir = opendir(path);
	for (const struct dirent *e; dir && !has && (e = readdir(dir));)
		has = is_compressed(e->d_name);
	if (dir)
		closedir(dir);
	return has;
}

/* Files that go with shards. */
static bool is_companion(const char *name)
{
	static const char *const names[] = {".lock",       "pack.json",  "classnames.txt",
					    "classes.txt", "labels.txt", "class_names.txt"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return has_end(name, ".tar.index");
}

/* What to do with one file of root/relative. `found` may be NULL. */
static thaw_status add_file(struct names *shards, char *path, const char *name, struct thaw_found *found)
{
	if (!path)
		return THAW_RESOURCE;
	if (has_end(name, TAR_END) && !thaw_is_system_name(name))
		return thaw_names_add(shards, path);
	thaw_status status = THAW_OK;
	if (found && is_compressed(name))
		status = thaw_found_skip(found, "compressed tar files (decompress them to use them)", path);
	else if (found && !is_companion(name))
		status = thaw_found_skip(
			found, thaw_is_system_name(name) ? "hidden or system files and folders" : "other files", path);
	thaw_free(path);
	return status;
}

/* Adds the tar files directly in root/relative. */
static thaw_status list_shards(struct names *shards, const char *root, const char *relative, struct thaw_found *found)
{
	char *folder = relative[0] ? thaw_path_join(root, relative) : thaw_strdup(root);
	DIR *dir = folder ? opendir(folder) : NULL;
	thaw_status status = !folder ? THAW_RESOURCE : THAW_OK;
	if (folder && !dir)
		status = thaw_fail(THAW_IO, "cannot list folder: %s: %s", folder, strerror(errno));
	for (const struct dirent *e; status == THAW_OK && (errno = 0, e = readdir(dir));) {
		if (!found && !has_end(e->d_name, TAR_END))
			continue; /* there may be many images, and each look at one takes time */
		char *path = thaw_path_join(folder, e->d_name);
		if (!path)
			status = THAW_RESOURCE;
		else if (thaw_path_is_file(path))
			status = add_file(shards, thaw_relative_join(relative, e->d_name), e->d_name, found);
		thaw_free(path);
	}
	if (dir)
		closedir(dir);
	thaw_free(folder);
	thaw_names_sort(shards, 0);
	return status;
}

/* Whether a folder beside shards may hold images: then the shards are archives of what was unpacked. */
static thaw_status has_images(bool *has, const char *root, const char *folder)
{
	struct listing l = {0};
	thaw_status status = thaw_list_once(&l, root, folder);
	*has = l.images.count > 0 || l.folders.count > 0;
	thaw_listing_free(&l);
	return status;
}

thaw_status thaw_tar_is_folder(bool *is, const char *path)
{
	struct listing l = {0};
	struct split_names how;
	struct names shards = {0};
	bool images = false;
	thaw_status status = list_shards(&shards, path, "", NULL);
	int64_t direct = shards.count;
	if (status == THAW_OK)
		status = thaw_list_once(&l, path, "");
	thaw_split_names_find(&how, &l.folders);
	for (int64_t i = 0; status == THAW_OK && !images && i < l.folders.count; i++) {
		const char *folder = l.folders.name[i];
		if (direct == 0 && thaw_split_by_name(&how, folder) < 0)
			continue;
		status = has_images(&images, path, folder);
		if (status == THAW_OK && !images && direct == 0)
			status = list_shards(&shards, path, folder, NULL);
	}
	char *record = thaw_path_join(path, "pack.json"); /* an unfinished packing may have no shards */
	*is = (shards.count > 0 || (record && thaw_path_is_file(record))) && !images && l.images.count == 0;
	thaw_free(record);
	thaw_listing_free(&l);
	thaw_names_free(&shards);
	return status;
}

/* Adds the shards in folders of splits. */
static thaw_status list_folders(struct tar_list *l, struct thaw_found *found)
{
	struct listing listing = {0};
	struct split_names how;
	thaw_status status = thaw_list_once(&listing, l->root, "");
	thaw_split_names_find(&how, &listing.folders);
	for (int64_t i = 0; status == THAW_OK && i < listing.folders.count; i++) {
		const char *folder = listing.folders.name[i];
		int split = thaw_split_by_name(&how, folder);
		if (split < 0)
			status = thaw_found_skip(found, "folders beside the splits", folder);
		else if (l->shards[split].count > 0)
			status = thaw_fail(THAW_CONFIG, "%s/ and the folder of %s are the same split: %s: rename one",
					   folder, l->shards[split].name[0], l->root);
		else
			status = list_shards(&l->shards[split], l->root, folder, found);
	}
	thaw_listing_free(&listing);
	return status;
}

bool thaw_tar_lane(const char *file, int *lane, int *lanes)
{
	const char *at = NULL, *next = thaw_base_name(file);
	int used = 0;
	while ((next = strstr(next, "-lane")))
		at = next++;
	return at && sscanf(at, "-lane%dof%d%n", lane, lanes, &used) == 2 && (at[used] == '-' || at[used] == '.') &&
	       *lane >= 0 && *lane < *lanes;
}

/* The name of a shard without what numbers it: "train" of train-000000.tar, train-00000-of-00010.tar and
 * train-lane0of8-000000.tar. */
static char *copy_prefix(const char *file)
{
	char *name = thaw_strdup(thaw_base_name(file)), *of;
	size_t length = name ? strlen(name) - strlen(TAR_END) : 0;
	int lane, lanes;
	if (!name)
		return NULL;
	if (thaw_tar_lane(file, &lane, &lanes) && (of = strstr(name, "-lane")))
		length = (size_t)(of - name);
	name[length] = '\0';
	if ((of = strstr(name, "-of-")) && strspn(of + 4, "0123456789") == strlen(of + 4))
		*of = '\0';
	length = strlen(name);
	while (length > 0 && isdigit((unsigned char)name[length - 1]))
		length--;
	while (length > 0 && strchr("-_.", name[length - 1]))
		length--;
	name[length] = '\0';
	return name;
}

/* Sorts the shards of one folder into splits by their names. Takes all strings of `shards`. */
static thaw_status split_by_names(struct tar_list *l, struct names *shards, struct thaw_found *found)
{
	struct names prefixes = {0};
	struct split_names how;
	thaw_status status = THAW_OK;
	bool splits = false;
	for (int64_t i = 0; status == THAW_OK && i < shards->count; i++)
		status = thaw_names_add(&prefixes, copy_prefix(shards->name[i]));
	thaw_split_names_find(&how, &prefixes);
	for (int64_t i = 0; status == THAW_OK && i < prefixes.count; i++)
		splits |= thaw_split_by_name(&how, prefixes.name[i]) >= 0;
	for (int64_t i = 0; status == THAW_OK && i < shards->count; i++) {
		int split = thaw_split_by_name(&how, prefixes.name[i]);
		char *name = shards->name[i];
		shards->name[i] = NULL;
		if (splits && split < 0) {
			status = thaw_found_skip(found, "tar files beside those of the splits", name);
			thaw_free(name);
		} else {
			status = thaw_names_add(&l->shards[splits ? split : TAR_FLAT], name);
		}
	}
	thaw_names_free(&prefixes);
	return status;
}

static thaw_status skip_folders(const char *path, struct thaw_found *found)
{
	struct listing l = {0};
	thaw_status status = thaw_list_once(&l, path, "");
	for (int64_t i = 0; status == THAW_OK && i < l.folders.count; i++)
		status = thaw_found_skip(found, "folders beside the tar files", l.folders.name[i]);
	thaw_listing_free(&l);
	return status;
}

thaw_status thaw_tar_list(struct tar_list *l, const char *path, struct thaw_found *found)
{
	struct names shards = {0};
	thaw_status status = THAW_OK;
	if (thaw_tar_is_named(path))
		status = thaw_tar_expand(&l->root, &shards, path);
	else if (!(l->root = thaw_strdup(path)))
		status = THAW_RESOURCE;
	else
		status = list_shards(&shards, path, "", found);
	if (status == THAW_OK && shards.count > 0 && !thaw_tar_is_named(path))
		status = skip_folders(path, found);
	if (status == THAW_OK)
		status = shards.count > 0 ? split_by_names(l, &shards, found) : list_folders(l, found);
	thaw_names_free(&shards);
	return status;
}

thaw_status thaw_tar_list_all(char **root, struct names *shards, const char *path)
{
	struct listing l = {0};
	if (thaw_tar_is_named(path))
		return thaw_tar_expand(root, shards, path);
	if (!(*root = thaw_strdup(path)))
		return THAW_RESOURCE;
	THAW_TRY(list_shards(shards, path, "", NULL));
	if (shards->count > 0)
		return THAW_OK;
	thaw_status status = thaw_list_once(&l, path, "");
	for (int64_t i = 0; status == THAW_OK && i < l.folders.count; i++)
		status = list_shards(shards, path, l.folders.name[i], NULL);
	thaw_listing_free(&l);
	return status;
}
