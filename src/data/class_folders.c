/* Lists class folders. */
#include "src/data/class_folders.h"

#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/wrong_folder.h"
#include "thaw/memory.h"

/* Whether the images of a link's target are read anyway. here: the real path of the folder; targets: those of its
 * folders. */
static bool is_read_anyway(const char *real, const char *here, const struct names *targets)
{
	if (thaw_path_is_inside(here, real))
		return true;
	for (int64_t i = 0; i < targets->count; i++)
		if (thaw_path_is_inside(real, targets->name[i]) || thaw_path_is_inside(targets->name[i], real))
			return true;
	return false;
}

/* Moves the link to the folders, or counts it as skipped. Takes ownership of `link`. */
static thaw_status add_link(struct listing *l, char *link, const char *root, const char *here, struct names *targets)
{
	char *real = thaw_path_real(root, link);
	const char *reason = !real                                 ? "links that lead nowhere"
			     : is_read_anyway(real, here, targets) ? "links to folders of the dataset"
								   : NULL;
	if (!reason) {
		thaw_status status = thaw_names_add(targets, real);
		return status == THAW_OK ? thaw_names_add(&l->folders, link) : (thaw_free(link), status);
	}
	thaw_status status = l->found ? thaw_found_skip(l->found, reason, link) : THAW_OK;
	thaw_free(real);
	thaw_free(link);
	return status;
}

/* Links whose images are not read anyway are class folders too. */
static thaw_status add_links(struct listing *l, const char *root, const char *relative)
{
	struct names targets = {0};
	if (l->links.count == 0)
		return THAW_OK;
	char *here = thaw_path_real(root, relative);
	thaw_status status = here ? THAW_OK : thaw_fail(THAW_IO, "cannot read folder: %s/%s", root, relative);
	for (int64_t i = 0; status == THAW_OK && i < l->folders.count; i++)
		status = thaw_names_add(&targets, thaw_path_real(root, l->folders.name[i]));
	thaw_names_sort(&l->links, 0);
	for (int64_t i = 0; status == THAW_OK && i < l->links.count; i++) {
		char *link = l->links.name[i];
		l->links.name[i] = NULL;
		status = add_link(l, link, root, here, &targets);
	}
	thaw_names_free(&targets);
	thaw_free(here);
	return status;
}

thaw_status thaw_list_classes(struct names *classes, const char *root, const char *relative, struct thaw_found *found)
{
	struct listing l = {.found = found, .names_only = true};
	thaw_status status = thaw_list_folder(&l, root, relative);
	if (status == THAW_OK)
		status = add_links(&l, root, relative);
	thaw_names_sort(&l.folders, 0);
	if (status == THAW_OK && l.folders.count == 0)
		status = thaw_fail_no_classes(root, relative, l.images.count);
	for (int64_t i = 0; found && status == THAW_OK && i < l.images.count; i++)
		status = thaw_found_skip(found, "images outside of the class folders", l.images.name[i]);
	if (status == THAW_OK)
		status = thaw_names_move(classes, &l.folders);
	thaw_listing_free(&l);
	return status;
}
