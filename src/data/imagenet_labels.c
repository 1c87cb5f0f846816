/* The files with the labels of ImageNet's validation images:
 *   LOC_val_solution.csv                      Kaggle's: "ILSVRC2012_val_00048981,n03995372 85 1 499 272"
 *   val.txt                                   Caffe's: "ILSVRC2012_val_00000001.JPEG 65"; the classes are numbered from
 * 0 in the order of WordNet's numbers, those of synsets.txt or synset_words.txt if there is such a file, else of the
 * folders of training images ILSVRC2012_validation_ground_truth.txt    the development kit's: "490", a number of
 * meta.mat beside it, for each image in turn */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/imagenet.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define FILE_LIMIT ((size_t)256 << 20) /* bytes */
#define NAME_BYTES 200
#define TRUTH      "ILSVRC2012_validation_ground_truth.txt"

struct reader {
	struct imagenet_labels *labels;
	const struct names *classes;
	struct names list; /* class of each number in the file; empty: `classes` */
	const char *path;  /* of the file, for messages */
	long line;         /* from 1 */
};

typedef thaw_status (*read_line)(struct reader *r, char *line);

static int by_name(const void *key, const void *name)
{
	return strcmp(key, *(char *const *)name);
}

static thaw_status fail_line(const struct reader *r, const char *what)
{
	return thaw_fail(THAW_DATA, "line %ld %s: %s: download it again", r->line, what, r->path);
}

static thaw_status make_room(struct imagenet_labels *l)
{
	if (l->count < l->room)
		return THAW_OK;
	int64_t room = 2 * l->room + 1024;
	struct imagenet_label *entry = thaw_alloc((size_t)room, sizeof(*entry));
	if (!entry)
		return THAW_RESOURCE;
	if (l->count > 0)
		memcpy(entry, l->entry, (size_t)l->count * sizeof(*entry));
	thaw_free(l->entry);
	l->entry = entry;
	l->room = room;
	return THAW_OK;
}

/* Adds an image, whose name may lack its extension. */
static thaw_status add(struct reader *r, const char *image, const char *wnid)
{
	struct imagenet_labels *l = r->labels;
	if (image[0] == '\0' || image[0] == '.' || strlen(image) > NAME_BYTES || strchr(image, '/'))
		return fail_line(r, "has no name of an image");
	char **class = bsearch(wnid, r->classes->name, (size_t)r->classes->count, sizeof(char *), by_name);
	if (!class) {
		l->others++;
		return THAW_OK;
	}
	THAW_TRY(make_room(l));
	char *name = strchr(image, '.') ? thaw_strdup(image) : thaw_format("%s.JPEG", image);
	if (!name)
		return THAW_RESOURCE;
	l->entry[l->count++] = (struct imagenet_label){name, (int32_t)(class - r->classes->name)};
	return THAW_OK;
}

/* The class of that number; NULL: there is none. */
static const char *class_of(const struct reader *r, const char *text, long first)
{
	const struct names *list = r->list.count > 0 ? &r->list : r->classes;
	char *end;
	long number = strtol(text, &end, 10) - first;
	bool good = end != text && *end == '\0' && number >= 0 && number < list->count;
	return good ? list->name[number] : NULL;
}

static thaw_status read_kaggle(struct reader *r, char *line)
{
	char *image = strsep(&line, ","), *wnid = strsep(&line, " ");
	if (r->line == 1 && strcmp(image, "ImageId") == 0)
		return THAW_OK;
	return wnid && wnid[0] == 'n' ? add(r, image, wnid) : fail_line(r, "is not IMAGE,CLASS ...");
}

static thaw_status read_caffe(struct reader *r, char *line)
{
	char *image = strsep(&line, " \t");
	const char *class = line ? class_of(r, line + strspn(line, " \t"), 0) : NULL;
	return class ? add(r, image, class)
		     : fail_line(r, "is not IMAGE CLASS, with the number of a class; if train/ lacks some of the "
				    "classes, add ImageNet's synsets.txt beside the file");
}

static thaw_status read_truth(struct reader *r, char *line)
{
	char image[32];
	const char *class = class_of(r, line, 1);
	snprintf(image, sizeof(image), "ILSVRC2012_val_%08ld.JPEG", r->line);
	return class ? add(r, image, class) : fail_line(r, "is not the number of a class");
}

