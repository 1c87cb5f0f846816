/* Finds the IDX files of a dataset by their names. */
#include "src/data/idx_files.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/names.h"
#include "thaw/file.h"
#include "thaw/memory.h"

/* "train-images-idx3-ubyte" as MNIST calls it; other sets have a prefix ("emnist-letters-"), "test" for "t10k", or a
 * dot for a dash. Each may be gzipped. */
enum part { PART_IMAGES, PART_LABELS };
static const char *const split_words[2][2] = {
	[THAW_SPLIT_TRAIN] = {"train", NULL}, [THAW_SPLIT_TEST] = {"t10k", "test"}};
static const char *const part_words[2] = {[PART_IMAGES] = "images", [PART_LABELS] = "labels"};
static const char *const endings[4] = {"-idx%d-ubyte", "-idx%d-ubyte.gz", ".idx%d-ubyte", ".idx%d-ubyte.gz"};
static const int dimensions[2] = {[PART_IMAGES] = 3, [PART_LABELS] = 1};

/* Whether `name` is PREFIX + word + "-" + part + ending; *prefix: length of the prefix. */
static bool matches(const char *name, const char *word, enum part part, size_t *prefix)
{
	for (int e = 0; e < 4; e++) {
		char ending[32], tail[64];
		snprintf(ending, sizeof(ending), endings[e], dimensions[part]);
		int length = snprintf(tail, sizeof(tail), "%s-%s%s", word, part_words[part], ending);
		size_t size = strlen(name);
		if (size < (size_t)length || strcmp(name + size - (size_t)length, tail) != 0)
			continue;
		*prefix = size - (size_t)length;
		return *prefix == 0 || name[*prefix - 1] == '-';
	}
	return false;
}

/* The files of one split in a folder. */
struct file_names {
	char *folder;
	const char *set;     /* only files of this set, "emnist-letters"; NULL: any */
	struct names images; /* in the order of their names */
	struct names labels;
};

/* Whether the prefix of a file, with its dash, is that of the set. */
static bool is_of_set(const char *set, const char *name, size_t prefix)
{
	return !set || (prefix == strlen(set) + 1 && strncmp(name, set, prefix - 1) == 0);
}

static thaw_status add_if_matching(struct file_names *f, const char *name, enum thaw_split split)
{
	size_t prefix;
	for (int w = 0; w < 2 && split_words[split][w]; w++) {
		if (matches(name, split_words[split][w], PART_IMAGES, &prefix) && is_of_set(f->set, name, prefix))
			return thaw_names_add(&f->images, thaw_strdup(name));
		if (matches(name, split_words[split][w], PART_LABELS, &prefix) && is_of_set(f->set, name, prefix))
			return thaw_names_add(&f->labels, thaw_strdup(name));
	}
	return THAW_OK;
}

static void free_file_names(struct file_names *f)
{
	thaw_free(f->folder);
	thaw_names_free(&f->images);
	thaw_names_free(&f->labels);
}

/* A path that is not a folder may be a folder and the name of a set in it. */
static thaw_status find_folder(struct file_names *f, const char *path)
{
	const char *slash = strrchr(path, '/');
	if (thaw_path_is_directory(path)) {
		f->folder = thaw_strdup(path);
	} else {
		f->set = slash ? slash + 1 : path;
		f->folder =
			slash ? thaw_format("%.*s", (int)(slash == path ? 1 : slash - path), path) : thaw_strdup(".");
	}
	return f->folder ? THAW_OK : THAW_RESOURCE;
}

/* Finds the files of a split. A folder that cannot be listed has none. */
static thaw_status find_files(struct file_names *f, const char *path, enum thaw_split split)
{
	thaw_status status = find_folder(f, path);
	DIR *dir = status == THAW_OK ? opendir(f->folder) : NULL;
	for (const struct dirent *e; dir && status == THAW_OK && (e = readdir(dir));)
		if (e->d_type != DT_DIR)
			status = add_if_matching(f, e->d_name, split);
	if (dir)
		closedir(dir);
	thaw_names_sort(&f->images, 0);
	thaw_names_sort(&f->labels, 0);
	return status;
}

thaw_status thaw_idx_is_there(bool *is, const char *folder)
{
	*is = false;
	for (int s = 0; s < 2 && !*is; s++) {
		struct file_names f = {0};
		thaw_status status = find_files(&f, folder, (enum thaw_split)s);
		*is = f.images.count > 0;
		free_file_names(&f);
		THAW_TRY(status);
	}
	return THAW_OK;
}

/* a and b: files of two sets. */
static thaw_status fail_several(const char *a, const char *b, const char *folder)
{
	static const char *const words[] = {"-train-", "-test-", "-t10k-"};
	const char *end = NULL;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words) && !end; i++)
		end = strstr(b, words[i]);
	return thaw_fail(THAW_CONFIG,
			 "more than one set of IDX files: %s: %s and %s: name one of them, as in %s/%.*s, or give each "
			 "set a separate folder",
			 folder, a, b, folder, end ? (int)(end - b) : (int)strlen(b), b);
}

/* The file, in the first of its spellings (unpacked before packed). *path stays NULL if there is none. THAW_CONFIG if
 * the folder has files of several sets, such as EMNIST's. */
static thaw_status only_file(char **path, const struct names *names, const char *folder)
{
	for (int64_t i = 1; i < names->count; i++) {
		const char *a = names->name[0], *b = names->name[i];
		size_t n = (size_t)(strstr(a, "idx") - a) - 1; /* the spellings of one file differ from here on */
		if (strncmp(a, b, n) != 0)
			return fail_several(a, b, folder);
	}
	if (names->count == 0)
		return THAW_OK;
	*path = thaw_path_join(folder, names->name[0]);
	return *path ? THAW_OK : THAW_RESOURCE;
}

thaw_status thaw_idx_find(struct idx_paths *p, const char *folder, enum thaw_split split)
{
	struct file_names f = {0};
	thaw_status status = find_files(&f, folder, split);
	if (status == THAW_OK)
		status = only_file(&p->images, &f.images, f.folder);
	if (status == THAW_OK)
		status = only_file(&p->labels, &f.labels, f.folder);
	free_file_names(&f);
	return status;
}

void thaw_idx_paths_free(struct idx_paths *p)
{
	thaw_free(p->images);
	thaw_free(p->labels);
}

char *thaw_idx_sample_name(const char *images_path, enum thaw_split split)
{
	const char *name = thaw_base_name(images_path);
	bool plain = strncmp(name, "train-", 6) == 0 || strncmp(name, "t10k-", 5) == 0;
	return plain ? thaw_format("%s-images-idx3-ubyte", split_words[split][0]) : thaw_strdup(name);
}

thaw_status thaw_idx_fail_missing(const struct idx_paths *p, const char *folder, enum thaw_split split)
{
	enum part part = p->images ? PART_LABELS : PART_IMAGES;
	return thaw_fail(THAW_IO, "no file %s-%s-idx%d-ubyte: %s: add it, gzipped or not", split_words[split][0],
			 part_words[part], dimensions[part], folder);
}
