/* The run directory: configuration, lock, and whether the run is new, unfinished or done.
 *
 *   plan.json        the plan the run was started with, if any
 *   origin.json      the network that the run started from
 *   images.list      the images that the run began with
 *   exclude.list     the images that it leaves out, if any
 *   config.json      all settings that decide the result; a later start must have the same
 *   images.digests.zst   digests of the bytes of the images
 *   metrics.jsonl    one line per step and per epoch
 *   step-N.safetensors.zst   checkpoints
 *   model.safetensors, or model.onnx for an imported network: the trained network, written at the end
 *   diverged.json    if the run diverged: why, and when
 *   result.json      the summary, written last, with the digest of the trained network: if both are undamaged, the run
 *                    is done
 *
 * Only rank 0 reads and writes files; the other ranks receive the outcome.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/open_file.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "src/train/state_size.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/run_result.h"
#include "thaw/version.h"

#define CHECKPOINT_LEVEL 1  /* of zstd; negative levels are faster but do not compress weights */
#define SHOWN_DIGITS     10 /* of numbers in messages */
#define SHOWN_SINGLE     7  /* of those that are in single precision */

/* *object becomes NULL when the file does not exist. */
static thaw_status load_json(json_t **object, const char *directory, const char *name)
{
	char *path = thaw_format("%s/%s", directory, name);
	if (!path)
		return THAW_RESOURCE;
	thaw_status status = THAW_OK;
	*object = NULL;
	if (access(path, F_OK) == 0)
		status = thaw_report_read(object, path, THAW_REPORT_LIMIT,
					  "restore it from a copy, or start in another folder");
	if (*object && thaw_report_check_seal(*object) == THAW_SEAL_BROKEN)
		status = thaw_fail(THAW_DATA, "damaged file: %s: restore it from a copy, or start in another folder",
				   path);
	thaw_free(path);
	if (status != THAW_OK) {
		json_decref(*object);
		*object = NULL;
	}
	return status;
}

