/* Lists the images of class folders, alone or together with other ranks. */
#include "src/data/list_images.h"

#include <string.h>
#include <strings.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/wrong_folder.h"
#include "thaw/memory.h"

#define TEXT_SIZE 512 /* bytes of a list of skipped files in a message */

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

/* Exchanges `mine`, this rank's classes, with the other ranks: *whole has all classes. */
static thaw_status exchange_lists(struct listed *whole, const struct list_request *q, const struct listed *mine)
{
	const struct thaw_share *share = q->share;
	struct packed_names message = {0};
	char *all = NULL;
	size_t *end = thaw_alloc((size_t)share->parts, sizeof(*end));
	thaw_status status = end ? thaw_listed_write(mine, &message) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = share->exchange(share, message.text, message.bytes, &all, end);
	if (status == THAW_OK)
		status = thaw_listed_create(whole, q->classes->count, q->path, q->all_classes);
	for (int p = 0; status == THAW_OK && p < share->parts; p++) {
		size_t from = p > 0 ? end[p - 1] : 0;
		status = thaw_listed_read(whole, q->classes->count, all + from, end[p] - from);
	}
	if (status == THAW_OK && whole->classes != q->classes->count)
		status = thaw_fail(THAW_CONFIG,
				   "ranks list different class folders: %s: give every rank the same --data", q->path);
	thaw_packed_names_free(&message);
	thaw_free(all);
	thaw_free(end);
	return status;
}

/* Each rank lists a part of the classes. Which linked folders are new depends on the classes before, so with such links
 * every rank lists all. */
static thaw_status list_together(struct listed *l, const struct list_request *q)
{
	const struct thaw_share *share = q->share;
	int64_t classes = q->classes->count, part = share->part, parts = share->parts;
	struct listed mine = {0};
	thaw_status status = list_classes(&mine, q, classes * part / parts, classes * (part + 1) / parts);
	if (status == THAW_OK)
		status = exchange_lists(l, q, &mine);
	thaw_listed_free(&mine);
	if (status != THAW_OK || !l->linked)
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
