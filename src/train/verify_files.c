/* The files of a run directory, and what they were made from. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "src/train/verify.h"
#include "thaw/checkpoint.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/run_result.h"
#include "thaw/version.h"

#define HEX 16 /* base */

/* Adds a file whose check ended with `status`; its message says why it is not as it was. Returns a status that ends the
 * verification: only for lack of memory and the like. */
static thaw_status add_file(struct verification *v, const char *file, thaw_status status)
{
	if (status == THAW_RESOURCE || status == THAW_SOFTWARE)
		return status;
	bool good = status == THAW_OK;
	json_t *entry = json_pack("{s:o, s:s, s:o*}", "file", thaw_report_string(file), "status",
				  good ? "unchanged" : "changed", "why",
				  good ? NULL : thaw_report_string(thaw_error_message()));
	if (!good)
		verify_change(v, "%s", thaw_error_message());
	return json_array_append_new(v->files, entry) == 0 ? THAW_OK
							   : thaw_fail(THAW_RESOURCE, "out of memory: the report");
}

/* The same for a file that not every run has. */
static thaw_status add_optional(struct verification *v, const char *file, thaw_status status)
{
	char *path = thaw_path_join(v->options->run, file);
	bool there = !path || thaw_path_is_file(path);
	thaw_free(path);
	return there || status != THAW_OK ? add_file(v, file, status) : THAW_OK;
}

/* A sealed JSON file that every run has. */
static thaw_status check_json(const struct verification *v, const char *name)
{
	json_t *object = NULL;
	char *path = thaw_path_join(v->options->run, name);
	thaw_status status = path ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && !thaw_path_is_file(path))
		status = thaw_fail(THAW_IO, "missing file: %s: restore it from a copy", path);
	if (status == THAW_OK)
		status = thaw_report_read(&object, path, THAW_REPORT_LIMIT, "restore it from a copy");
	if (status == THAW_OK && thaw_report_check_seal(object) == THAW_SEAL_BROKEN)
		status = thaw_fail(THAW_DATA, "damaged file: %s: restore it from a copy", path);
	json_decref(object);
	thaw_free(path);
	return status;
}

static thaw_status check_image_list(const struct verification *v)
{
	struct thaw_image_names names = {0};
	thaw_status status = run_images_load(&names, v->options->run);
	thaw_image_names_free(&names);
	return status;
}

/* The result and the trained network, if the run is done. */
static thaw_status check_result(struct verification *v)
{
	json_t *result = NULL;
	THAW_TRY(add_optional(v, "result.json", thaw_run_result_read(&result, v->options->run)));
	const char *name = json_string_value(json_object_get(json_object_get(result, "model_file"), "name"));
	thaw_status status = THAW_OK;
	if (name)
		status = add_file(v, name, thaw_run_result_check_model(result, v->options->run));
	if (!result && json_array_size(v->changes) == 0)
		verify_note(v, "the run is not done: there is no trained network to compare");
	json_decref(result);
	return status;
}

/* One checkpoint: its bytes, its name, and the network that it belongs to. */
static thaw_status check_checkpoint(const char *path, int64_t step, char base[HEX + 1])
{
	struct thaw_weights w = {0};
	THAW_TRY(thaw_checkpoint_read(&w, path, SIZE_MAX));
	const char *digest = thaw_weights_get(&w, "thaw.base_digest"), *at = thaw_weights_get(&w, "thaw.total_steps");
	thaw_status status = THAW_OK;
	if (!digest || !at || strtoll(at, NULL, 10) != step)
		status = thaw_fail(THAW_DATA, "not the checkpoint that its name says: %s: remove it", path);
	else if (base[0] && strcmp(base, digest) != 0)
		status = thaw_fail(THAW_DATA, "a checkpoint of another run: %s: remove it", path);
	else
		snprintf(base, HEX + 1, "%s", digest);
	thaw_weights_free(&w);
	return status;
}

static thaw_status check_checkpoints(struct verification *v, char base[HEX + 1])
{
	int64_t *steps = NULL, best;
	int count = 0;
	THAW_TRY(add_optional(v, "best.json", thaw_checkpoint_best(&best, v->options->run)));
	THAW_TRY(thaw_checkpoint_list(&steps, &count, v->options->run));
	thaw_status status = THAW_OK;
	for (int i = count - 1; i >= 0 && status == THAW_OK; i--) {
		char name[64];
		snprintf(name, sizeof(name), "step-%lld.safetensors.zst", (long long)steps[i]);
		char *path = thaw_path_join(v->options->run, name);
		status = path ? add_file(v, name, check_checkpoint(path, steps[i], base)) : THAW_RESOURCE;
		thaw_free(path);
	}
	thaw_free(steps);
	return status;
}

/* base: the digest that the run recorded of the network it started from; "" if it did not. */
static thaw_status check_origin(const struct verification *v, const char *base)
{
	struct thaw_model *m = NULL;
	THAW_TRY(thaw_model_load_origin(&m, v->options->run));
	char now[HEX + 1];
	snprintf(now, sizeof(now), "%016" PRIx64, m->digest);
	thaw_status status = THAW_OK;
	if (base[0] && strcmp(base, now) != 0)
		status = thaw_fail(THAW_DATA, "the network that the run started from has changed: %s: restore it",
				   m->source);
	thaw_model_destroy(m);
	return status;
}

static void note_build(struct verification *v)
{
	const char *build = json_string_value(json_object_get(v->config, "build"));
	if (build && strcmp(build, thaw_build()) != 0)
		verify_note(v,
			    "another build of thaw: the run was started by %s, this is %s: the bits of a repetition "
			    "may differ",
			    build, thaw_build());
}

thaw_status verify_files(struct verification *v)
{
	const char *recorded = json_string_value(json_object_get(v->config, "network"));
	char base[HEX + 1] = "";
	if (recorded && strlen(recorded) == HEX)
		snprintf(base, sizeof(base), "%s", recorded);
	v->files = json_array();
	THAW_TRY(add_file(v, "config.json", v->files ? THAW_OK : THAW_RESOURCE));
	thaw_status origin = check_json(v, "origin.json");
	THAW_TRY(add_file(v, "origin.json", origin));
	THAW_TRY(add_optional(v, "images.list", check_image_list(v)));
	THAW_TRY(check_checkpoints(v, base));
	THAW_TRY(check_result(v));
	note_build(v);
	if (origin != THAW_OK)
		return THAW_OK;
	thaw_status status = check_origin(v, base);
	return add_file(v, "the network that the run started from", status);
}