/* With a checksum. */
static thaw_status write_json(const char *directory, const char *name, json_t *object)
{
	THAW_TRY(thaw_report_seal(object));
	char *path = thaw_format("%s/%s", directory, name);
	thaw_status status = path ? thaw_report_file(path, object) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

/* The flag that sets a member of "preprocess"; "settings" for others, whose names are those of their flags. */
static const char *flag_of(const char *key)
{
	static const char *const flags[][2] = {
		{"filter", "--interpolation"},
		{"resize", "--crop"},
		{"mode", "--crop"},
		{"mean", "--mean"},
		{"std", "--std"},
	};
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (strcmp(key, flags[i][0]) == 0)
			return flags[i][1];
	return "settings";
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
	const char *place = thaw_dataset_place(r->options.data, &r->options.manifest);
	if (strcmp(key, "data") == 0)
		return thaw_fail(THAW_CONFIG,
				 "this run was started with other training images: --data %s: give it the same, or "
				 "--out another folder than %s",
				 place, out);
	if (strcmp(key, "manifest") == 0)
		return thaw_fail(THAW_CONFIG,
				 "this run was started with %s: %s: give it the same, or --out another folder than %s",
				 run_had_manifest(recorded) ? "another manifest, or it has changed since"
							    : "no manifest",
				 place, out);
	const bool single = json_is_array(current); /* mean and std */
	const size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(single ? SHOWN_SINGLE : SHOWN_DIGITS);
	char *was = recorded ? json_dumps(recorded, flags) : NULL, *is = json_dumps(current, flags);
	const char *started = run_is_complete(r) ? "is complete, with" : "was started with";
	thaw_status status = thaw_fail(
		THAW_CONFIG, "this run %s %s %s, not %s: --out %s: use the same %s or another folder%s%s%s", started,
		key, was ? was : "(absent)", is ? is : "", out, flag_of(key), run_is_complete(r) ? "; --model " : "",
		run_is_complete(r) ? out : "", run_is_complete(r) ? " --out NEW trains its network further" : "");
	free(was);
	free(is);
	return status;
}

/* Fails with the first setting, or member of one, that differs from the recorded ones. */
static thaw_status compare_config(const struct run *r, const json_t *recorded, json_t *current)
{
	const char *key;
	json_t *value;
	json_object_foreach(current, key, value)
	{
		const json_t *old = json_object_get(recorded, key);
		bool allowed = strcmp(key, "blas") == 0 && r->options.mixed_machines;
		/* Earlier versions did not record these, and had no flags for them. */
		allowed |= !old && strcmp(key, "precision") == 0 && r->options.precision == THAW_PRECISION_FP32;
		allowed |= !old && strcmp(key, "fully-conv") == 0 && !r->options.fully_conv;
		allowed |=
			!old && strcmp(key, "preprocess") == 0 && !thaw_preprocess_override_given(&r->options.images);
		allowed |= !old && strcmp(key, "fixres") == 0 && json_integer_value(value) == 0;
		allowed |= !old && run_is_default_objective(r, key, value);
		allowed |= !old && run_is_default_data(key, value);
		allowed |= !old && json_is_null(value);
		if (allowed || run_same_setting(old, value))
			continue;
		if (json_is_object(old) && json_is_object(value))
			THAW_TRY(compare_config(r, old, value));
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
	THAW_TRY(run_has_state(r, &state));
	thaw_status status = compare_config(r, recorded, current);
	bool over = status == THAW_CONFIG && state && !run_is_complete(r) && run_may_start_over(r, recorded, current);
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
		status = thaw_model_save_origin(r->model, r->options.model, r->options.weights_key,
						(uint64_t)r->options.seed, r->options.out);
	/* Build and network are only recorded: checkpoints say which build a run was continued by, and from which
	 * network. */
	if (status == THAW_OK && anew &&
	    (json_object_set_new(current, "build", json_string(thaw_build())) != 0 ||
	     json_object_set_new(current, "network", json_sprintf("%016" PRIx64, r->model->digest)) != 0 ||
	     json_object_set_new(current, "columns", run_columns_json(r)) != 0 ||
	     json_object_set_new(current, "images", run_image_sample(r)) != 0))
		status = thaw_fail(THAW_RESOURCE, "out of memory for the configuration");
	if (status == THAW_OK && anew)
		status = run_exclude_write(r);
	if (status == THAW_OK && anew)
		status = write_json(r->options.out, "config.json", current);
	if (status == THAW_OK)
		status = run_images_write(r);
	json_decref(current);
	json_decref(recorded);
	return status;
}

static bool has_model(const struct run *r)
{
	char *model = thaw_format("%s/%s", r->options.out, thaw_model_file_name(r->model));
	bool exists = model && access(model, F_OK) == 0;
	thaw_free(model);
	return exists;
}

/* The trained network or the result is damaged, for the recorded reason: the run continues from its newest checkpoint
 * and writes both again, to the same bits. */
static thaw_status make_again(const struct run *r)
{
	int64_t *steps = NULL;
	int count = 0;
	char *reason = thaw_strdup(thaw_error_message());
	thaw_status status = reason ? thaw_checkpoint_list(&steps, &count, r->options.out) : THAW_RESOURCE;
	thaw_free(steps);
	char *remedy = reason ? strstr(reason, ": start the run again") : NULL;
	if (remedy)
		*remedy = '\0';
	if (status == THAW_OK && count == 0)
		status = thaw_fail(THAW_DATA,
				   "%s: there is no checkpoint to make it anew from: restore it from a copy, or remove "
				   "it to train from the beginning",
				   reason);
	else if (status == THAW_OK)
		run_log(r, "%s: it is made anew from the newest checkpoint", reason);
	thaw_free(reason);
	return status;
}

/* A pipe or a device in place of a file that the run writes at its end would fail it after all of the training. */
static thaw_status check_replaceable(const struct run *r, const char *name)
{
	struct stat st;
	char *path = thaw_format("%s/%s", r->options.out, name);
	thaw_status status = path ? THAW_OK : THAW_RESOURCE;
	if (path && stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		status = thaw_fail(THAW_DATA, "%s, not a regular file: %s: remove it, or start in another folder",
				   thaw_file_kind(st.st_mode), path);
	thaw_free(path);
	return status;
}

/* *summary: of a run that is done. If its model file was removed, the run continues and writes it again. */
static thaw_status load_summary(json_t **summary, const struct run *r)
{
	json_t *result = NULL;
	THAW_TRY(check_replaceable(r, "result.json"));
	THAW_TRY(check_replaceable(r, thaw_model_file_name(r->model)));
	if (!has_model(r))
		return THAW_OK;
	thaw_status status = thaw_run_result_read(&result, r->options.out);
	if (status == THAW_OK && result)
		status = thaw_run_result_check_model(result, r->options.out);
	if (status == THAW_OK)
		*summary = result;
	else
		json_decref(result);
	return status == THAW_DATA ? make_again(r) : status;
}

/* A run that is not done must go on with the pictures that it began with. */
static thaw_status check_images(const struct run *r)
{
	json_t *config = NULL;
	THAW_TRY(load_json(&config, r->options.out, "config.json"));
	thaw_status status = run_compare_recorded_images(r, json_object_get(config, "images"));
	json_decref(config);
	return status;
}

/* Rank 0. */
static thaw_status open_here(struct run *r, json_t **summary)
{
	THAW_TRY(thaw_make_directory(r->options.out));
	THAW_TRY(thaw_lock_take(&r->lock, r->options.out, &thaw_lock_default_times, r->callbacks));
	THAW_TRY(open_config(r));
	THAW_TRY(load_summary(summary, r));
	if (!*summary)
		THAW_TRY(check_images(r));
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
static thaw_status write_results(const struct run *r, json_t *summary)
{
	thaw_status status = thaw_model_save_run(r->model, r->options.out);
	return status == THAW_OK ? thaw_run_result_write(summary, r->options.out, thaw_model_file_name(r->model))
				 : status;
}

/* Rank 0. On a full disk, older checkpoints make room. */
static thaw_status finish_here(struct run *r, json_t *summary)
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
	THAW_TRY(run_compare_weights(r));
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
	run_metrics_close(r);
	r->writer = NULL;
	run_plan_close(r);
	thaw_lock_release(r->lock);
	r->lock = NULL;
}
