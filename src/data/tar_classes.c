/* A label says more than a folder, and a folder more than a text, which usually is a caption. */
#include "src/data/tar_classes.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/dataset.h"
#include "src/data/split_names.h"
#include "src/data/tar_label.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define CAPTION_IMAGES 2 /* so many images per different text, at least: else the texts are captions */

void thaw_tar_classes_free(struct tar_classes *c)
{
	thaw_names_free(&c->names);
	thaw_tar_map_free(&c->numbers);
	*c = (struct tar_classes){0};
}

static bool is_number(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return digits > 0 && digits < 10 && text[digits] == '\0' && (text[0] != '0' || digits == 1);
}

/* A number without the zeros in front; other text as it is. */
static const char *skip_zeros(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return digits > 0 && text[digits] == '\0' ? text + min_size(strspn(text, "0"), digits - 1) : text;
}

/* The text by which classes are compared. Labels are compared as numbers where they are numbers: webdataset reads both
 * "0" and "00" as 0. Folders and the lines of a file of class names are names. */
static const char *compared(const struct tar_classes *c, const char *name)
{
	return c->source == TAR_BY_LABEL && !c->listed ? skip_zeros(name) : name;
}

static uint64_t digest(const struct tar_classes *c, const char *name)
{
	const char *text = compared(c, name);
	return thaw_digest(text, strlen(text), 0);
}

/* The number of a class; -1: there is none. */
static int32_t find_class(const struct tar_classes *c, const char *name)
{
	uint32_t at = thaw_tar_map_find(&c->numbers, digest(c, name));
	return at == TAR_NONE ? -1 : (int32_t)at;
}

static thaw_status add_class(struct tar_classes *c, const char *name)
{
	uint32_t *at = thaw_tar_map_at(&c->numbers, digest(c, name));
	if (!at)
		return THAW_RESOURCE;
	if (*at != TAR_NONE)
		return THAW_OK;
	*at = (uint32_t)c->names.count;
	return thaw_names_add(&c->names, thaw_strdup(name));
}

/* The class that a label names; -1: none. A number counts lines of the file of class names, if there is one: names may
 * be other numbers. A number with zeros in front may be a name. */
static int32_t class_of(const struct tar_classes *c, const char *label)
{
	bool counts = c->listed && is_number(skip_zeros(label));
	int32_t named = counts && is_number(label) ? -1 : find_class(c, label);
	if (named >= 0 || !counts)
		return named;
	return atol(label) < c->names.count ? (int32_t)atol(label) : -1;
}

/* The part of a folder's text that is the class: TAR_LABEL_FOLDER, then folders. "" if there is none. */
static void folder_class(char *class, size_t size, const char *text, size_t depth)
{
	const char *at = text + 1;
	for (size_t i = 0; i < depth && *at; i++) {
		at += strcspn(at, "/");
		at += *at == '/';
	}
	snprintf(class, size, "%.*s", (int)strcspn(at, "/"), at);
}

/* How many folders all images have in common around those that differ. */
static size_t common_depth(const struct tar_load *l)
{
	size_t depth = 0;
	for (;; depth++) {
		char first[PATH_MAX] = "", class[PATH_MAX];
		bool deeper = false;
		for (uint32_t i = 0; i < l->texts.count; i++) {
			if (l->texts.text[i][0] != TAR_LABEL_FOLDER)
				continue;
			folder_class(class, sizeof(class), l->texts.text[i], depth);
			if (first[0] == '\0')
				snprintf(first, sizeof(first), "%s", class);
			if (class[0] == '\0' || strcmp(first, class) != 0)
				return depth;
			folder_class(class, sizeof(class), l->texts.text[i], depth + 1);
			deeper |= class[0] != '\0';
		}
		if (!deeper)
			return depth;
	}
}

/* What labels there are. */
struct kinds {
	int64_t label, caption, folder, list, values, grade;
};

static struct kinds count_kinds(const struct tar_load *l)
{
	struct kinds k = {0};
	for (int64_t i = 0; i < l->count; i++) {
		char kind = l->labels[i] == TAR_NONE ? '\0' : l->texts.text[l->labels[i]][0];
		k.folder += l->folders[i] != TAR_NONE;
		k.caption += kind == TAR_LABEL_CAPTION;
		k.label += kind != '\0' && kind != TAR_LABEL_CAPTION;
		k.list += kind == TAR_LABEL_LIST;
		k.values += kind == TAR_LABEL_VALUES;
		k.grade += kind == TAR_LABEL_GRADE;
	}
	return k;
}

