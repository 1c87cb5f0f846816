/* Folders are listed, each once: to ask for each of a million files would take a million round trips to a file server.
 */
#include "src/data/manifest_paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/io_error.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/image.h"
#include "src/data/names.h"
#include "thaw/memory.h"

/* Files by name, and images by the part of their name before the extension. */
struct file_table {
	struct intern names, stems, folders;
	int64_t *folder;  /* [room] of a name: the number of its folder, relative to the root */
	bool *again;      /* [room] of a name: it is in several folders */
	int64_t *name_of; /* [room] of a stem: the number of the name */
	bool *stem_again; /* [room] of a stem: several names have it */
	int64_t room;
	bool by_stem; /* stems are wanted: some paths lack an extension */
};

/* The search, and what it found. */
struct search {
	struct manifest_files *f;
	struct manifest_search *of;
	const char *root;
	int64_t count;
	struct intern folders;            /* of the paths */
	int64_t *start;                   /* [folders + 2] */
	int64_t *order;                   /* [count] by folder */
	bool by_stem;                     /* some paths have no extension of an image */
	int64_t extended, first_extended; /* found with an extension that the manifest lacks */
	int64_t below, first_below;       /* found in folders below the root */
};

static void free_table(struct file_table *t)
{
	thaw_intern_free(&t->names);
	thaw_intern_free(&t->stems);
	thaw_intern_free(&t->folders);
	thaw_free(t->folder);
	thaw_free(t->again);
	thaw_free(t->name_of);
	thaw_free(t->stem_again);
	*t = (struct file_table){0};
}

static thaw_status grow_table(struct file_table *t)
{
	if (t->names.count < t->room)
		return THAW_OK;
	int64_t room = t->room == 0 ? 256 : 2 * t->room;
	int64_t *folder = thaw_alloc((size_t)room, sizeof(*folder));
	bool *again = thaw_alloc((size_t)room, sizeof(*again));
	int64_t *name_of = thaw_alloc((size_t)room, sizeof(*name_of));
	bool *stem_again = thaw_alloc((size_t)room, sizeof(*stem_again));
	thaw_status status = folder && again && name_of && stem_again ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && t->room > 0) {
		memcpy(folder, t->folder, (size_t)t->room * sizeof(*folder));
		memcpy(again, t->again, (size_t)t->room * sizeof(*again));
		memcpy(name_of, t->name_of, (size_t)t->room * sizeof(*name_of));
		memcpy(stem_again, t->stem_again, (size_t)t->room * sizeof(*stem_again));
	}
	thaw_free(status == THAW_OK ? t->folder : folder);
	thaw_free(status == THAW_OK ? t->again : again);
	thaw_free(status == THAW_OK ? t->name_of : name_of);
	thaw_free(status == THAW_OK ? t->stem_again : stem_again);
	THAW_TRY(status);
	t->folder = folder;
	t->again = again;
	t->name_of = name_of;
	t->stem_again = stem_again;
	t->room = room;
	return THAW_OK;
}

static thaw_status add_file(struct file_table *t, const char *name, int64_t folder)
{
	char stem[NAME_MAX + 1];
	int64_t number, before = t->names.count, stems = t->stems.count, stem_number;
	THAW_TRY(grow_table(t));
	THAW_TRY(thaw_intern(&t->names, name, &number));
	if (number < before) {
		t->again[number] = true;
		return THAW_OK;
	}
	t->folder[number] = folder;
	if (!t->by_stem || !thaw_image_extension(name))
		return THAW_OK;
	snprintf(stem, sizeof(stem), "%.*s", (int)(strrchr(name, '.') - name), name);
	THAW_TRY(thaw_intern(&t->stems, stem, &stem_number));
	if (stem_number < stems)
		t->stem_again[stem_number] = true;
	else
		t->name_of[stem_number] = number;
	return THAW_OK;
}

/* root/relative; a path from the top stays as it is. */
static char *join(const char *root, const char *relative)
{
	return relative[0] == '/' || root[0] == '\0' ? thaw_strdup(relative)
	       : relative[0] == '\0'                 ? thaw_strdup(root)
						     : thaw_path_join(root, relative);
}

