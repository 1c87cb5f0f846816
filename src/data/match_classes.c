/* Gives the classes of a dataset the numbers of a network's classes of the same names. */
#include "src/data/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/memory.h"
#include "thaw/report.h"

/* Networks store names as UTF-8, folders may have other bytes. */
int64_t thaw_class_number(char *const *names, int64_t count, const char *name)
{
	json_t *text = thaw_report_string(name);
	const char *utf8 = text ? json_string_value(text) : name;
	int64_t i = 0;
	while (i < count && strcmp(names[i], name) != 0 && strcmp(names[i], utf8) != 0)
		i++;
	json_decref(text);
	return i < count ? i : -1;
}

static thaw_status map_classes(int32_t *number, const struct thaw_dataset *d, char *const *names, int64_t count)
{
	for (int c = 0; c < d->classes; c++) {
		int64_t at = thaw_class_number(names, count, d->class_names[c]);
		if (at < 0)
			return thaw_fail(THAW_CONFIG, "the network has no class \"%s\": it has \"%s\"%s",
					 d->class_names[c], count > 0 ? names[0] : "", count > 1 ? " and others" : "");
		number[c] = (int32_t)at;
	}
	return THAW_OK;
}

static void free_names(char **names, int64_t count)
{
	for (int64_t i = 0; names && i < count; i++)
		thaw_free(names[i]);
	thaw_free(names);
}

static thaw_status copy_names(char ***copy, char *const *names, int64_t count)
{
	char **made = thaw_alloc((size_t)count, sizeof(*made));
	bool complete = made != NULL;
	for (int64_t i = 0; complete && i < count; i++)
		complete = (made[i] = thaw_strdup(names[i])) != NULL;
	if (!complete) {
		free_names(made, count);
		return THAW_RESOURCE;
	}
	*copy = made;
	return THAW_OK;
}

/* Targets for `count` classes; those of the dataset get their numbers, the others are not known. */
static thaw_status move_targets(struct thaw_dataset *d, const int32_t *number, int64_t count)
{
	float *moved = thaw_alloc((size_t)d->count * (size_t)count, sizeof(*moved));
	if (!moved)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < d->count * count; i++)
		moved[i] = NAN;
	for (int64_t i = 0; i < d->count; i++)
		for (int c = 0; c < d->classes; c++)
			moved[i * count + number[c]] = d->targets[i * d->classes + c];
	thaw_free(d->targets);
	d->targets = moved;
	return THAW_OK;
}

thaw_status thaw_dataset_match_classes(struct thaw_dataset *d, char *const *names, int64_t count)
{
	char **copy = NULL;
	int32_t *number = thaw_alloc((size_t)d->classes, sizeof(*number));
	thaw_status status = number ? map_classes(number, d, names, count) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = copy_names(&copy, names, count);
	if (status == THAW_OK && d->targets)
		status = move_targets(d, number, count);
	if (status == THAW_OK) {
		for (int64_t i = 0; i < d->count && !d->targets; i++)
			d->labels[i] = number[d->labels[i]];
		free_names(d->class_names, d->classes);
		d->class_names = copy;
		d->classes = (int)count;
	} else {
		free_names(copy, count);
	}
	thaw_free(number);
	return status;
}
