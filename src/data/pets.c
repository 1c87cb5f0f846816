/* The Oxford-IIIT Pet dataset as it unpacks: images/NAME.jpg, and lists of them in annotations/trainval.txt and
 * annotations/test.txt, with lines "NAME CLASS SPECIES BREED". The classes, numbered from 1, are breeds; they are named
 * as their images are: NAME is BREED_NUMBER. Boxes (xmls/) and outlines (trimaps/) are not used. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/listed_files.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define LIST_LIMIT  ((size_t)64 << 20) /* bytes of a list */
#define CLASSES_MAX 1000
#define NAME_BYTES  200

/* By split. */
static const char *const lists[] = {
	[THAW_SPLIT_TRAIN] = "annotations/trainval.txt", [THAW_SPLIT_TEST] = "annotations/test.txt"};

/* What both lists say, of which only the images of one are kept. */
struct pets {
	struct names files;
	int32_t *labels; /* [files.count], with room for `room` */
	int64_t room;
	char *classes[CLASSES_MAX]; /* names; NULL: not met */
	int count;                  /* highest class */
};

static void pets_free(struct pets *p)
{
	thaw_names_free(&p->files);
	thaw_free(p->labels);
	for (int c = 0; c < CLASSES_MAX; c++)
		thaw_free(p->classes[c]);
}

static thaw_status recognises_pets(bool *is, const char *folder)
{
	*is = true;
	for (int split = THAW_SPLIT_TRAIN; split <= THAW_SPLIT_TEST; split++) {
		char *path = thaw_path_join(folder, lists[split]);
		*is = *is && path && thaw_path_is_file(path);
		thaw_free(path);
		if (!path)
			return THAW_RESOURCE;
	}
	return THAW_OK;
}

/* Checks that the class has one name, the part of an image's name before its last underscore. */
static thaw_status name_class(struct pets *p, int class, const char *image, const char *path)
{
	const char *end = strrchr(image, '_');
	size_t length = end ? (size_t)(end - image) : strlen(image);
	char **name = &p->classes[class];
	p->count = class + 1 > p->count ? class + 1 : p->count;
	if (*name && (strlen(*name) != length || memcmp(*name, image, length) != 0))
		return thaw_fail(THAW_DATA, "class %d is \"%s\", but %s has it, too: %s: download it again", class + 1,
				 *name, image, path);
	if (!*name && !(*name = thaw_format("%.*s", (int)length, image)))
		return THAW_RESOURCE;
	return THAW_OK;
}

static thaw_status add_sample(struct pets *p, const char *image, int class)
{
	if (p->files.count == p->room) {
		int64_t room = 2 * p->room + 1024;
		int32_t *labels = thaw_alloc((size_t)room, sizeof(*labels));
		if (!labels)
			return THAW_RESOURCE;
		if (p->room > 0)
			memcpy(labels, p->labels, (size_t)p->room * sizeof(*labels));
		thaw_free(p->labels);
		p->labels = labels;
		p->room = room;
	}
	p->labels[p->files.count] = class;
	return thaw_names_add(&p->files, thaw_format("images/%s.jpg", image));
}

/* keep: the images of this list are samples. */
static thaw_status read_line(struct pets *p, const char *line, int number, bool keep, const char *path)
{
	char image[NAME_BYTES + 1];
	int class, end = 0;
	if (line[0] == '#' || line[strspn(line, " \t\r")] == '\0')
		return THAW_OK;
	bool good = sscanf(line, "%200s %d %*d %*d %n", image, &class, &end) == 2 && end > 0 && line[end] == '\0';
	if (!good || class < 1 || class > CLASSES_MAX || strchr(image, '/'))
		return thaw_fail(THAW_DATA, "line %d is not NAME CLASS SPECIES BREED: %s: download it again", number,
				 path);
	THAW_TRY(name_class(p, class - 1, image, path));
	return keep ? add_sample(p, image, class - 1) : THAW_OK;
}

static thaw_status read_list(struct pets *p, const char *folder, int split, bool keep)
{
	void *bytes = NULL;
	size_t size;
	int number = 0;
	char *path = thaw_path_join(folder, lists[split]), *rest;
	thaw_status status = path ? thaw_file_read(&bytes, &size, path, LIST_LIMIT) : THAW_RESOURCE;
	if (status == THAW_OK && memchr(bytes, '\0', size))
		status = thaw_fail(THAW_DATA, "not a text: %s: download it again", path);
	rest = status == THAW_OK ? bytes : NULL;
	for (char *line; status == THAW_OK && (line = strsep(&rest, "\n"));)
		status = read_line(p, line, ++number, keep, path);
	thaw_free(bytes);
	thaw_free(path);
	return status;
}

static thaw_status take_classes(struct thaw_dataset *d, struct pets *p, const char *folder)
{
	struct names classes = {0};
	thaw_status status = THAW_OK;
	for (int c = 0; c < p->count && status == THAW_OK; c++) {
		if (!p->classes[c])
			status = thaw_fail(THAW_DATA, "no image of class %d: %s/annotations: download it again", c + 1,
					   folder);
		else
			status = thaw_names_add(&classes, p->classes[c]);
		p->classes[c] = NULL;
	}
	if (status == THAW_OK)
		status = thaw_listed_files_classes(d, &classes);
	thaw_names_free(&classes);
	return status;
}

static thaw_status open_pets(struct thaw_dataset *d, const char *folder, enum thaw_split split,
			     const struct thaw_dataset_options *options)
{
	struct pets p = {0};
	THAW_TRY(thaw_listed_files_open(d, folder, split));
	thaw_status status = read_list(&p, folder, THAW_SPLIT_TRAIN, split == THAW_SPLIT_TRAIN);
	if (status == THAW_OK)
		status = read_list(&p, folder, THAW_SPLIT_TEST, split == THAW_SPLIT_TEST);
	if (status == THAW_OK)
		status = take_classes(d, &p, folder);
	if (status == THAW_OK)
		status = thaw_listed_files_take(d, &p.files, p.labels, lists[split], options);
	pets_free(&p);
	return status;
}

const struct dataset_format thaw_dataset_pets = {.recognises = recognises_pets, .open = open_pets};
