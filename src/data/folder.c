/* One folder of images per class: either train/ and val/ or test/ with class folders in each, or class folders only, of
 * which a fraction is held out for testing.
 *
 * Opening reads only names. They are sorted bytewise, so the order of samples does not depend on machine or locale.
 * Files are opened on demand. Symbolic links to files and to class folders are followed; links to folders inside a
 * class are not, since they may form a cycle or point to another class. */
#include "src/data/dataset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/minmax.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/image.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define FILE_LIMIT ((size_t)512 << 20) /* bytes of one image file */
#define FIRST_ROOM 64                  /* entries */

/* A growing array of owned strings. */
struct names {
	char **name;
	int64_t count, room;
};

struct folder {
	char *path;         /* of the dataset */
	struct names files; /* by sample, relative to `path` */
};

static void names_free(struct names *n)
{
	for (int64_t i = 0; i < n->count; i++)
		thaw_free(n->name[i]);
	thaw_free(n->name);
	*n = (struct names){0};
}

/* Takes ownership of `name`, also on failure. A NULL name counts as a failed allocation. */
static thaw_status names_add(struct names *n, char *name)
{
	if (!name)
		return THAW_RESOURCE;
	if (n->count == n->room) {
		int64_t room = n->room == 0 ? FIRST_ROOM : 2 * n->room;
		char **grown = thaw_alloc((size_t)room, sizeof(char *));
		if (!grown) {
			thaw_free(name);
			return THAW_RESOURCE;
		}
		if (n->count > 0)
			memcpy(grown, n->name, (size_t)n->count * sizeof(char *));
		thaw_free(n->name);
		n->name = grown;
		n->room = room;
	}
	n->name[n->count++] = name;
	return THAW_OK;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_sort(struct names *n, int64_t from)
{
	if (n->count - from > 1)
		qsort(n->name + from, (size_t)(n->count - from), sizeof(char *), compare_names);
}

enum entry { ENTRY_OTHER, ENTRY_FILE, ENTRY_FOLDER, ENTRY_LINKED_FOLDER };

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
	if (fstatat(folder, e->d_name, &s, 0) != 0) /* a dangling link, or removed meanwhile */
		return link ? ENTRY_FILE : ENTRY_OTHER;
	if (S_ISDIR(s.st_mode))
		return link ? ENTRY_LINKED_FOLDER : ENTRY_FOLDER;
	return S_ISREG(s.st_mode) ? ENTRY_FILE : ENTRY_OTHER;
}

/* Lists root/relative: appends image files to `files` and folders to `folders`, as paths relative to `root`. Either may
 * be NULL. Symbolic links to folders are included only if `links` is set. */