/* In the order in which they are looked for. */
static const struct form {
	const char *file;
	read_line read;
} forms[] = {
	{"LOC_val_solution.csv", read_kaggle},
	{TRUTH, read_truth},
	{"data/" TRUTH, read_truth},
	{"ILSVRC2012_devkit_t12/data/" TRUTH, read_truth},
	{"val.txt", read_caffe},
};

static const struct form *find_form(const char *folder)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char *path = thaw_path_join(folder, forms[i].file);
		bool found = path && thaw_path_is_file(path);
		thaw_free(path);
		if (found)
			return &forms[i];
	}
	return NULL;
}

char *thaw_imagenet_find_labels(const char *folder)
{
	const struct form *form = find_form(folder);
	return form ? thaw_strdup(form->file) : NULL;
}

/* Calls `read` for each line that is not empty. */
static thaw_status read_lines(struct reader *r, read_line read)
{
	void *bytes = NULL;
	size_t size;
	THAW_TRY(thaw_file_read(&bytes, &size, r->path, FILE_LIMIT));
	thaw_status status = memchr(bytes, '\0', size)
				     ? thaw_fail(THAW_DATA, "not a text: %s: download it again", r->path)
				     : THAW_OK;
	char *rest = status == THAW_OK ? bytes : NULL, *line;
	for (r->line = 1; status == THAW_OK && (line = strsep(&rest, "\n")); r->line++) {
		size_t length = strlen(line);
		while (length > 0 && strchr(" \t\r", line[length - 1]))
			line[--length] = '\0';
		if (length > 0)
			status = read(r, line);
	}
	thaw_free(bytes);
	return status;
}

/* "n01440764 tench, Tinca tinca" or "n01440764" */
static thaw_status read_synset(struct reader *r, char *line)
{
	const char *wnid = strsep(&line, " \t,");
	return wnid[0] == 'n' ? thaw_names_add(&r->list, thaw_strdup(wnid)) : fail_line(r, "is not a class");
}

/* Fills r->list for Caffe's numbers, if there is a list of classes. */
static thaw_status read_synsets(struct reader *r, const char *folder)
{
	static const char *const files[] = {"synsets.txt", "synset_words.txt", "LOC_synset_mapping.txt"};
	const char *labels = r->path;
	thaw_status status = THAW_OK;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && r->list.count == 0 && status == THAW_OK; i++) {
		char *path = thaw_path_join(folder, files[i]);
		r->path = path;
		if (!path)
			status = THAW_RESOURCE;
		else if (thaw_path_is_file(path))
			status = read_lines(r, read_synset);
		r->path = labels;
		thaw_free(path);
	}
	return status;
}

/* Fills r->list from meta.mat beside the ground truth. */
static thaw_status read_meta(struct reader *r)
{
	const char *slash = strrchr(r->path, '/');
	char *path = thaw_format("%.*smeta.mat", slash ? (int)(slash + 1 - r->path) : 0, r->path);
	thaw_status status = path ? thaw_imagenet_read_meta(&r->list, path) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

static int by_image(const void *a, const void *b)
{
	return strcmp(((const struct imagenet_label *)a)->image, ((const struct imagenet_label *)b)->image);
}

static thaw_status sort(struct imagenet_labels *l, const char *path)
{
	if (l->count > 0)
		qsort(l->entry, (size_t)l->count, sizeof(*l->entry), by_image);
	for (int64_t i = 1; i < l->count; i++)
		if (strcmp(l->entry[i - 1].image, l->entry[i].image) == 0)
			return thaw_fail(THAW_DATA, "image %s twice: %s: download it again", l->entry[i].image, path);
	return THAW_OK;
}

thaw_status thaw_imagenet_read_labels(struct imagenet_labels *l, const char *folder, const char *labels,
				      const struct names *classes)
{
	const struct form *form = find_form(folder);
	char *path = thaw_path_join(folder, labels);
	struct reader r = {.labels = l, .classes = classes, .path = path};
	thaw_status status = path && form ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && form->read == read_caffe)
		status = read_synsets(&r, folder);
	if (status == THAW_OK && form->read == read_truth)
		status = read_meta(&r);
	if (status == THAW_OK)
		status = read_lines(&r, form->read);
	if (status == THAW_OK)
		status = sort(l, path);
	thaw_names_free(&r.list);
	thaw_free(path);
	return status;
}

void thaw_imagenet_labels_free(struct imagenet_labels *l)
{
	for (int64_t i = 0; i < l->count; i++)
		thaw_free(l->entry[i].image);
	thaw_free(l->entry);
	*l = (struct imagenet_labels){0};
}