/* Reads a file of class names, if there is one. */
static thaw_status read_names(struct tar_classes *c, const char *root)
{
	static const char *const files[] = {"classnames.txt", "class_names.txt", "classes.txt", "labels.txt"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && !c->listed; i++) {
		struct thaw_dataset d = {0};
		char *path = thaw_path_join(root, files[i]);
		if (!path)
			return THAW_RESOURCE;
		c->listed = thaw_path_is_file(path);
		thaw_status status = c->listed ? thaw_dataset_read_names(&d, path) : THAW_OK;
		for (int n = 0; status == THAW_OK && n < d.classes; n++) {
			status = add_class(c, d.class_names[n]);
			if (status == THAW_OK && c->names.count != n + 1)
				status = thaw_fail(THAW_DATA, "class \"%s\" is in it twice: %s: each line is one class",
						   d.class_names[n], path);
		}
		for (int n = 0; d.class_names && n < d.classes; n++)
			thaw_free(d.class_names[n]);
		thaw_free(d.class_names);
		thaw_free(path);
		THAW_TRY(status);
	}
	return THAW_OK;
}

/* Adds the classes in one label. */
static thaw_status add_label(struct tar_classes *c, const char *text)
{
	char class[PATH_MAX];
	size_t i;
	json_t *value;
	if (text[0] == TAR_LABEL_FOLDER) {
		folder_class(class, sizeof(class), text, c->depth);
		return class[0] ? add_class(c, class) : THAW_OK;
	}
	if (text[0] != TAR_LABEL_LIST)
		return text[1] ? add_class(c, text + 1) : THAW_OK;
	thaw_status status = THAW_OK;
	json_t *list = json_loads(text + 1, 0, NULL);
	static const char *const parts[] = {"on", "unknown"};
	for (int p = 0; p < 2; p++) {
		json_array_foreach(json_object_get(list, parts[p]), i, value)
		{
			if (json_is_string(value))
				snprintf(class, sizeof(class), "%s", json_string_value(value));
			else
				snprintf(class, sizeof(class), "%lld", (long long)json_integer_value(value));
			if (status == THAW_OK)
				status = add_class(c, class);
		}
	}
	json_decref(list);
	return status;
}

static int compare_numbers(const void *a, const void *b)
{
	long x = atol(*(char *const *)a), y = atol(*(char *const *)b);
	return (x > y) - (x < y);
}

/* Numbers in their order, names bytewise. */
static thaw_status sort_classes(struct tar_classes *c)
{
	struct names sorted = c->names;
	bool numbers = true;
	for (int64_t i = 0; i < sorted.count; i++)
		numbers &= is_number(compared(c, sorted.name[i]));
	if (numbers && sorted.count > 0)
		qsort(sorted.name, (size_t)sorted.count, sizeof(*sorted.name), compare_numbers);
	else
		thaw_names_sort(&sorted, 0);
	c->names = (struct names){0};
	thaw_tar_map_free(&c->numbers);
	thaw_status status = THAW_OK;
	for (int64_t i = 0; status == THAW_OK && i < sorted.count; i++)
		status = add_class(c, sorted.name[i]);
	thaw_names_free(&sorted);
	return status;
}

/* Adds the classes of all images, in their order. */
static thaw_status add_used(struct tar_classes *c, const struct tar_load *l)
{
	bool *used = thaw_alloc(l->texts.count, sizeof(*used));
	thaw_status status = used ? THAW_OK : THAW_RESOURCE;
	for (int64_t i = 0; used && i < l->count; i++) {
		uint32_t text = c->source == TAR_BY_FOLDER ? l->folders[i] : l->labels[i];
		bool caption = text != TAR_NONE && l->texts.text[text][0] == TAR_LABEL_CAPTION;
		if (text != TAR_NONE && (c->source != TAR_BY_LABEL || !caption))
			used[text] = true;
	}
	for (uint32_t i = 0; status == THAW_OK && i < l->texts.count; i++)
		if (used[i])
			status = add_label(c, l->texts.text[i]);
	thaw_free(used);
	return status == THAW_OK ? sort_classes(c) : status;
}