static thaw_status list_folder(const char *root, const char *relative, struct names *files, struct names *folders,
			       bool links)
{
	thaw_status status = THAW_OK;
	struct dirent *e;
	char *path = thaw_path_join(root, relative);
	if (!path)
		return THAW_RESOURCE;
	DIR *dir = opendir(path);
	if (!dir)
		status = thaw_fail(THAW_IO, "cannot list folder: %s: %s", path, strerror(errno));
	while (status == THAW_OK && (errno = 0, e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		enum entry kind = entry_kind(dirfd(dir), e);
		bool file = kind == ENTRY_FILE && files && thaw_image_extension(e->d_name);
		bool folder = folders && (kind == ENTRY_FOLDER || (kind == ENTRY_LINKED_FOLDER && links));
		if (file || folder)
			status = names_add(file ? files : folders, relative[0] == '\0'
									   ? thaw_strdup(e->d_name)
									   : thaw_path_join(relative, e->d_name));
	}
	if (status == THAW_OK && errno != 0)
		status = thaw_fail(THAW_IO, "cannot list folder: %s: %s", path, strerror(errno));
	if (dir)
		closedir(dir);
	thaw_free(path);
	return status;
}

/* Appends all images below root/relative, sorted. */
static thaw_status list_images(struct names *files, const char *root, const char *relative)
{
	struct names waiting = {0};
	int64_t from = files->count;
	thaw_status status = names_add(&waiting, thaw_strdup(relative));
	for (int64_t i = 0; status == THAW_OK && i < waiting.count; i++)
		status = list_folder(root, waiting.name[i], files, &waiting, false);
	names_free(&waiting);
	if (status == THAW_OK)
		names_sort(files, from);
	return status;
}

/* Lists the class folders in root/relative, sorted, as paths relative to `root`. */
static thaw_status list_classes(struct names *classes, const char *root, const char *relative)
{
	THAW_TRY(list_folder(root, relative, NULL, classes, true));
	names_sort(classes, 0);
	if (classes->count > 0)
		return THAW_OK;
	return thaw_fail(THAW_DATA, "no class folders: %s%s%s: put the images of each class into a separate folder",
			 root, relative[0] == '\0' ? "" : "/", relative);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static thaw_status fail_class(const char *name, const char *in, const char *not_in, const char *path)
{
	return thaw_fail(THAW_DATA, "class \"%s\" is in %s/ but not in %s/: %s: add or remove its folder", name, in,
			 not_in, path);
}

/* Labels are positions in the sorted list of classes, so both splits must have the same classes. */
static thaw_status compare_classes(const struct names *a, const char *a_split, const struct names *b,
				   const char *b_split, const char *path)
{
	for (int64_t i = 0; i < a->count || i < b->count; i++) {
		const char *in_a = i < a->count ? base_name(a->name[i]) : NULL;
		const char *in_b = i < b->count ? base_name(b->name[i]) : NULL;
		int order = !in_a ? 1 : !in_b ? -1 : strcmp(in_a, in_b);
		if (order < 0)
			return fail_class(in_a, a_split, b_split, path);
		if (order > 0)
			return fail_class(in_b, b_split, a_split, path);
	}
	return THAW_OK;
}

/* The folders of the splits. A class may be called "train": among other folders, train/ is a split only if val/ or
 * test/ is there too. */
struct splits {
	const char *train, *test; /* folder names, or NULL */
};

static thaw_status find_splits(struct splits *s, const char *path)
{
	struct names folders = {0};
	const char *val = NULL;
	*s = (struct splits){0};
	thaw_status status = list_folder(path, "", NULL, &folders, true);
	for (int64_t i = 0; i < folders.count; i++) {
		if (strcmp(folders.name[i], "train") == 0)
			s->train = "train";
		else if (strcmp(folders.name[i], "val") == 0)
			val = "val";
		else if (strcmp(folders.name[i], "test") == 0)
			s->test = "test";
	}
	bool others = folders.count > (s->train ? 1 : 0) + (val ? 1 : 0) + (s->test ? 1 : 0);
	names_free(&folders);
	if (val)
		s->test = val;
	if (others && (!s->train || !s->test))
		*s = (struct splits){0};
	return status;
}

/* Lists the sorted classes of this split and checks that the other split, if it has a folder, has the same. */
static thaw_status split_classes(struct names *classes, const char *path, const struct splits *s, enum thaw_split split)
{
	const char *here = split == THAW_SPLIT_TRAIN ? s->train : s->test;
	const char *other = split == THAW_SPLIT_TRAIN ? s->test : s->train;
	if (!here && other)
		return thaw_fail(THAW_IO, "no folder %s: %s: add it next to %s/",
				 split == THAW_SPLIT_TRAIN ? "train/" : "val/ or test/", path, other);
	THAW_TRY(list_classes(classes, path, here ? here : ""));
	if (!other)
		return THAW_OK;
	struct names others = {0};
	thaw_status status = list_classes(&others, path, other);
	if (status == THAW_OK)
		status = compare_classes(classes, here, &others, other, path);
	names_free(&others);
	return status;
}

/* Lists the images of all classes and their labels. The caller frees *labels. */
static thaw_status list_samples(struct names *files, int32_t **labels, const char *path, const struct names *classes)
{
	int64_t *end = thaw_alloc((size_t)classes->count, sizeof(int64_t));
	thaw_status status = end ? THAW_OK : THAW_RESOURCE;
	for (int64_t c = 0; status == THAW_OK && c < classes->count; c++) {
		int64_t before = files->count;
		status = list_images(files, path, classes->name[c]);
		end[c] = files->count;
		if (status == THAW_OK && files->count == before)
			status = thaw_fail(THAW_DATA, "class without images: %s/%s: add images or remove the folder",
					   path, classes->name[c]);
	}
	if (status == THAW_OK && !(*labels = thaw_alloc((size_t)files->count, sizeof(int32_t))))
		status = THAW_RESOURCE;
	for (int64_t c = 0, i = 0; status == THAW_OK && c < classes->count; c++)
		for (; i < end[c]; i++)
			(*labels)[i] = (int32_t)c;
	thaw_free(end);
	return status;
}

/* Keeps the files and labels where keep[i] == value. Returns their number. */
static int64_t filter_samples(struct names *files, int32_t *labels, const bool *keep, bool value)
{
	int64_t n = 0;
	for (int64_t i = 0; i < files->count; i++) {
		if (keep[i] != value) {
			thaw_free(files->name[i]);
			continue;
		}
		files->name[n] = files->name[i];
		labels[n++] = labels[i];
	}
	return files->count = n;
}

/* Splits at random: the fraction test_share of each class, but at least one image and not all of them, is the test
 * split. */
static thaw_status hold_out(struct names *files, int32_t *labels, const struct thaw_dataset *d, enum thaw_split split,
			    const struct thaw_dataset_options *options)
{
	if (!(options->test_share >= 0 && options->test_share < 1))
		return thaw_fail(THAW_CONFIG,
				 "fraction of test images is %g: --test-share: give a value from 0 to below 1",
				 options->test_share);
	int64_t *quota = thaw_alloc((size_t)d->classes, sizeof(int64_t));
	bool *held = thaw_alloc((size_t)files->count, sizeof(bool));
	thaw_status status = quota && held ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK) {
		for (int64_t i = 0; i < files->count; i++)
			quota[labels[i]]++;
		for (int c = 0; c < d->classes; c++) {
			int64_t size = quota[c], share = (int64_t)((double)size * options->test_share + 0.5);
			share = max_int64(1, min_int64(share, size - 1));
			quota[c] = size < 2 || options->test_share == 0 ? 0 : share;
		}
		status = thaw_select_per_class(held, d, labels, files->count, options->seed, SELECT_TEST, quota);
	}
	if (status == THAW_OK)
		filter_samples(files, labels, held, split == THAW_SPLIT_TEST);
	thaw_free(quota);
	thaw_free(held);
	return status;
}

static thaw_status apply_limit(struct names *files, int32_t *labels, const struct thaw_dataset *d,
			       const struct thaw_dataset_options *options)
{
	int64_t *selected, count;
	THAW_TRY(thaw_limit_per_class(&selected, &count, d, labels, files->count, THAW_SPLIT_TRAIN, options));
	bool *keep = thaw_alloc((size_t)files->count, sizeof(bool));
	for (int64_t i = 0; keep && i < count; i++)
		keep[selected[i]] = true;
	if (keep)
		filter_samples(files, labels, keep, true);
	thaw_free(selected);
	thaw_free(keep);
	return keep ? THAW_OK : THAW_RESOURCE;
}

static thaw_status read_sample(const struct thaw_dataset *d, int64_t i, struct thaw_encoded_image *encoded)
{
	const struct folder *f = d->context;
	const char *name = f->files.name[i];
	void *bytes;
	size_t size;
	char *path = thaw_path_join(f->path, name);
	if (!path)
		return THAW_RESOURCE;
	thaw_status status = thaw_file_read(&bytes, &size, path, FILE_LIMIT);
	thaw_free(path);
	THAW_TRY(status);
	return thaw_encoded_image_open(encoded, bytes, size, name);
}

static void name_sample(const struct thaw_dataset *d, int64_t i, char *text, size_t size)
{
	const struct folder *f = d->context;
	snprintf(text, size, "%s", f->files.name[i]);
}

static void close_folder(struct thaw_dataset *d)
{
	struct folder *f = d->context;
	names_free(&f->files);
	thaw_free(f->path);
	thaw_free(f);
}

static thaw_status name_classes(struct thaw_dataset *d, const struct names *classes)
{
	if (!(d->class_names = thaw_alloc((size_t)classes->count, sizeof(char *))))
		return THAW_RESOURCE;
	d->classes = (int)classes->count;
	for (int c = 0; c < d->classes; c++)
		if (!(d->class_names[c] = thaw_strdup(base_name(classes->name[c]))))
			return THAW_RESOURCE;
	return THAW_OK;
}

static thaw_status open_folder(struct thaw_dataset *d, const char *path, enum thaw_split split,
			       const struct thaw_dataset_options *options)
{
	struct splits splits;
	struct names classes = {0};
	thaw_status status;
	THAW_TRY(find_splits(&splits, path));
	struct folder *f = thaw_alloc(1, sizeof(*f));
	if (!f)
		return THAW_RESOURCE;
	*d = (struct thaw_dataset){.read = read_sample, .name = name_sample, .close = close_folder, .context = f};
	if (!(f->path = thaw_strdup(path)))
		return THAW_RESOURCE;
	THAW_TRY_OUT(split_classes(&classes, path, &splits, split));
	THAW_TRY_OUT(name_classes(d, &classes));
	THAW_TRY_OUT(list_samples(&f->files, &d->labels, path, &classes));
	if (!splits.train && !splits.test)
		THAW_TRY_OUT(hold_out(&f->files, d->labels, d, split, options));
	if (split == THAW_SPLIT_TRAIN)
		THAW_TRY_OUT(apply_limit(&f->files, d->labels, d, options));
	d->count = f->files.count;
out:
	names_free(&classes);
	return status;
}

/* Accepts any folder, so it must be the last format in the table. */
static bool recognises_folder(const char *path)
{
	(void)path;
	return true;
}

const struct dataset_format thaw_dataset_folder = {.recognises = recognises_folder, .open = open_folder};
