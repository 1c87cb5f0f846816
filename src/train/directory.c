/* The run directory: configuration, lock, and whether the run is new, unfinished or done.
 *
 *   plan.json        the plan the run was started with, if any
 *   origin.json      the network that the run started from
 *   config.json      all settings that decide the result; a later start must have the same
 *   metrics.jsonl    one line per step and per epoch
 *   step-N.safetensors.zst   checkpoints
 *   model.safetensors, or model.onnx for an imported network: the trained network, written at the end
 *   diverged.json    if the run diverged: why, and when
 *   result.json      the summary, written last: if it exists, the run is done
 *
 * Only rank 0 reads and writes files; the other ranks receive the outcome.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "src/train/state_size.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define CHECKPOINT_LEVEL 1  /* of zstd; negative levels are faster but do not compress weights */
#define SHOWN_DIGITS     10 /* of numbers in messages */

/* *object becomes NULL when the file does not exist. */
static thaw_status load_json(json_t **object, const char *directory, const char *name)
{
	char *path = thaw_format("%s/%s", directory, name);
	if (!path)
		return THAW_RESOURCE;
	thaw_status status = THAW_OK;
	*object = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	if (!*object && access(path, F_OK) == 0)
		status = thaw_fail(THAW_DATA, "damaged file: %s: restore it from a copy, or start in another folder",
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

static bool is_complete(const struct run *r)
{
	char *path = thaw_format("%s/result.json", r->options.out);
	bool complete = path && access(path, F_OK) == 0;
	thaw_free(path);
	return complete;
}

/* Whether the run has a result or a checkpoint. One that has neither lost nothing when it starts anew. */
static thaw_status has_state(const struct run *r, bool *state)
{
	int64_t *steps = NULL;
	int count = 0;
	THAW_TRY(thaw_checkpoint_list(&steps, &count, r->options.out));
	thaw_free(steps);
	*state = count > 0 || is_complete(r);
	return THAW_OK;
}

/* How a setting differs from the run's own, and what to do. recorded: NULL if the run has no such setting. */
static thaw_status fail_setting(const struct run *r, const char *key, const json_t *recorded, const json_t *current)
{
	const char *out = r->options.out;
	if (strcmp(key, "blas") == 0)
		return thaw_fail(THAW_CONFIG,
				 "this run was started with the BLAS kernel %s, not %s: --out %s: set "
				 "OPENBLAS_CORETYPE to it, or give --mixed-machines",
				 json_is_string(recorded) ? json_string_value(recorded) : "(absent)",
				 json_string_value(current), out);
	if (strcmp(key, "data") == 0)
		return thaw_fail(THAW_CONFIG,
				 "this run was started with other training images: --data %s: give it the same (put "
				 "removed images back, take added ones out), or --out another folder than %s",
				 r->options.data, out);
	const size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(SHOWN_DIGITS);
	char *was = recorded ? json_dumps(recorded, flags) : NULL, *is = json_dumps(current, flags);
	const char *started = is_complete(r) ? "is complete, with" : "was started with";
	thaw_status status = thaw_fail(
		THAW_CONFIG, "this run %s %s %s, not %s: --out %s: use the same settings or another folder%s%s%s",
		started, key, was ? was : "(absent)", is ? is : "", out, is_complete(r) ? "; --model " : "",
		is_complete(r) ? out : "", is_complete(r) ? " --out NEW trains its network further" : "");
	free(was);
	free(is);
	return status;
}

/* Fails with the first setting that differs from the recorded ones. */
static thaw_status compare_config(const struct run *r, json_t *recorded, json_t *current)
{
	const char *key;
	json_t *value;
	json_object_foreach(current, key, value)
	{
		const json_t *old = json_object_get(recorded, key);
		bool allowed = strcmp(key, "blas") == 0 && r->options.mixed_machines;
		if (!allowed && !run_same_setting(old, value))
			return fail_setting(r, key, old, value);
	}
	return THAW_OK;
}

/* Checks the settings of a run that is in the folder already. *anew: they differ, but the run has nothing to resume, or
 * it diverged. */
static thaw_status check_recorded(const struct run *r, json_t *recorded, json_t *current, bool *anew)
{
	bool state;
	if (r->options.resume == THAW_RESUME_NEVER)
		return thaw_fail(THAW_CONFIG,
				 "the folder already has a run: --out %s: give another one, or remove --resume never",
				 r->options.out);
	THAW_TRY(has_state(r, &state));
	thaw_status status = compare_config(r, recorded, current);
	bool over = status == THAW_CONFIG && state && !is_complete(r) && run_may_start_over(r, recorded, current);
	*anew = status == THAW_CONFIG && (!state || over);
	if (!*anew)
		return status;
	if (over) {
		run_log(r,
			"the run in %s diverged: its checkpoints are removed, and it starts anew with these settings",
			r->options.out);
		return run_start_over(r);
	}
	run_log(r, "an earlier start in %s left no checkpoint: the run starts anew with these settings",
		r->options.out);
	return THAW_OK;
}

static thaw_status open_config(struct run *r)
{
	json_t *recorded;
	THAW_TRY(load_json(&recorded, r->options.out, "config.json"));
	json_t *current = run_config_json(r);
	if (current)
		json_object_set_new(current, "data",
				    json_sprintf("%016llx", (unsigned long long)thaw_dataset_digest(&r->train)));
	thaw_status status = current ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory for the configuration");
	bool anew = !recorded;
	if (status == THAW_OK && recorded)
		status = check_recorded(r, recorded, current, &anew);
	if (status == THAW_OK)
		status = run_plan_open(r, !recorded || (anew && r->options.plan), current);
	if (status == THAW_OK && anew)
		status = thaw_model_save_origin(r->model, r->options.model, (uint64_t)r->options.seed, r->options.out);
	if (status == THAW_OK && anew)
		status = write_json(r->options.out, "config.json", current);
	json_decref(current);
	json_decref(recorded);
	return status;
}

/* *summary: of a run that is done. If its model file was removed, the run continues and writes it again. */
static thaw_status load_summary(json_t **summary, const struct run *r)
{
	const char *directory = r->options.out;
	char *model = thaw_format("%s/%s", directory, thaw_model_file_name(r->model));
	if (!model)
		return THAW_RESOURCE;
	bool exists = access(model, F_OK) == 0;
	thaw_free(model);
	return exists ? load_json(summary, directory, "result.json") : THAW_OK;
}

/* Rank 0. */
static thaw_status open_here(struct run *r, json_t **summary)
{
	THAW_TRY(thaw_make_directory(r->options.out));
	THAW_TRY(thaw_lock_take(&r->lock, r->options.out, &thaw_lock_default_times, r->callbacks));
	THAW_TRY(open_config(r));
	THAW_TRY(load_summary(summary, r));
	int64_t best; /* fail now: with a damaged record no checkpoint could be written */
	THAW_TRY(thaw_checkpoint_best(&best, r->options.out));
	r->metrics_path = thaw_format("%s/metrics.jsonl", r->options.out);
	const struct thaw_checkpoint_options options = {
		.directory = r->options.out,
		.keep_last = r->options.keep,
		.level = CHECKPOINT_LEVEL,
		.largest = thaw_state_bound(r->model->graph),
	};
	return r->metrics_path ? thaw_checkpoint_writer_create(&r->writer, &options) : THAW_RESOURCE;
}

/* A resumed run keeps the lanes it was started with, whatever the rank count now. */
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

/* The trained network, then the result, which marks the run as complete. */
static thaw_status write_results(const struct run *r, const json_t *summary)
{
	thaw_status status = thaw_model_save_run(r->model, r->options.out);
	return status == THAW_OK ? write_json(r->options.out, "result.json", summary) : status;
}

/* Rank 0. On a full disk, older checkpoints make room. */
static thaw_status finish_here(struct run *r, const json_t *summary)
{
	if (thaw_checkpoint_flush(r->writer) != THAW_OK)
		run_log(r, "the last checkpoint was not written: %s", thaw_error_message());
	THAW_TRY(thaw_lock_check(r->lock));
	thaw_status status;
	do {
		status = write_results(r, summary);
	} while (status == THAW_IO && thaw_is_full(thaw_failed_errno()) && thaw_checkpoint_make_room(r->writer));
	run_log_removed(r, thaw_checkpoint_poll(r->writer).removed, true);
	return status;
}

thaw_status run_directory_finish(struct run *r, json_t *summary)
{
	return thaw_comm_agree(r->comm, r->comm->rank == 0 ? finish_here(r, summary) : THAW_OK);
}

void run_directory_close(struct run *r)
{
	/* Why the run failed, if it did: this must stay the last message. */
	char *reason = thaw_strdup(thaw_error_message());
	if (thaw_checkpoint_writer_close(r->writer) != THAW_OK) {
		run_log(r, "the last checkpoint was not written: %s", thaw_error_message());
		thaw_fail(THAW_IO, "%s", reason ? reason : "out of memory");
	}
	thaw_free(reason);
	r->writer = NULL;
	run_plan_close(r);
	thaw_lock_release(r->lock);
	r->lock = NULL;
}
