/* Images that disappear while a run is interrupted must not change which sample is in which lane, or which images are
 * held out. So a run keeps the list of names that it began with. */
#include "src/data/known_images.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/data/found.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define FIRST_ROOM ((size_t)64 << 10) /* bytes */

/* A walk through the known names. */
struct walk {
	const struct thaw_image_names *known;
	const char *at; /* the next name; the end of the text after the last one */
};

/* A list of names that is replaced by another one. */
struct replacement {
	struct packed_names files; /* the new list */
	struct names *missing;
	int64_t added;                       /* listed images that are not known */
	struct thaw_image_names *added_list; /* receives them; NULL: they are an error */
	const char *first_added;
};

void thaw_image_names_free(struct thaw_image_names *names)
{
	thaw_free(names->text);
	*names = (struct thaw_image_names){0};
}

static const char *end_of(const struct thaw_image_names *list)
{
	return list->text + list->bytes;
}

static const char *next(const char *name)
{
	return name + strlen(name) + 1;
}

static bool contains(const struct thaw_image_names *list, const char *name)
{
	for (const char *at = list->text; list->bytes > 0 && at < end_of(list); at = next(at))
		if (strcmp(at, name) == 0)
			return true;
	return false;
}

static thaw_status append(struct thaw_image_names *list, const char *name)
{
	size_t bytes = strlen(name) + 1;
	if (list->room - list->bytes < bytes) {
		size_t room = max_size(2 * list->room, list->bytes + bytes + FIRST_ROOM);
		char *text = thaw_alloc(room, 1);
		if (!text)
			return THAW_RESOURCE;
		if (list->bytes > 0)
			memcpy(text, list->text, list->bytes);
		thaw_free(list->text);
		list->text = text;
		list->room = room;
	}
	memcpy(list->text + list->bytes, name, bytes);
	list->bytes += bytes;
	return THAW_OK;
}

thaw_status thaw_known_images_add(struct thaw_image_names *list, const struct packed_names *files)
{
	if (files->count == 0 || contains(list, thaw_packed_name(files, 0)))
		return THAW_OK;
	for (int64_t i = 0; i < files->count; i++)
		THAW_TRY(append(list, thaw_packed_name(files, i)));
	return THAW_OK;
}

static bool is_below(const char *name, const char *folder)
{
	size_t length = strlen(folder);
	return strncmp(name, folder, length) == 0 && name[length] == '/';
}

/* Moves to the first known name below the folder, or to the end. The classes come in the order in which they were
 * listed, so it usually is the next name. */
static void find_folder(struct walk *w, const char *folder)
{
	const char *from = w->at;
	while (w->at < end_of(w->known) && !is_below(w->at, folder))
		w->at = next(w->at);
	if (w->at < end_of(w->known))
		return;
	w->at = w->known->text;
	while (w->at < from && !is_below(w->at, folder))
		w->at = next(w->at);
	if (w->at >= from)
		w->at = end_of(w->known);
}

static thaw_status note_added(struct replacement *r, const char *name)
{
	if (r->added++ == 0)
		r->first_added = name;
	return r->added_list ? append(r->added_list, name) : THAW_OK;
}

/* Both lists are sorted within a class: merges the known names below the folder with the listed ones from `i` to
 * `end`. */
static thaw_status replace_class(struct replacement *r, struct walk *w, const char *folder,
				 const struct packed_names *listed, int64_t i, int64_t end)
{
	for (find_folder(w, folder); w->at < end_of(w->known) && is_below(w->at, folder); w->at = next(w->at)) {
		for (; i < end && strcmp(thaw_packed_name(listed, i), w->at) < 0; i++)
			THAW_TRY(note_added(r, thaw_packed_name(listed, i)));
		bool is_listed = i < end && strcmp(thaw_packed_name(listed, i), w->at) == 0;
		i += is_listed;
		THAW_TRY(thaw_packed_names_add(&r->files, w->at));
		if (!is_listed)
			THAW_TRY(thaw_names_add(r->missing, thaw_strdup(w->at)));
	}
	for (; i < end; i++)
		THAW_TRY(note_added(r, thaw_packed_name(listed, i)));
	return THAW_OK;
}

thaw_status thaw_known_images_apply(struct packed_names *files, int64_t *end, const struct names *classes,
				    const struct thaw_dataset_options *options, struct names *missing)
{
	struct replacement r = {.missing = missing, .added_list = options->added};
	struct walk w = {options->known, options->known->text};
	int64_t begin = 0;
	thaw_status status = THAW_OK;
	for (int64_t c = 0; c < classes->count && status == THAW_OK; c++) {
		status = replace_class(&r, &w, classes->name[c], files, begin, end[c]);
		begin = end[c];
		end[c] = r.files.count;
	}
	if (status == THAW_OK && r.added > 0 && !options->added)
		status = thaw_fail(THAW_CONFIG,
				   "%lld image%s added since the run began: %s%s: take %s out, or give --out another "
				   "folder",
				   (long long)r.added, r.added == 1 ? " was" : "s were", r.first_added,
				   r.added == 1 ? "" : " and others", r.added == 1 ? "it" : "them");
	if (status != THAW_OK) {
		thaw_packed_names_free(&r.files);
		return status;
	}
	thaw_packed_names_free(files);
	*files = r.files;
	thaw_names_sort(missing, 0);
	return THAW_OK;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

thaw_status thaw_known_images_report(struct thaw_found *found, const struct packed_names *files,
				     const struct names *missing)
{
	const char *first = NULL;
	for (int64_t i = 0; missing->count > 0 && i < files->count; i++) {
		const char *name = thaw_packed_name(files, i);
		if (!bsearch(&name, missing->name, (size_t)missing->count, sizeof(*missing->name), compare_names))
			continue;
		first = found->missing++ == 0 ? name : first;
		found->missing_digest = thaw_digest(name, strlen(name) + 1, found->missing_digest);
	}
	if (found->missing == 0)
		return THAW_OK;
	return thaw_found_note(found, thaw_format("%lld of the %s images that the run began with %s missing and "
						  "skipped (first: %s)",
						  (long long)found->missing, thaw_split_kind(found->split),
						  found->missing == 1 ? "is" : "are", first));
}
