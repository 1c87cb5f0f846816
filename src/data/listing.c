/* Lists one folder. Only names are read where they suffice: names with the extension of an image count as images
 * without opening a file, since a dataset may have millions of files on a network file system. */
#include "src/data/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/image.h"
#include "thaw/memory.h"

#define KIND_SIZE 128 /* bytes of a kind of file */

enum entry { ENTRY_OTHER, ENTRY_FILE, ENTRY_FOLDER, ENTRY_LINKED_FOLDER, ENTRY_DANGLING };

bool thaw_is_system_name(const char *name)
{
	static const char *const names[] = {"@eaDir",    "@Recycle",    "#recycle",     "#snapshot",
					    "__MACOSX",  "lost+found",  "$RECYCLE.BIN", "System Volume Information",
					    "Thumbs.db", "desktop.ini", "__pycache__",  "ehthumbs.db"};
	if (name[0] == '.')
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Copies by editors and unfinished downloads: what is in them is in another file too, or is not complete. */
static bool is_backup(const char *name)
{
	static const char *const endings[] = {"~", ".bak", ".crdownload", ".download", ".part", ".partial", ".tmp"};
	size_t length = strlen(name);
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t n = strlen(endings[i]);
		if (length > n && strcasecmp(name + length - n, endings[i]) == 0)
			return true;
	}
	return false;
}

/* The type of a directory entry. Using d_type, where it is known, saves a stat per file: minutes for a large dataset on
 * a network file system. */
