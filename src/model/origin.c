/* What a run starts from: RUN/origin.json, an object {"model", "seed", "classes", "labels", "preprocess", "variant"},
 * with "fully_conv" if the network was made fully convolutional.
 * With it, a checkpoint, which has only the trained tensors, becomes a network again before the run is done. */
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/model/metadata.h"
#include "src/model/model_internal.h"
#include "src/model/same_tensors.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define ORIGIN "origin.json"
#define KEY    "weights_key" /* only if one was given */

/* The specification with an absolute path, so that it is valid in other folders. */
static thaw_status absolute_spec(char **absolute, const char *spec)
{
	char path[PATH_MAX];
	const char *variant = NULL, *file = NULL;
	THAW_TRY(thaw_model_split_spec(spec, &variant, &file));
	const char *relative = file ? file : spec;
	bool named = strcmp(spec, "builtin") == 0 || thaw_family_find(spec, &variant) != NULL;
	const char *full = named ? NULL : realpath(relative, path);
	*absolute = full ? thaw_format("%.*s%s", (int)(relative - spec), spec, full) : thaw_strdup(spec);
	return *absolute ? THAW_OK : THAW_RESOURCE;
}

static json_t *doubles_json(const double *values, int64_t count)
{
	json_t *array = json_array();
	for (int64_t i = 0; array && i < count; i++) {
		if (json_array_append_new(array, json_real(values[i])) != 0) {
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}

/* "task", unless it is one class per image, and of numbers "mean" and "deviation". */
static thaw_status add_task(json_t *origin, const struct thaw_model *m)
{
	int failed = 0;
	if (m->task != THAW_TASK_CLASS)
		failed |= json_object_set_new(origin, "task", json_string(thaw_task_name(m->task)));
	if (m->value_mean) {
		failed |= json_object_set_new(origin, "mean", doubles_json(m->value_mean, m->classes));
		failed |= json_object_set_new(origin, "deviation", doubles_json(m->value_deviation, m->classes));
	}
	return failed ? thaw_fail(THAW_RESOURCE, "out of memory: " ORIGIN) : THAW_OK;
}

thaw_status thaw_model_save_origin(const struct thaw_model *m, const char *spec, const char *key, uint64_t seed,
				   const char *directory)
{
	char *model = NULL, *labels = NULL, *preprocess = NULL, *path = thaw_path_join(directory, ORIGIN);
	json_t *origin = NULL;
	thaw_status status = path ? THAW_OK : THAW_RESOURCE;
	THAW_TRY_OUT(status);
	THAW_TRY_OUT(absolute_spec(&model, spec));
	THAW_TRY_OUT(thaw_metadata_write_labels(&labels, m->labels, m->classes));
	THAW_TRY_OUT(thaw_metadata_write_preprocess(&preprocess, &m->preprocess));
	origin = json_pack("{s:o, s:I, s:I, s:o, s:o, s:s}", "model", thaw_report_string(model), "seed",
			   (json_int_t)seed, "classes", (json_int_t)m->classes, "labels", thaw_report_string(labels),
			   "preprocess", thaw_report_string(preprocess), "variant", m->variant);
	if (origin && m->fully_conv)
		json_object_set_new(origin, "fully_conv", json_integer(m->fully_conv));
	THAW_TRY_OUT(origin ? add_task(origin, m) : THAW_OK);
	if (origin && key)
		json_object_set_new(origin, KEY, thaw_report_string(key));
	THAW_TRY_OUT(origin ? thaw_report_seal(origin) : thaw_fail(THAW_RESOURCE, "out of memory: %s", path));
	status = thaw_report_file(path, origin);
out:
	json_decref(origin);
	thaw_free(path);
	thaw_free(model);
	thaw_free(labels);
	thaw_free(preprocess);
	return status;
}

struct origin {
	const char *model, *labels, *preprocess, *variant; /* variant: NULL in records of earlier versions */
	const char *task;                                  /* NULL: one class per image */
	json_t *mean, *deviation;                          /* of numbers; else NULL */
	json_int_t seed, classes;
	int fully_conv;  /* as in struct thaw_model */
	const char *key; /* of the weights in a file that has several; NULL: any */
};

/* A specification may mean another network of the same tensors than it did when it was recorded. */
static thaw_status check_variant(const struct thaw_model *m, const struct origin *o, const char *path)
{
	const char *base = thaw_recognised_name(m->variant);
	if (o->variant ? strcmp(o->variant, m->variant) == 0 : strcmp(base, m->variant) == 0)
		return THAW_OK;
	return thaw_fail(THAW_CONFIG,
			 "the run started from %s, not %s: %s: use the run's trained network, without --from",
			 o->variant ? o->variant : base, m->variant, path);
}

static bool read_doubles(double *values, const json_t *array, int64_t count)
{
	bool good = (int64_t)json_array_size(array) == count;
	for (int64_t i = 0; i < count && good; i++) {
		const json_t *value = json_array_get(array, (size_t)i);
		good = json_is_number(value) && isfinite(json_number_value(value));
		values[i] = json_number_value(value);
	}
	return good;
}

/* The outputs as they were during the training: standardised, if they are numbers. */
static thaw_status restore_values(struct thaw_model *m, const struct origin *o, bool replaced, const char *path)
{
	double *mean = thaw_alloc((size_t)o->classes, sizeof(*mean));
	double *deviation = thaw_alloc((size_t)o->classes, sizeof(*deviation));
	thaw_status status = mean && deviation ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK &&
	    (!read_doubles(mean, o->mean, o->classes) || !read_doubles(deviation, o->deviation, o->classes)))
		status = thaw_fail(THAW_DATA, "damaged file: %s: restore it from a copy", path);
	for (int64_t c = 0; c < o->classes && status == THAW_OK; c++)
		if (!(deviation[c] > 0.0))
			status = thaw_fail(THAW_DATA, "damaged file: %s: restore it from a copy", path);
	if (status == THAW_OK)
		status = thaw_model_standardise(m, mean, deviation, !replaced);
	thaw_free(mean);
	thaw_free(deviation);
	return status;
}

static thaw_status set_task(struct thaw_model *m, const struct origin *o, char *const *labels, const char *path)
{
	bool replaced;
	enum thaw_task task = o->task ? thaw_task_find(o->task) : THAW_TASK_CLASS;
	if (task == THAW_TASKS)
		return thaw_fail(THAW_DATA, "unknown task: %s: %.64s: use the version of thaw that wrote it", path,
				 o->task);
	THAW_TRY(thaw_model_set_task(m, task, o->classes, labels, (uint64_t)o->seed, &replaced));
	return task == THAW_TASK_VALUE ? restore_values(m, o, replaced, path) : THAW_OK;
}

/* Loads the network that is described, as it was before the first step. */
static thaw_status restore(struct thaw_model **model, const struct origin *o, const char *path)
{
	struct thaw_preprocess preprocess;
	struct thaw_model *m = NULL;
	char **labels = NULL;
	thaw_status status = thaw_model_load_key(&m, o->model, o->key, o->classes, (uint64_t)o->seed);
	if (status == THAW_IO)
		status = thaw_fail_in(status, "the network that the run started from (%s)", path);
	THAW_TRY_OUT(status);
	THAW_TRY_OUT(check_variant(m, o, path));
	if (o->fully_conv)
		THAW_TRY_OUT(thaw_model_fully_conv_at(m, o->fully_conv));
	THAW_TRY_OUT(thaw_metadata_read_labels(&labels, o->classes, o->labels, path));
	THAW_TRY_OUT(set_task(m, o, labels, path));
	THAW_TRY_OUT(thaw_metadata_read_preprocess(&preprocess, o->preprocess, path));
	THAW_TRY_OUT(thaw_model_set_size(m, preprocess.size));
	m->preprocess = preprocess;
	m->preprocess_from = "the run's record";
	m->preprocess_recorded = true;
	*model = m;
	m = NULL;
out:
	thaw_labels_free(labels, o->classes);
	thaw_model_destroy(m);
	return status;
}

static thaw_status load_origin(struct thaw_model **model, const char *path)
{
	struct origin o = {0};
	if (access(path, F_OK) != 0)
		return thaw_fail(THAW_IO,
				 "no record of the network that the run started from: %s: use the run's trained "
				 "network, without --from",
				 path);
	json_t *origin = NULL;
	THAW_TRY(thaw_report_read(&origin, path, THAW_REPORT_LIMIT, "restore it from a copy"));
	bool good = thaw_report_check_seal(origin) != THAW_SEAL_BROKEN &&
		    json_unpack(origin, "{s:s, s:I, s:I, s:s, s:s, s?s, s?s, s?o, s?o, s?i}", "model", &o.model, "seed",
				&o.seed, "classes", &o.classes, "labels", &o.labels, "preprocess", &o.preprocess,
				"variant", &o.variant, "task", &o.task, "mean", &o.mean, "deviation", &o.deviation,
				"fully_conv", &o.fully_conv) == 0;
	good &= o.fully_conv >= 0 && o.fully_conv <= THAW_MAX_SIDE;
	o.key = json_string_value(json_object_get(origin, KEY));
	thaw_status status = good && o.classes > 0 && o.classes <= INT_MAX
				     ? restore(model, &o, path)
				     : thaw_fail(THAW_DATA, "damaged file: %s: restore it from a copy", path);
	json_decref(origin);
	return status;
}

thaw_status thaw_model_load_origin(struct thaw_model **model, const char *directory)
{
	char *path = thaw_path_join(directory, ORIGIN);
	thaw_status status = path ? load_origin(model, path) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}