/* Values have no names but those in a file. */
static thaw_status name_values(struct tar_classes *c, const struct tar_load *l)
{
	size_t count = 1;
	for (uint32_t i = 0; i < l->texts.count; i++) {
		json_t *list =
			l->texts.text[i][0] == TAR_LABEL_VALUES ? json_loads(l->texts.text[i] + 1, 0, NULL) : NULL;
		count = json_array_size(list) > count ? json_array_size(list) : count;
		json_decref(list);
	}
	for (size_t i = 0; i < count; i++) {
		char name[32];
		snprintf(name, sizeof(name), count == 1 ? "value" : "value %zu", i);
		THAW_TRY(add_class(c, name));
	}
	return THAW_OK;
}

/* Grades without names are all numbers up to the largest. */
static thaw_status name_grades(struct tar_classes *c, const struct tar_load *l)
{
	long most = 0;
	for (uint32_t i = 0; i < l->texts.count; i++)
		if (l->texts.text[i][0] == TAR_LABEL_GRADE && is_number(l->texts.text[i] + 1))
			most = atol(l->texts.text[i] + 1) > most ? atol(l->texts.text[i] + 1) : most;
	for (long i = 0; i <= most && i < l->count + 2; i++) {
		char name[32];
		snprintf(name, sizeof(name), "%ld", i);
		THAW_TRY(add_class(c, name));
	}
	return THAW_OK;
}

/* Splits as folders in a tar file would be read as classes. */
static thaw_status check_folders(const struct tar_classes *c)
{
	struct split_names how;
	bool has[3] = {false};
	thaw_split_names_find(&how, &c->names);
	for (int64_t i = 0; c->source == TAR_BY_FOLDER && i < c->names.count; i++)
		if (thaw_split_by_name(&how, c->names.name[i]) >= 0)
			has[thaw_split_by_name(&how, c->names.name[i])] = true;
	if (has[THAW_SPLIT_TRAIN] && (has[THAW_SPLIT_VAL] || has[THAW_SPLIT_TEST]))
		return thaw_fail(THAW_CONFIG,
				 "splits inside a tar file: %s: write each split to shards of its own: train-0.tar, "
				 "val-0.tar",
				 c->path);
	return THAW_OK;
}

static thaw_status choose_source(struct tar_classes *c, const struct tar_load *l)
{
	struct kinds k = count_kinds(l);
	c->source = k.label > 0 ? TAR_BY_LABEL : TAR_BY_FOLDER;
	c->task = k.label == 0   ? THAW_TASK_CLASS
		  : k.list > 0   ? THAW_TASK_LABELS
		  : k.values > 0 ? THAW_TASK_VALUE
		  : k.grade > 0  ? THAW_TASK_GRADE
				 : THAW_TASK_CLASS;
	if (k.label > 0)
		return THAW_OK;
	c->depth = common_depth(l);
	struct tar_classes folders = *c;
	thaw_status status = add_used(&folders, l);
	bool by_folder = folders.names.count > 1 || (folders.names.count == 1 && k.caption == 0);
	thaw_tar_classes_free(&folders);
	if (status != THAW_OK || by_folder)
		return status;
	if (k.caption > 0 && CAPTION_IMAGES * (int64_t)l->texts.count <= k.caption) {
		c->source = TAR_BY_CAPTION;
		return THAW_OK;
	}
	return thaw_fail(THAW_DATA,
			 "no labels in the shards: %s: %lld images%s: write .cls members, or .json ones with "
			 "\"label\", or give --manifest",
			 c->path, (long long)l->count, k.caption > 0 ? ", and texts that look like captions" : "");
}

thaw_status thaw_tar_classes_find(struct tar_classes *c, const struct tar_load *train, const char *root)
{
	THAW_TRY(choose_source(c, train));
	THAW_TRY(read_names(c, root));
	if (!c->listed && c->task == THAW_TASK_VALUE)
		return name_values(c, train);
	if (!c->listed && c->task == THAW_TASK_GRADE)
		return name_grades(c, train);
	if (!c->listed)
		THAW_TRY(add_used(c, train));
	return check_folders(c);
}

static thaw_status fail_class(const struct tar_classes *c, const char *label)
{
	if (c->listed && is_number(skip_zeros(label)))
		return thaw_fail(THAW_DATA,
				 "label %s, but %lld class names: %s: add the missing names to the file of "
				 "class names",
				 label, (long long)c->names.count, c->path);
	return thaw_fail(THAW_DATA, "class \"%s\" is not %s: %s: correct the label", label,
			 c->listed ? "in the file of class names" : "in the training images", c->path);
}

