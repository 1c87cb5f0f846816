/* The run directory: configuration, lock, and whether the run is new, unfinished or done.
 *
 *   config.json      what decides the run's numbers; a later start must agree with it
 *   metrics.jsonl    a line per step and epoch
 *   step-N.safetensors.zst   checkpoints
 *   model.safetensors        the trained network, written at the end
 *   result.json      the summary, written last: its presence means done
 *
 * Rank 0 alone looks at and writes files; the others are told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/train/run.h"
#include "thaw/report.h"

static json_t *load_json(const char *directory, const char *name)
{
	char *path = thaw_format("%s/%s", directory, name);
	json_t *object = path ? json_load_file(path, JSON_REJECT_DUPLICATES, NULL) : NULL;
	thaw_free(path);
	return object;
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
		if (old && (json_equal(old, value) ||
			    (json_is_number(old) && json_number_value(old) == json_number_value(value))))
			continue;
		char *was = old ? json_dumps(old, JSON_ENCODE_ANY) : NULL, *is = json_dumps(value, JSON_ENCODE_ANY);
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
	json_t *now = run_config_json(r), *then = load_json(r->options.out, "config.json");
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
	else
		status = write_json(r->options.out, "config.json", now);
	json_decref(now);
	json_decref(then);
	return status;
}

static thaw_status open_here(struct run *r, json_t **summary)
{
	THAW_TRY(thaw_make_directory(r->options.out));
	THAW_TRY(take_lock(r));
	THAW_TRY(open_config(r));
	*summary = load_json(r->options.out, "result.json");
	r->metrics_path = thaw_format("%s/metrics.jsonl", r->options.out);
	struct thaw_checkpoint_options options = {r->options.out, r->options.keep, 1};
	return r->metrics_path ? thaw_checkpoint_writer_create(&r->writer, &options) : THAW_RESOURCE;
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
	char *path = thaw_format("%s/model.safetensors", r->options.out);
	status = path ? thaw_model_save(r->model, path, false) : THAW_RESOURCE;
	thaw_free(path);
	return status == THAW_OK ? write_json(r->options.out, "result.json", summary) : status;
}

thaw_status run_directory_finish(struct run *r, json_t *summary)
{
	return thaw_comm_agree(r->comm, r->comm->rank == 0 ? finish_here(r, summary) : THAW_OK);
}

void run_directory_close(struct run *r)
{
	if (thaw_checkpoint_writer_close(r->writer) != THAW_OK)
		run_log(r, "the last checkpoint was not written: %s", thaw_error_message());
	r->writer = NULL;
	if (r->lock >= 0)
		close(r->lock);
	r->lock = -1;
}
