/* thaw_verify: the files of a run, then its images, then, if asked for, the repetition of some steps. */
#include <stdio.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/train/verify.h"
#include "thaw/memory.h"
#include "thaw/report.h"

/* On every rank: settings decide how images are divided into lanes. */
static thaw_status open_run(struct verification *v)
{
	const char *run = v->options->run;
	char *path = thaw_path_join(run, "config.json");
	thaw_status status = path ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && !thaw_path_is_file(path))
		status = thaw_fail(THAW_USAGE,
				   "not a run directory: %s: it has no config.json: give the --out of a run", run);
	if (status == THAW_OK)
		status = thaw_report_read(&v->config, path, THAW_REPORT_LIMIT, "restore it from a copy");
	if (status == THAW_OK && thaw_report_check_seal(v->config) == THAW_SEAL_BROKEN)
		status = thaw_fail(THAW_DATA, "damaged file: %s: restore it from a copy", path);
	thaw_free(path);
	if (status == THAW_OK && v->comm->rank == 0) {
		v->changes = json_array();
		v->notes = json_array();
		status = v->changes && v->notes ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: the report");
	}
	return status;
}

/* The manifest, else the folder. */
static json_t *place_json(const struct verification *v)
{
	if (!v->data)
		return json_null();
	return thaw_report_string(v->manifest[0] ? v->manifest : v->data);
}

static json_t *make_report(const struct verification *v)
{
	return json_pack("{s:o, s:o, s:b, s:O, s:O, s:O*, s:O*, s:O*}", "run", thaw_report_string(v->options->run),
			 "data", place_json(v), "changed", (int)(json_array_size(v->changes) > 0), "changes",
			 v->changes, "notes", v->notes, "images", v->images, "files", v->files, "retrain", v->retrain);
}

/* The failure that the exit code tells; its message names the first change. */
static thaw_status give_verdict(const struct verification *v)
{
	size_t count = json_array_size(v->changes);
	if (count == 0)
		return THAW_OK;
	char more[32] = "";
	if (count > 1)
		snprintf(more, sizeof(more), ", and %zu more", count - 1);
	return thaw_fail(THAW_DATA, "not as the run left it: %s: %s%s", v->options->run,
			 json_string_value(json_array_get(v->changes, 0)), more);
}

static thaw_status verify(struct verification *v)
{
	THAW_TRY(thaw_comm_agree(v->comm, open_run(v)));
	THAW_TRY(thaw_comm_agree(v->comm, v->comm->rank == 0 ? verify_files(v) : THAW_OK));
	THAW_TRY(verify_images(v));
	return v->options->retrain > 0 ? verify_retrain(v) : THAW_OK;
}

thaw_status thaw_verify(struct thaw_comm *comm, const struct thaw_verify_options *options,
			const struct thaw_callbacks *callbacks, json_t **report)
{
	struct verification v = {.comm = comm, .options = options, .callbacks = callbacks};
	json_t *made = NULL;
	thaw_status status = verify(&v);
	if (status == THAW_OK && comm->rank == 0) {
		made = make_report(&v);
		status = made ? give_verdict(&v) : thaw_fail(THAW_RESOURCE, "out of memory: the report");
	}
	status = thaw_comm_agree(comm, status);
	*report = made;
	json_decref(v.config);
	json_decref(v.changes);
	json_decref(v.notes);
	json_decref(v.images);
	json_decref(v.files);
	json_decref(v.retrain);
	thaw_free(v.data);
	thaw_free(v.manifest);
	return status;
}
