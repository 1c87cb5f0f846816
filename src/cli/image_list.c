#include "src/cli/image_list.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/try.h"
#include "src/cli/log.h"
#include "thaw/file.h"
#include "thaw/image.h"
#include "thaw/memory.h"

#define FIRST_ROOM 64  /* entries */
#define SNIFFED    512 /* bytes of a file that are read to recognise it */

static thaw_status append(struct image_list *l, const char *path)
{
	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : FIRST_ROOM;
		char **larger = thaw_alloc(room, sizeof(*larger));
		if (!larger)
			return THAW_RESOURCE;
		if (l->count)
			memcpy(larger, l->paths, l->count * sizeof(*larger));
		thaw_free(l->paths);
		l->paths = larger;
		l->room = room;
	}
	l->paths[l->count] = thaw_strdup(path);
	return l->paths[l->count++] ? THAW_OK : THAW_RESOURCE;
}

/* A file that cannot be read counts as an image: it is reported when it is used. */
static bool is_image(const char *path)
{
	char start[SNIFFED];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? read(fd, start, sizeof(start)) : -1;
	if (fd >= 0)
		close(fd);
	return n < 0 || thaw_image_recognised(start, (size_t)n);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static thaw_status visit(struct image_list *l, FTS *walk, FTSENT *entry)
{
	bool hidden = entry->fts_level > FTS_ROOTLEVEL && entry->fts_name[0] == '.';
	switch (entry->fts_info) {
	case FTS_D:
		if (hidden)
			fts_set(walk, entry, FTS_SKIP);
		return THAW_OK;
	case FTS_F:
	case FTS_DEFAULT:
	case FTS_SLNONE:
		if (hidden)
			return THAW_OK;
		if (entry->fts_info == FTS_F && is_image(entry->fts_path))
			return append(l, entry->fts_path);
		if (l->skipped++ == 0 && !(l->first_skipped = thaw_strdup(entry->fts_path)))
			return THAW_RESOURCE;
		return THAW_OK;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return thaw_fail(THAW_IO, "cannot read: %s: %s", entry->fts_path, strerror(entry->fts_errno));
	default: /* the end of a folder, or one that was visited before */
		return THAW_OK;
	}
}

static thaw_status add_folder(struct image_list *l, const char *path)
{
	size_t before = l->count;
	char *copy = thaw_strdup(path);
	char *roots[] = {copy, NULL};
	FTS *walk = copy ? fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name) : NULL;
	thaw_status status = walk ? THAW_OK : thaw_fail(THAW_IO, "cannot read: %s: %s", path, strerror(errno));
	for (FTSENT *entry; status == THAW_OK && (entry = fts_read(walk)) != NULL;)
		status = visit(l, walk, entry);
	if (walk)
		fts_close(walk);
	thaw_free(copy);
	if (status == THAW_OK && l->count == before)
		status = thaw_fail(THAW_IO,
				   "no images in the folder: %s: give a folder with image files, or the files; "
				   "thaw eval reads datasets in IDX and CIFAR files and tar shards",
				   path);
	return status;
}

thaw_status image_list_fill(struct image_list *l, char *const *arguments, int count)
{
	for (int i = 0; i < count; i++)
		THAW_TRY(thaw_path_is_directory(arguments[i]) ? add_folder(l, arguments[i]) : append(l, arguments[i]));
	return THAW_OK;
}

void image_list_log(const struct image_list *list, const struct thaw_comm *comm)
{
	if (list->skipped > 0)
		log_line(comm, "not images, skipped: %zu file%s, such as %s", list->skipped,
			 list->skipped == 1 ? "" : "s", list->first_skipped);
}

void image_list_release(struct image_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		thaw_free(l->paths[i]);
	thaw_free(l->paths);
	thaw_free(l->first_skipped);
	*l = (struct image_list){0};
}
