/* Repeats steps of a run in a temporary directory, by the same code that trained it, and compares what it saves.
 *
 * The repetition starts from a checkpoint of the run: a link to it is the only checkpoint of the temporary directory,
 * so thaw_train continues from it. Without a checkpoint it starts anew. The run directory is only read. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cblas.h>

#include "src/base/io_error.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "src/train/verify.h"
#include "thaw/checkpoint.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/run_result.h"

#define NONE       (-1)
#define KEEP       1000 /* checkpoints of the repetition: the one to compare is among them */
#define NAME_SIZE  64
#define FILE_LIMIT ((size_t)4 << 30) /* bytes of images.list */

/* Steps are those of the whole run. */
struct repetition {
	char *directory;  /* temporary; from thaw_alloc */
	int64_t from, to; /* the checkpoint it starts from, 0: none; where it ends */
	int64_t compared,
		done; /* rank 0: the newest saved state up to `to`; the step of the trained network; or NONE */
	bool started; /* from the beginning */
};

/* ---- Preparing. Rank 0. ---- */

/* Chooses where to begin, where to end, and what to compare with. */
static thaw_status choose_steps(const struct verification *v, struct repetition *p)
{
	int64_t *steps = NULL;
	int count = 0;
	json_t *result = NULL;
	THAW_TRY(thaw_run_result_read(&result, v->options->run));
	p->done = result ? json_integer_value(json_object_get(result, "steps")) : NONE;
	json_decref(result);
	THAW_TRY(thaw_checkpoint_list(&steps, &count, v->options->run));
	p->from = count > 0 ? steps[count - 1] : 0;
	p->started = count == 0;
	p->to = p->from + v->options->retrain;
	if (p->done >= 0 && p->to > p->done)
		p->to = p->done;
	p->compared = p->done == p->to ? p->done : NONE;
	for (int i = 0; i < count && p->compared == NONE; i++)
		if (steps[i] > p->from && steps[i] <= p->to)
			p->compared = steps[i];
	thaw_free(steps);
	return THAW_OK;
}

static thaw_status make_directory(struct repetition *p)
{
	const char *parent = getenv("TMPDIR");
	char *name = thaw_format("%s/thaw-verify-XXXXXX", parent && *parent ? parent : "/tmp");
	if (!name)
		return THAW_RESOURCE;
	if (!mkdtemp(name)) {
		thaw_status status = thaw_fail_io("cannot create a temporary folder ($TMPDIR)", name);
		thaw_free(name);
		return status;
	}
	p->directory = name;
	return THAW_OK;
}

/* Copies a file of the run, if it has it. */
static thaw_status copy_file(const struct verification *v, const struct repetition *p, const char *name)
{
	char *from = thaw_path_join(v->options->run, name), *to = thaw_path_join(p->directory, name);
	thaw_status status = from && to ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && thaw_path_is_file(from))
		status = thaw_file_copy(from, to, FILE_LIMIT);
	thaw_free(from);
	thaw_free(to);
	return status;
}

/* Links instead of copies: a checkpoint may be large. */
static thaw_status link_checkpoint(const struct verification *v, const struct repetition *p)
{
	char name[NAME_SIZE];
	snprintf(name, sizeof(name), "step-%lld.safetensors.zst", (long long)p->from);
	char *from = thaw_path_real(v->options->run, name), *to = thaw_path_join(p->directory, name);
	thaw_status status = from && to ? THAW_OK
					: thaw_fail(THAW_IO,
						    "missing checkpoint: %s/%s: run the same "
						    "command again",
						    v->options->run, name);
	if (status == THAW_OK && symlink(from, to) != 0)
		status = thaw_fail_io("cannot link", to);
	thaw_free(from);
	thaw_free(to);
	return status;
}

/* Sums depend on BLAS's kernel and threads. Runs of early versions do not record them. */
static thaw_status check_blas(const struct verification *v)
{
	const json_t *threads = json_object_get(v->config, "threads");
	const char *kernel = json_string_value(json_object_get(v->config, "blas")), *now = openblas_get_corename();
	if (threads && json_integer_value(threads) != openblas_get_num_threads())
		return thaw_fail(THAW_CONFIG,
				 "the run was trained with %d BLAS threads, not %d: --threads: give the same",
				 (int)json_integer_value(threads), openblas_get_num_threads());
	if (kernel && strcmp(kernel, now) != 0 && !v->options->mixed_machines)
		return thaw_fail(
			THAW_CONFIG,
			"the run was trained with the BLAS kernel %s, not %s: %s: set OPENBLAS_CORETYPE to it, or "
			"give --mixed-machines",
			kernel, now, v->options->run);
	return THAW_OK;
}

static thaw_status prepare(const struct verification *v, struct repetition *p)
{
	THAW_TRY(check_blas(v));
	THAW_TRY(choose_steps(v, p));
	THAW_TRY(make_directory(p));
	if (p->started)
		return THAW_OK;
	THAW_TRY(copy_file(v, p, "config.json"));
	THAW_TRY(copy_file(v, p, "images.list"));
	THAW_TRY(copy_file(v, p, "exclude.list"));
	return link_checkpoint(v, p);
}

