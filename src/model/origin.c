/* What a run starts from: RUN/origin.json, an object {"model", "seed", "classes", "labels", "preprocess", "variant"}.
 * With it, a checkpoint, which has only the trained tensors, becomes a network again before the run is done. */
#include <jansson.h>
#include <limits.h>
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
	json_int_t seed, classes;
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
	THAW_TRY_OUT(thaw_metadata_read_labels(&labels, o->classes, o->labels, path));
	THAW_TRY_OUT(thaw_model_set_classes(m, o->classes, labels, (uint64_t)o->seed));
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
	bool good =
		thaw_report_check_seal(origin) != THAW_SEAL_BROKEN &&
		json_unpack(origin, "{s:s, s:I, s:I, s:s, s:s, s?s}", "model", &o.model, "seed", &o.seed, "classes",
			    &o.classes, "labels", &o.labels, "preprocess", &o.preprocess, "variant", &o.variant) == 0;
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