/* Links to folders are not followed: they may lead in circles. */
static bool is_folder(int directory, const struct dirent *e)
{
	struct stat st;
	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(directory, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static thaw_status add_entry(struct file_table *t, DIR *dir, const struct dirent *e, int64_t folder, bool below)
{
	int64_t number;
	if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || (below && e->d_name[0] == '.'))
		return THAW_OK;
	if (!below || !is_folder(dirfd(dir), e))
		return add_file(t, e->d_name, folder);
	char *inner = thaw_relative_join(thaw_intern_text(&t->folders, folder), e->d_name);
	thaw_status status = inner ? thaw_intern(&t->folders, inner, &number) : THAW_RESOURCE;
	thaw_free(inner);
	return status;
}

/* Adds the files of a folder; below: those below it are appended to t->folders. A missing folder has no files. */
static thaw_status list_folder(struct file_table *t, const char *root, int64_t folder, bool below)
{
	struct dirent *e;
	thaw_status status = THAW_OK;
	char *path = join(root, thaw_intern_text(&t->folders, folder));
	if (!path)
		return THAW_RESOURCE;
	DIR *dir = opendir(path[0] ? path : ".");
	if (!dir)
		status = errno == ENOENT || errno == ENOTDIR ? THAW_OK : thaw_fail_io("cannot list folder", path);
	while (dir && status == THAW_OK && (errno = 0, e = readdir(dir)))
		status = add_entry(t, dir, e, folder, below);
	if (dir && status == THAW_OK && errno != 0)
		status = thaw_fail_io("cannot list folder", path);
	if (dir)
		closedir(dir);
	thaw_free(path);
	return status;
}

static const char *path_of(const struct search *s, int64_t i)
{
	return thaw_manifest_search_path(s->of, i);
}

static thaw_status fail_several(const struct search *s, int64_t i, const char *example)
{
	return thaw_fail(
		THAW_DATA,
		"several files fit \"%.200s\": %s: line %lld: one is %.100s: give the path with its folder and "
		"extension",
		path_of(s, i), s->of->m->file, thaw_manifest_search_line(s->of, i), example);
}

/* Records that path i leads to folder/name. */
static thaw_status set_file(struct search *s, int64_t i, const char *folder, const char *name)
{
	size_t offset;
	if (!s->f->offset && !(s->f->offset = thaw_alloc((size_t)s->count, sizeof(*s->f->offset))))
		return THAW_RESOURCE;
	char *path = thaw_relative_join(folder, name);
	thaw_status status = path ? thaw_arena_add(&s->f->text, path, strlen(path), &offset) : THAW_RESOURCE;
	thaw_free(path);
	if (status == THAW_OK)
		s->f->offset[i] = offset + 1;
	return status;
}

/* Looks for path i in the table of its folder, or of all folders below the root. */
static thaw_status look_up(struct search *s, const struct file_table *t, int64_t i, bool below)
{
	const char *base = thaw_base_name(path_of(s, i));
	int64_t name = thaw_intern_find(&t->names, base);
	if (name < 0) {
		int64_t stem = thaw_intern_find(&t->stems, base);
		if (stem < 0)
			return THAW_OK;
		name = t->name_of[stem];
		if (t->stem_again[stem])
			return fail_several(s, i, thaw_intern_text(&t->names, name));
		s->first_extended = s->extended++ == 0 ? i : s->first_extended;
	} else if (!below) {
		s->of->found[i] = true;
		return THAW_OK;
	}
	const char *folder = thaw_intern_text(&t->folders, t->folder[name]);
	if (t->again[name])
		return fail_several(s, i, folder);
	if (below)
		s->first_below = s->below++ == 0 ? i : s->first_below;
	s->of->found[i] = true;
	return set_file(s, i, folder, thaw_intern_text(&t->names, name));
}

/* Sorts the paths by folder. */
static thaw_status order_paths(struct search *s)
{
	int64_t *folder = thaw_alloc((size_t)s->count, sizeof(*folder));
	thaw_status status = folder ? THAW_OK : THAW_RESOURCE;
	s->order = thaw_alloc((size_t)s->count, sizeof(*s->order));
	for (int64_t i = 0; status == THAW_OK && i < s->count; i++) {
		const char *path = path_of(s, i), *base = thaw_base_name(path);
		s->by_stem |= !thaw_image_extension(base);
		size_t length = base > path + 1 ? (size_t)(base - path) - 1 : (size_t)(base - path); /* "/" stays */
		char *name = thaw_format("%.*s", (int)length, path);
		status = name ? thaw_intern(&s->folders, name, &folder[i]) : THAW_RESOURCE;
		thaw_free(name);
	}
	if (status == THAW_OK)
		s->start = thaw_alloc((size_t)s->folders.count + 2, sizeof(*s->start));
	if (!s->order || !s->start)
		status = THAW_RESOURCE;
	for (int64_t i = 0; status == THAW_OK && i < s->count; i++)
		s->start[folder[i] + 2]++;
	for (int64_t k = 0; status == THAW_OK && k < s->folders.count; k++)
		s->start[k + 2] += s->start[k + 1];
	for (int64_t i = 0; status == THAW_OK && i < s->count; i++)
		s->order[s->start[folder[i] + 1]++] = i;
	thaw_free(folder);
	return status;
}

static thaw_status search_folder(struct search *s, int64_t folder)
{
	struct file_table t = {.by_stem = s->by_stem};
	int64_t number;
	thaw_status status = thaw_intern(&t.folders, thaw_intern_text(&s->folders, folder), &number);
	if (status == THAW_OK)
		status = list_folder(&t, s->root, 0, false);
	for (int64_t k = s->start[folder]; status == THAW_OK && k < s->start[folder + 1]; k++)
		status = look_up(s, &t, s->order[k], false);
	free_table(&t);
	return status;
}

/* Names alone that are not in the root itself: published sets often divide images into folders beside one list. */
static thaw_status search_below(struct search *s)
{
	struct file_table t = {.by_stem = s->by_stem};
	int64_t number, flat = 0;
	for (int64_t i = 0; i < s->count; i++)
		flat += !s->of->found[i] && !strchr(path_of(s, i), '/');
	if (flat == 0)
		return THAW_OK;
	thaw_status status = thaw_intern(&t.folders, "", &number);
	for (int64_t k = 0; status == THAW_OK && k < t.folders.count; k++)
		status = list_folder(&t, s->root, k, true);
	for (int64_t i = 0; status == THAW_OK && i < s->count; i++)
		if (!s->of->found[i] && !strchr(path_of(s, i), '/'))
			status = look_up(s, &t, i, true);
	free_table(&t);
	return status;
}

/* Paths that led to another name than their own must not lead to the image of another row. */
static thaw_status find_repeats(const struct search *s)
{
	const struct manifest_rows *m = s->of->m;
	struct intern files = {0};
	int64_t number, *row = thaw_alloc((size_t)s->count, sizeof(*row));
	thaw_status status = row ? THAW_OK : THAW_RESOURCE;
	for (int64_t i = 0; status == THAW_OK && s->f->offset && i < s->count; i++) {
		if (s->f->offset[i] == 0)
			continue;
		const int64_t before = files.count;
		const char *file = s->f->text.text + s->f->offset[i] - 1;
		int64_t other = thaw_intern_find(&m->paths, file);
		status = other >= 0 ? thaw_manifest_search_fail_same(m, other, s->of->rows[i])
				    : thaw_intern(&files, file, &number);
		if (status == THAW_OK && number < before)
			status = thaw_manifest_search_fail_same(m, row[number], s->of->rows[i]);
		else if (status == THAW_OK)
			row[number] = s->of->rows[i];
	}
	thaw_intern_free(&files);
	thaw_free(row);
	return status;
}

static thaw_status note(const struct search *s, struct thaw_found *found)
{
	if (s->extended > 0)
		THAW_TRY(thaw_found_note(found,
					 thaw_format("%lld paths of the manifest lack the extension of their file "
						     "(first: %s)",
						     (long long)s->extended, path_of(s, s->first_extended))));
	if (s->below > 0)
		THAW_TRY(thaw_found_note(found, thaw_format("%lld images were found by their names in folders below %s "
							    "(first: %s)",
							    (long long)s->below, s->root[0] ? s->root : ".",
							    path_of(s, s->first_below))));
	return THAW_OK;
}

thaw_status thaw_manifest_paths_find(struct manifest_files *f, struct thaw_found *found, const char *root,
				     struct manifest_search *s)
{
	struct search search = {.f = f, .of = s, .root = root, .count = s->count};
	thaw_status status = order_paths(&search);
	for (int64_t k = 0; status == THAW_OK && k < search.folders.count; k++)
		status = search_folder(&search, k);
	if (status == THAW_OK)
		status = search_below(&search);
	if (status == THAW_OK)
		status = find_repeats(&search);
	if (status == THAW_OK)
		status = note(&search, found);
	thaw_intern_free(&search.folders);
	thaw_free(search.start);
	thaw_free(search.order);
	return status;
}

void thaw_manifest_files_free(struct manifest_files *f)
{
	thaw_arena_free(&f->text);
	thaw_free(f->offset);
	*f = (struct manifest_files){0};
}
