/* The run directory: configuration, lock, and whether the run is new, unfinished or done.
 *
 *   plan.json        the plan it was started with, if there was one
 *   config.json      what decides the run's numbers; a later start must agree with it
 *   metrics.jsonl    a line per step and epoch
 *   step-N.safetensors.zst   checkpoints
 *   model.safetensors, or model.onnx where it was imported: the trained network, written at the end
 *   result.json      the summary, written last: its presence means done
 *
 * Rank 0 alone looks at and writes files; the others are told.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/train/run.h"

#define CHECKPOINT_LEVEL 1 /* of zstd; those below 0 are faster and leave weights as large as they are */
#include "thaw/report.h"

#define SHOWN_DIGITS 10 /* of numbers in messages */

/* *object is NULL where there is no such file. */
static thaw_status load_json(json_t **object, const char *directory, const char *name)
{
	char *path = thaw_format("%s/%s", directory, name);
	if (!path)
		return THAW_RESOURCE;
	thaw_status status = THAW_OK;
	*object = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	if (!*object && access(path, F_OK) == 0)
		status = thaw_fail(THAW_DATA, "damaged file: %s: bring it back from a copy, or start in another folder",
				   path);
	thaw_free(path);
	return status;
}

static thaw_status write_json(const char *directory, const char *name, const json_t *object)
{
	char *path = thaw_format("%s/%s", directory, name);
	thaw_status status = path ? thaw_report_file(path, object) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

/* The lock goes with the process, however it ends. */
static thaw_status take_lock(struct run *r)
{
	char *path = thaw_format("%s/.lock", r->options.out);
	if (!path)
		return THAW_RESOURCE;
	r->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	thaw_status status = THAW_OK;
	if (r->lock < 0)
		status = thaw_fail(THAW_IO, "%s: %s: is the folder writable?", strerror(errno), path);
	else if (flock(r->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		status = thaw_fail(THAW_CONFIG,
				   "another job is at work in this run directory: --out %s: wait for it or "
				   "give another folder",
				   r->options.out);
	thaw_free(path);
	return status;
}

/* Names the first setting that differs from the run's own. */
static thaw_status compare_config(const struct run *r, json_t *then, json_t *now)
{
	const char *key;
	json_t *value;
	json_object_foreach(now, key, value)
	{
		json_t *old = json_object_get(then, key);
		if (run_same_setting(old, value))
			continue;
		if (strcmp(key, "blas") == 0 && r->options.mixed_machines)
			continue;
		if (strcmp(key, "blas") == 0)
			return thaw_fail(THAW_CONFIG,
					 "this run was started with the BLAS kernel %s, not %s: --out %s: set "
					 "OPENBLAS_CORETYPE to it, or give --mixed-machines",
					 json_is_string(old) ? json_string_value(old) : "(absent)",
					 json_string_value(value), r->options.out);
		if (strcmp(key, "data") == 0)
			return thaw_fail(
				THAW_CONFIG,
				"this run was started with other training images: --data %s: give it the same, "
				"or --out another folder than %s",
				r->options.data, r->options.out);
		const size_t how = JSON_ENCODE_ANY | JSON_REAL_PRECISION(SHOWN_DIGITS);
		char *was = old ? json_dumps(old, how) : NULL, *is = json_dumps(value, how);
		thaw_status status = thaw_fail(THAW_CONFIG,
					       "this run was started with %s %s, not %s: --out %s: use the same "
					       "settings or another folder",
					       key, was ? was : "(absent)", is ? is : "", r->options.out);
		free(was);
		free(is);
		return status;
	}
	return THAW_OK;
}

static thaw_status open_config(struct run *r)
{
	json_t *then;
	THAW_TRY(load_json(&then, r->options.out, "config.json"));
	json_t *now = run_config_json(r);
	if (now)
		json_object_set_new(now, "data",
				    json_sprintf("%016llx", (unsigned long long)thaw_dataset_digest(&r->train)));
	thaw_status status = THAW_OK;
	if (!now)
		status = thaw_fail(THAW_RESOURCE, "out of memory for the configuration");
	else if (then && strcmp(r->options.resume, "never") == 0)
		status = thaw_fail(
			THAW_CONFIG,
			"the folder holds a run already: --out %s: give another one, or leave out --resume never",
			r->options.out);
	else if (then)
		status = compare_config(r, then, now);
	if (status == THAW_OK)
		status = run_planned_open(r, !then, now);
	if (status == THAW_OK && !then)
		status = write_json(r->options.out, "config.json", now);
	json_decref(now);
	json_decref(then);
	return status;
}

/* The summary of a run that is done: a result whose model was taken away is made again. */
static thaw_status load_summary(json_t **summary, const struct run *r)
{
	const char *directory = r->options.out;
	char *model = thaw_format("%s/%s", directory, thaw_model_file_name(r->model));
	if (!model)
		return THAW_RESOURCE;
	bool there = access(model, F_OK) == 0;
	thaw_free(model);
	return there ? load_json(summary, directory, "result.json") : THAW_OK;
}

static thaw_status open_here(struct run *r, json_t **summary)
{
	THAW_TRY(thaw_make_directory(r->options.out));
	THAW_TRY(take_lock(r));
	THAW_TRY(open_config(r));
	THAW_TRY(load_summary(summary, r));
	int64_t best; /* a damaged record would keep every checkpoint from being written */
	THAW_TRY(thaw_checkpoint_best(&best, r->options.out));
	r->metrics_path = thaw_format("%s/metrics.jsonl", r->options.out);
	struct thaw_checkpoint_options options = {r->options.out, r->options.keep, CHECKPOINT_LEVEL};
	return r->metrics_path ? thaw_checkpoint_writer_create(&r->writer, &options) : THAW_RESOURCE;
}

/* A run goes on with the lanes it was started with, however many ranks there are now. */
static thaw_status recorded_lanes(const struct run *r, int64_t *lanes)
{
	json_t *config = NULL;
	if (!r->options.out)
		return THAW_OK;
	THAW_TRY(load_json(&config, r->options.out, "config.json"));
	*lanes = json_integer_value(json_object_get(config, "lanes"));
	json_decref(config);
	return THAW_OK;
}

thaw_status run_directory_lanes(struct run *r)
{
	int64_t lanes = 0;
	if (r->options.lanes > 0)
		return THAW_OK;
	THAW_TRY(thaw_comm_agree(r->comm, r->comm->rank == 0 ? recorded_lanes(r, &lanes) : THAW_OK));
	THAW_TRY(r->comm->broadcast(r->comm, &lanes, sizeof(lanes), 0));
	if (lanes > 0 && lanes <= INT_MAX)
		r->options.lanes = (int)lanes;
	return THAW_OK;
}

thaw_status run_directory_open(struct run *r, bool *done, json_t **summary)
{
	*summary = NULL;
	THAW_TRY(thaw_comm_agree(r->comm, r->comm->rank == 0 ? open_here(r, summary) : THAW_OK));
	int64_t finished = *summary != NULL;
	THAW_TRY(r->comm->max(r->comm, &finished, 1));
	*done = finished != 0;
	return THAW_OK;
}

static thaw_status finish_here(struct run *r, json_t *summary)
{
	thaw_status status = thaw_checkpoint_flush(r->writer);
	if (status != THAW_OK)
		run_log(r, "the last checkpoint was not written: %s", thaw_error_message());
	status = thaw_model_save_run(r->model, r->options.out);
	return status == THAW_OK ? write_json(r->options.out, "result.json", summary) : status;
}

thaw_status run_directory_finish(struct run *r, json_t *summary)
{
	return thaw_comm_agree(r->comm, r->comm->rank == 0 ? finish_here(r, summary) : THAW_OK);
}

void run_directory_close(struct run *r)
{
	char *reason = thaw_strdup(thaw_error_message()); /* why the run ends, where it failed: to be told last */
	if (thaw_checkpoint_writer_close(r->writer) != THAW_OK) {
		run_log(r, "the last checkpoint was not written: %s", thaw_error_message());
		thaw_fail(THAW_IO, "%s", reason ? reason : "out of memory");
	}
	thaw_free(reason);
	r->writer = NULL;
	run_planned_close(r);
	if (r->lock >= 0)
		close(r->lock);
	r->lock = -1;
}
