/* Lists the images of class folders, alone or together with other ranks. */
#include "src/data/list_images.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/wrong_folder.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define TEXT_SIZE     512 /* bytes of a list of skipped files in a message */
#define IDENTITY_SIZE 17  /* bytes of a digest in hex digits */

static bool is_annotation(const char *name)
{
	return strcasecmp(name, "labels") == 0 || strcasecmp(name, "annotations") == 0 ||
	       strcasecmp(name, "masks") == 0;
}

/* A class needs training images. In val/ and test/ its folder may be empty. */
static thaw_status fail_empty(const struct list_request *q, const char *class, const struct thaw_found *skipped,
			      struct thaw_found *found)
{
	char text[TEXT_SIZE];
	if (q->may_be_empty)
		return thaw_found_note(found, thaw_format("%s/ has no images: the class is not measured", class));
	char *folder = thaw_path_join(q->path, class);
	const char *form = folder ? thaw_known_form(folder) : NULL;
	thaw_free(folder);
	if (form)
		return thaw_fail(THAW_DATA, "class without images: %s/%s: %s", q->path, class, form);
	thaw_found_list_skipped(skipped, text, sizeof(text));
	return thaw_fail(THAW_DATA, "class without images: %s/%s: it contains %s: %s", q->path, class, text,
			 is_annotation(thaw_base_name(class))
				 ? "it seems to belong to a dataset for object detection; thaw needs one folder of "
				   "images per class"
				 : "add images or remove the folder");
}

static bool has_run_directory(const struct thaw_found *found)
{
	for (int i = 0; i < found->skipped_count; i++)
		if (strcmp(found->skipped[i].what, THAW_RUN_DIRECTORIES) == 0)
			return true;
	return false;
}

/* Appends the images of class c. */
static thaw_status list_class(struct listed *l, const struct list_request *q, int64_t c)
{
	struct class_images *images = &l->images;
	struct thaw_found *all = images->found, *here = thaw_found_create();
	int64_t before = images->files.count;
	if (!here)
		return THAW_RESOURCE;
	images->found = here;
	thaw_status status = thaw_class_images_add(images, q->classes->name[c]);
	images->found = all;
	bool empty = status == THAW_OK && images->files.count == before;
	bool runs = empty && has_run_directory(here);
	if (empty && !runs)
		status = fail_empty(q, q->classes->name[c], here, all);
	if (status == THAW_OK)
		status = thaw_found_merge(all, here);
	thaw_found_destroy(here);
	l->count[l->classes++] = runs ? LISTED_RUNS : images->files.count - before;
	l->linked |= images->followed_count > 0;
	return status;
}

static thaw_status list_classes(struct listed *l, const struct list_request *q, int64_t from, int64_t to)
{
	thaw_status status = thaw_listed_create(l, q->classes->count, q->path, q->all_classes);
	for (int64_t c = from; status == THAW_OK && c < to; c++)
		status = list_class(l, q, c);
	return status;
}

/* Digest of inodes and times of the class folders: those of one file system are the same on all nodes, those of copies
 * on the nodes' own disks are not. */
static uint64_t identity(const struct list_request *q)
{
	uint64_t digest = 0;
	for (int64_t c = 0; c < q->classes->count; c++) {
		struct stat s = {0};
		char *path = thaw_path_join(q->path, q->classes->name[c]);
		if (path && stat(path, &s) == 0) {
			const int64_t folder[] = {(int64_t)s.st_ino, s.st_mtim.tv_sec, s.st_mtim.tv_nsec};
			digest = thaw_digest(folder, sizeof(folder), digest);
		}
		thaw_free(path);
	}
	return digest;
}

/* The message of a rank: its identity, then its list. */
static thaw_status write_message(struct packed_names *message, const struct list_request *q, const struct listed *mine)
{
	char digest[IDENTITY_SIZE];
	snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)identity(q));
	THAW_TRY(thaw_packed_names_add(message, digest));
	return thaw_listed_write(mine, message);
}

/* Exchanges `mine`, this rank's classes, with the other ranks: *whole has all classes. *same: all ranks see the same
 * folders. */
static thaw_status exchange_lists(struct listed *whole, const struct list_request *q, const struct listed *mine,
				  bool *same)
{
	const struct thaw_share *share = q->share;
	struct packed_names message = {0};
	char *all = NULL;
	size_t *end = thaw_alloc((size_t)share->parts, sizeof(*end));
	thaw_status status = end ? write_message(&message, q, mine) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = share->exchange(share, message.text, message.bytes, &all, end);
	if (status == THAW_OK)
		status = thaw_listed_create(whole, q->classes->count, q->path, q->all_classes);
	for (int p = 0; status == THAW_OK && p < share->parts; p++) {
		size_t from = p > 0 ? end[p - 1] : 0, list = from + IDENTITY_SIZE;
		*same = *same && memcmp(all, all + from, IDENTITY_SIZE) == 0;
		if (*same)
			status = thaw_listed_read(whole, q->classes->count, all + list, end[p] - list);
	}
	if (status == THAW_OK && *same && whole->classes != q->classes->count)
		status = thaw_fail(THAW_CONFIG,
				   "ranks list different class folders: %s: give every rank the same --data", q->path);
	thaw_packed_names_free(&message);
	thaw_free(all);
	thaw_free(end);
	return status;
}

/* Each rank lists a part of the classes. Every rank lists all of them if the folders are not the same on all ranks,
 * whose images are compared later, and if there are links to folders: which of these are new depends on the classes
 * before. */
static thaw_status list_together(struct listed *l, const struct list_request *q)
{
	const struct thaw_share *share = q->share;
	int64_t classes = q->classes->count, part = share->part, parts = share->parts;
	struct listed mine = {0};
	bool same = true;
	thaw_status status = list_classes(&mine, q, classes * part / parts, classes * (part + 1) / parts);
	if (status == THAW_OK)
		status = exchange_lists(l, q, &mine, &same);
	thaw_listed_free(&mine);
	if (status != THAW_OK || (same && !l->linked))
		return status;
	thaw_listed_free(l);
	return list_classes(l, q, 0, classes);
}

thaw_status thaw_list_images(struct listed *l, const struct list_request *q)
{
	if (q->share && q->share->parts > 1)
		return list_together(l, q);
	return list_classes(l, q, 0, q->classes->count);
}
