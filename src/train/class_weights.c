/* Weights of classes: balanced, or as the user gives them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "src/train/objective.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define MAX_WEIGHT 1e6

static bool is_word(const char *text, const char *word)
{
	return strcmp(text, word) == 0;
}

/* The weight n / (K n_c) of each of K classes: the weighted images of all classes count alike, and the mean weight of
 * the images is 1. A class without images has 1. */
static void balance_classes(float *weights, const struct thaw_dataset *d, int64_t *images)
{
	for (int64_t i = 0; i < d->count; i++)
		images[d->labels[i]]++;
	for (int c = 0; c < d->classes; c++)
		weights[c] =
			images[c] > 0 ? (float)((double)d->count / ((double)d->classes * (double)images[c])) : 1.0f;
}

/* Each label is a problem of two classes: n / (2 n_absent) and n / (2 n_present) of the n known ones. */
static void balance_labels(float *weights, const struct thaw_dataset *d)
{
	for (int c = 0; c < d->classes; c++) {
		int64_t n[2] = {0, 0};
		for (int64_t i = 0; i < d->count; i++) {
			float t = d->targets[i * d->classes + c];
			if (!isnan(t))
				n[t > 0.5f]++;
		}
		for (int k = 0; k < 2; k++)
			weights[2 * c + k] = n[k] > 0 ? (float)((double)(n[0] + n[1]) / (2.0 * (double)n[k])) : 1.0f;
	}
}

/* Where the weight of class c that the user gave belongs: for labels it is of present ones. */
static float *place_of(float *weights, const struct thaw_dataset *d, int c)
{
	return d->task == THAW_TASK_LABELS ? &weights[2 * c + 1] : &weights[c];
}

static thaw_status fail_weight(const char *text, const char *name)
{
	return thaw_fail(THAW_CONFIG, "not a weight: --class-weights %.200s: %.64s: give numbers above 0", text, name);
}

static bool is_weight(double x)
{
	return x > 0.0 && x <= MAX_WEIGHT;
}

static thaw_status read_list(float *weights, const struct thaw_dataset *d, const char *text)
{
	const char *at = text;
	for (int c = 0; c < d->classes; c++) {
		char *end;
		double x = strtod(at, &end);
		if (end == at || !is_weight(x) || (*end && *end != ','))
			return fail_weight(text, d->class_names[c]);
		*place_of(weights, d, c) = (float)x;
		if ((*end == ',') != (c + 1 < d->classes))
			return thaw_fail(
				THAW_CONFIG,
				"%s numbers than classes: --class-weights %.200s: give %d, in the order of the "
				"classes, or a file",
				*end ? "more" : "fewer", text, d->classes);
		at = end + 1;
	}
	return THAW_OK;
}

/* {"daisy": 1, "rose": 2.5}: classes that it omits keep the weight 1. */
static thaw_status read_file(float *weights, const struct thaw_dataset *d, const char *path)
{
	json_t *object = NULL, *value;
	const char *name;
	THAW_TRY(thaw_report_read(&object, path, THAW_REPORT_LIMIT,
				  "give balanced, none, a list of numbers, or a JSON file such as {\"rose\": 2.5}"));
	thaw_status status =
		json_is_object(object)
			? THAW_OK
			: thaw_fail(THAW_DATA, "not an object of weights: %s: write {\"CLASS\": NUMBER}", path);
	json_object_foreach(object, name, value)
	{
		int64_t c = thaw_class_number(d->class_names, d->classes, name);
		if (status == THAW_OK && c < 0)
			status = thaw_fail(THAW_CONFIG,
					   "not a class of the data: --class-weights %.200s: %.64s: remove it", path,
					   name);
		if (status == THAW_OK && !is_weight(json_number_value(value)))
			status = fail_weight(path, name);
		if (status == THAW_OK)
			*place_of(weights, d, (int)c) = (float)json_number_value(value);
	}
	json_decref(object);
	return status;
}

static thaw_status fill(float *weights, const struct thaw_dataset *d, const char *text)
{
	if (is_word(text, "balanced") && d->task == THAW_TASK_LABELS) {
		balance_labels(weights, d);
	} else if (is_word(text, "balanced")) {
		int64_t *images = thaw_alloc((size_t)d->classes, sizeof(*images));
		if (!images)
			return THAW_RESOURCE;
		balance_classes(weights, d, images);
		thaw_free(images);
	} else {
		return text[strspn(text, "0123456789.,eE+-")] ? read_file(weights, d, text)
							      : read_list(weights, d, text);
	}
	return THAW_OK;
}

/* Number of weights. */
static size_t weight_count(const struct thaw_dataset *d)
{
	return (size_t)d->classes * (d->task == THAW_TASK_LABELS ? 2 : 1);
}

thaw_status thaw_class_weights_read(float **weights, const struct thaw_dataset *d, const char *text)
{
	if (!text || is_word(text, "none"))
		return THAW_OK;
	if (d->task == THAW_TASK_VALUE)
		return thaw_fail(THAW_CONFIG, "the data have no classes: --class-weights %.64s: leave it out", text);
	*weights = thaw_alloc(weight_count(d), sizeof(**weights));
	if (!*weights)
		return THAW_RESOURCE;
	for (size_t i = 0; i < weight_count(d); i++)
		(*weights)[i] = 1.0f;
	return fill(*weights, d, text);
}

json_t *thaw_class_weights_json(const struct thaw_objective *o, const char *text)
{
	if (!o->class_weights)
		return json_string("none");
	if (is_word(text, "balanced"))
		return json_string(text);
	json_t *list = json_array();
	for (int c = 0; list && c < o->dataset->classes; c++) {
		if (json_array_append_new(list, json_real(*place_of(o->class_weights, o->dataset, c))) != 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}