/* The class of each text that is used as a label; -1 for the others. */
static thaw_status number_texts(const struct tar_classes *c, int32_t *number, const struct tar_load *l,
				const bool *used)
{
	char class[PATH_MAX];
	for (uint32_t i = 0; i < l->texts.count; i++) {
		const char *text = l->texts.text[i];
		number[i] = -1;
		if (!used[i])
			continue;
		if (text[0] == TAR_LABEL_FOLDER)
			folder_class(class, sizeof(class), text, c->depth);
		else
			snprintf(class, sizeof(class), "%s", text + 1);
		if (class[0] && (number[i] = class_of(c, class)) < 0)
			return fail_class(c, class);
	}
	return THAW_OK;
}

/* The text that labels image i, or TAR_NONE. */
static uint32_t text_of(const struct tar_classes *c, const struct tar_load *l, int64_t i)
{
	uint32_t text = c->source == TAR_BY_FOLDER ? l->folders[i] : l->labels[i];
	bool caption = text != TAR_NONE && l->texts.text[text][0] == TAR_LABEL_CAPTION;
	return caption && c->source == TAR_BY_LABEL ? TAR_NONE : text;
}

thaw_status thaw_tar_classes_label(const struct tar_classes *c, int32_t *labels, const struct tar_load *l)
{
	bool *used = thaw_alloc(l->texts.count, sizeof(*used));
	int32_t *number = thaw_alloc(l->texts.count, sizeof(*number));
	thaw_status status = used && number ? THAW_OK : THAW_RESOURCE;
	for (int64_t i = 0; status == THAW_OK && i < l->count; i++)
		if (text_of(c, l, i) != TAR_NONE)
			used[text_of(c, l, i)] = true;
	if (status == THAW_OK)
		status = number_texts(c, number, l, used);
	for (int64_t i = 0; status == THAW_OK && i < l->count; i++) {
		uint32_t text = text_of(c, l, i);
		labels[i] = text == TAR_NONE ? -1 : number[text];
	}
	thaw_free(used);
	thaw_free(number);
	return status;
}

/* Sets the targets that a list names to `value`. */
static thaw_status set_listed(const struct tar_classes *c, float *targets, const json_t *list, float value)
{
	size_t i;
	json_t *entry;
	json_array_foreach(list, i, entry)
	{
		char number[32];
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(entry));
		const char *label = json_is_string(entry) ? json_string_value(entry) : number;
		int32_t class = class_of(c, label);
		if (class < 0)
			return fail_class(c, label);
		targets[class] = value;
	}
	return THAW_OK;
}

/* One label as targets[classes], zeroed. */
static thaw_status set_targets(const struct tar_classes *c, float *targets, const char *text)
{
	thaw_status status = THAW_OK;
	size_t classes = (size_t)c->names.count;
	json_t *json = json_loads(text + 1, JSON_DECODE_ANY, NULL);
	if (c->task == THAW_TASK_LABELS && text[0] == TAR_LABEL_LIST) {
		status = set_listed(c, targets, json_object_get(json, "on"), 1);
		if (status == THAW_OK)
			status = set_listed(c, targets, json_object_get(json, "unknown"), NAN);
	} else if (c->task == THAW_TASK_LABELS) {
		int32_t class = class_of(c, text + 1);
		if (class < 0)
			status = fail_class(c, text + 1);
		else
			targets[class] = 1;
	} else if (text[0] == TAR_LABEL_VALUES && json_array_size(json) == classes) {
		for (size_t i = 0; i < classes; i++)
			targets[i] = json_is_null(json_array_get(json, i))
					     ? NAN
					     : (float)json_number_value(json_array_get(json, i));
	} else if (classes == 1 && json_is_number(json)) {
		targets[0] = (float)json_number_value(json);
	} else {
		status = thaw_fail(THAW_DATA, "not %zu values: %s: %.80s: correct the label", classes, c->path,
				   text + 1);
	}
	json_decref(json);
	return status;
}

thaw_status thaw_tar_classes_targets(const struct tar_classes *c, int32_t *labels, float *targets,
				     const struct tar_load *l)
{
	for (int64_t i = 0; i < l->count; i++) {
		uint32_t text = text_of(c, l, i);
		labels[i] = text == TAR_NONE ? -1 : 0;
		if (text != TAR_NONE)
			THAW_TRY(set_targets(c, targets + (size_t)i * (size_t)c->names.count, l->texts.text[text]));
	}
	return THAW_OK;
}