/* The folder has files only. */
static void remove_directory(const char *directory)
{
	DIR *folder = opendir(directory);
	struct dirent *entry;
	while (folder && (entry = readdir(folder))) {
		char *path = thaw_path_join(directory, entry->d_name);
		if (path && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlink(path);
		thaw_free(path);
	}
	if (folder)
		closedir(folder);
	rmdir(directory);
}

/* ---- Repeating ---- */

static thaw_status train(const struct verification *v, const struct repetition *p)
{
	struct thaw_train_options o;
	json_t *summary = NULL;
	THAW_TRY(thaw_comm_agree(v->comm, run_config_options(&o, v->config)));
	o.model = o.origin = v->options->run;
	o.data = v->data[0] ? v->data : NULL;
	o.manifest.file = v->manifest[0] ? v->manifest : NULL;
	o.out = p->directory;
	o.last_step = p->to;
	o.checkpoint_seconds = 0.0;
	o.checkpoint_steps = p->compared > 0 ? p->compared : 0;
	o.eval_every = INT_MAX;
	o.keep = KEEP;
	o.decode_threads = v->options->decode_threads;
	o.mixed_machines = v->options->mixed_machines;
	char *exclude = thaw_path_join(v->options->run, "exclude.list");
	if (json_is_string(json_object_get(v->config, "exclude")))
		o.exclude = exclude;
	thaw_status status = exclude ? thaw_train(v->comm, &o, v->callbacks, &summary) : THAW_RESOURCE;
	thaw_free(exclude);
	json_decref(summary);
	int64_t stopped = verify_stops(v);
	THAW_TRY(v->comm->max(v->comm, &stopped, 1));
	if (stopped)
		return thaw_fail(THAW_UNFINISHED,
				 "asked to stop: %s: thaw verify changes nothing: run the same command "
				 "again",
				 v->options->run);
	return status == THAW_UNFINISHED ? THAW_OK : status;
}

/* ---- Comparing. Rank 0. ---- */

/* A repetition from the beginning has its own settings: those of this machine may differ. */
static thaw_status note_settings(struct verification *v, const struct repetition *p)
{
	static const char *const keys[] = {"blas", "threads", "variant", "preprocess", "data", "network"};
	json_t *config = NULL;
	char *path = thaw_path_join(p->directory, "config.json");
	thaw_status status =
		path ? thaw_report_read(&config, path, THAW_REPORT_LIMIT, "run the command again") : THAW_RESOURCE;
	for (size_t i = 0; status == THAW_OK && i < sizeof(keys) / sizeof(*keys); i++)
		if (json_object_get(v->config, keys[i]) &&
		    !run_same_setting(json_object_get(v->config, keys[i]), json_object_get(config, keys[i])))
			verify_note(v, "the repetition has another \"%s\" than the run", keys[i]);
	json_decref(config);
	thaw_free(path);
	return status;
}

static thaw_status compare_weights(struct verification *v, const struct repetition *p)
{
	char *tensor = NULL;
	if (p->compared == NONE) {
		verify_note(v, "weights were not compared: the run saved none from step %lld to %lld: give more steps",
			    (long long)p->from + 1, (long long)p->to);
		json_object_set_new(v->retrain, "weights", json_string("not compared"));
		return THAW_OK;
	}
	bool final = p->compared == p->done;
	THAW_TRY(retrain_compare_weights(&tensor, v->options->run, p->directory, p->compared, final));
	json_object_set_new(v->retrain, "weights", json_string(tensor ? "different" : "equal"));
	json_object_set_new(v->retrain, "compared_with",
			    final ? json_string("the trained network")
				  : json_sprintf("the checkpoint of step %lld", (long long)p->compared));
	if (tensor) {
		json_object_set_new(v->retrain, "tensor", thaw_report_string(tensor));
		verify_change(v, "steps %lld to %lld, repeated, give other bits than the run saved: first in %s",
			      (long long)p->from + 1, (long long)p->compared, tensor);
	}
	thaw_free(tensor);
	return THAW_OK;
}

static thaw_status compare_metrics(struct verification *v, const struct repetition *p)
{
	int64_t compared = 0, differs = NONE;
	THAW_TRY(retrain_compare_metrics(v->options->run, p->directory, p->from, p->to, &compared, &differs));
	json_object_set_new(v->retrain, "metrics",
			    json_string(compared == 0  ? "not compared"
					: differs >= 0 ? "different"
						       : "equal"));
	json_object_set_new(v->retrain, "metrics_compared", json_integer(compared));
	if (differs >= 0) {
		json_object_set_new(v->retrain, "first_step", json_integer(differs));
		verify_change(v, "step %lld, repeated, has other numbers than metrics.jsonl", (long long)differs);
	}
	return THAW_OK;
}

static thaw_status compare(struct verification *v, const struct repetition *p)
{
	v->retrain = json_pack("{s:I, s:I}", "from", (json_int_t)p->from, "to", (json_int_t)p->to);
	if (!v->retrain)
		return thaw_fail(THAW_RESOURCE, "out of memory: the report");
	if (p->started)
		THAW_TRY(note_settings(v, p));
	THAW_TRY(compare_metrics(v, p));
	return compare_weights(v, p);
}

thaw_status verify_retrain(struct verification *v)
{
	struct repetition p = {.compared = NONE, .done = NONE};
	if (v->images_differ) {
		verify_note(v, "no steps were repeated: the images are not those of the run");
		return THAW_OK;
	}
	thaw_status status = thaw_comm_agree(v->comm, v->comm->rank == 0 ? prepare(v, &p) : THAW_OK);
	int64_t steps[] = {p.from, p.to, p.compared};
	if (status == THAW_OK)
		status = v->comm->broadcast(v->comm, steps, sizeof(steps), 0);
	if (status == THAW_OK)
		status = verify_share(v->comm, &p.directory);
	p.from = steps[0], p.to = steps[1], p.compared = steps[2];
	if (status == THAW_OK)
		status = train(v, &p);
	if (status == THAW_OK)
		status = thaw_comm_agree(v->comm, v->comm->rank == 0 ? compare(v, &p) : THAW_OK);
	if (v->comm->rank == 0 && p.directory)
		remove_directory(p.directory);
	thaw_free(p.directory);
	return status;
}