static enum entry entry_kind(int folder, const struct dirent *e)
{
	struct stat s;
	bool link = e->d_type == DT_LNK;
	if (e->d_type == DT_REG)
		return ENTRY_FILE;
	if (e->d_type == DT_DIR)
		return ENTRY_FOLDER;
	if (e->d_type == DT_UNKNOWN && fstatat(folder, e->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0)
		link = S_ISLNK(s.st_mode);
	if (fstatat(folder, e->d_name, &s, 0) != 0) /* else removed meanwhile */
		return link ? ENTRY_DANGLING : ENTRY_OTHER;
	if (S_ISDIR(s.st_mode))
		return link ? ENTRY_LINKED_FOLDER : ENTRY_FOLDER;
	return S_ISREG(s.st_mode) ? ENTRY_FILE : ENTRY_OTHER;
}

static bool has_file(int folder, const char *inner, const char *file)
{
	char path[NAME_MAX + 32];
	snprintf(path, sizeof(path), "%s/%s", inner, file);
	return faccessat(folder, path, F_OK, 0) == 0;
}

/* A folder that thaw train or thaw advise wrote. A run that was stopped at once has a lock but no metrics yet. */
static bool is_run_directory(int folder, const char *name)
{
	return has_file(folder, name, "advice.json") ||
	       (has_file(folder, name, "config.json") &&
		(has_file(folder, name, "metrics.jsonl") || has_file(folder, name, ".lock")));
}

/* "an AVIF image" becomes "AVIF images", "a Git LFS pointer, not ..." becomes "Git LFS pointers". */
static void name_foreign_kind(char *kind, size_t size, const char *foreign)
{
	const char *noun = strchr(foreign, ' ');
	noun = noun ? noun + 1 : foreign;
	snprintf(kind, size, "%.*ss%s", (int)strcspn(noun, ","), noun,
		 strstr(foreign, "image") ? ", which thaw does not read (convert them to JPEG or PNG)" : "");
}

/* Looks at the first bytes. *kind: of a file that is skipped; unchanged for an image. Opened without blocking: the name
 * may have become a pipe. */
static bool is_image(int folder, const char *name, char *kind, size_t size)
{
	uint8_t head[THAW_IMAGE_HEAD];
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? read(fd, head, sizeof(head)) : -1;
	if (fd >= 0)
		close(fd);
	const char *format = n > 0 ? thaw_image_format_name(head, (size_t)n) : NULL;
	bool raw = format && strcmp(format, "TIFF") == 0 && thaw_image_raw_extension(name);
	if (format && !raw)
		return true;
	const char *foreign = raw ? "a camera raw image" : n > 0 ? thaw_image_foreign_name(head, (size_t)n) : NULL;
	if (foreign)
		name_foreign_kind(kind, size, foreign);
	else
		snprintf(kind, size, n < 0 ? "unreadable files" : n == 0 ? "empty files" : "other files");
	return false;
}

/* Adds a file; takes ownership of `path`, which is not NULL. */
static thaw_status add_file(struct listing *l, int folder, const char *name, char *path)
{
	char kind[KIND_SIZE];
	bool image = thaw_image_extension(name);
	bool look = l->found && !l->names_only;
	if (!image && look)
		image = is_image(folder, name, kind, sizeof(kind));
	if (image)
		return thaw_names_add(&l->images, path);
	thaw_status status = look ? thaw_found_skip(l->found, kind, path) : THAW_OK;
	thaw_free(path);
	return status;
}

static thaw_status skip_entry(struct listing *l, const char *what, char *path)
{
	thaw_status status = l->found ? thaw_found_skip(l->found, what, path) : THAW_OK;
	thaw_free(path);
	return status;
}

/* Takes ownership of `path`. */
static thaw_status add_entry(struct listing *l, int folder, const struct dirent *e, char *path)
{
	if (!path)
		return THAW_RESOURCE;
	if (thaw_is_system_name(e->d_name))
		return skip_entry(l, "hidden or system files and folders", path);
	enum entry kind = entry_kind(folder, e);
	if ((kind == ENTRY_FOLDER || kind == ENTRY_LINKED_FOLDER) && is_run_directory(folder, e->d_name))
		return skip_entry(l, THAW_RUN_DIRECTORIES, path);
	switch (kind) {
	case ENTRY_FILE:
		if (is_backup(e->d_name))
			return skip_entry(l, "backups and unfinished downloads", path);
		return add_file(l, folder, e->d_name, path);
	case ENTRY_FOLDER:
		return thaw_names_add(&l->folders, path);
	case ENTRY_LINKED_FOLDER:
		return thaw_names_add(&l->links, path);
	case ENTRY_DANGLING:
		return skip_entry(l, "links that lead nowhere", path);
	case ENTRY_OTHER:
		break;
	}
	return skip_entry(l, "pipes, sockets or devices", path);
}

thaw_status thaw_list_folder(struct listing *l, const char *root, const char *relative)
{
	thaw_status status = THAW_OK;
	struct dirent *e;
	char *path = relative[0] == '\0' ? thaw_strdup(root) : thaw_path_join(root, relative);
	if (!path)
		return THAW_RESOURCE;
	DIR *dir = opendir(path);
	if (!dir)
		status = thaw_fail(THAW_IO, "cannot list folder: %s: %s", path, strerror(errno));
	while (status == THAW_OK && (errno = 0, e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			status = add_entry(l, dirfd(dir), e, thaw_relative_join(relative, e->d_name));
	if (status == THAW_OK && errno != 0)
		status = thaw_fail(THAW_IO, "cannot list folder: %s: %s", path, strerror(errno));
	if (dir)
		closedir(dir);
	thaw_free(path);
	return status;
}

void thaw_listing_free(struct listing *l)
{
	thaw_names_free(&l->folders);
	thaw_names_free(&l->links);
	thaw_names_free(&l->images);
}

thaw_status thaw_list_once(struct listing *l, const char *root, const char *relative)
{
	THAW_TRY(thaw_list_folder(l, root, relative));
	for (int64_t i = 0; i < l->links.count; i++) {
		char *link = l->links.name[i];
		l->links.name[i] = NULL;
		THAW_TRY(thaw_names_add(&l->folders, link));
	}
	thaw_names_sort(&l->folders, 0);
	return THAW_OK;
}
