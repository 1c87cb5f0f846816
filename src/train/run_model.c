/* The network of a run at one of its checkpoints, whether the run is done or not. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/train/state_size.h"
#include "thaw/checkpoint.h"
#include "thaw/digest.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/run_result.h"
#include "thaw/train.h"

#define NOT_SAVED (-1)
#define LIST_SIZE 256 /* bytes of a list of steps in a message */
#define OPTIMIZER "optimizer."

/* Steps of a run directory. */
struct saved {
	int64_t *steps; /* [count] with a checkpoint, newest first; from thaw_alloc */
	int count;
	int64_t done; /* the step of the trained network; NOT_SAVED: the run is not done */
	int64_t best;
};

/* The trained network is written at the last step, which has no checkpoint. */
static thaw_status read_saved(struct saved *s, const char *directory)
{
	*s = (struct saved){.done = NOT_SAVED, .best = NOT_SAVED};
	THAW_TRY(thaw_checkpoint_list(&s->steps, &s->count, directory));
	THAW_TRY(thaw_checkpoint_best(&s->best, directory));
	json_t *result;
	THAW_TRY(thaw_run_result_read(&result, directory));
	if (result) {
		s->done = json_integer_value(json_object_get(result, "steps"));
		s->best = json_integer_value(json_object_get(result, "best_step"));
	}
	json_decref(result);
	return THAW_OK;
}

static thaw_status no_step(const struct saved *s, const char *directory, const char *from)
{
	char list[LIST_SIZE] = "";
	size_t used = 0;
	if (s->done >= 0)
		used += (size_t)snprintf(list, sizeof(list), "step-%lld", (long long)s->done);
	for (int i = 0; i < s->count && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%sstep-%lld", used ? ", " : "",
					 (long long)s->steps[i]);
	return thaw_fail(THAW_IO, "no such checkpoint: %s: --from %s: the run has %s", directory, from,
			 *list ? list : "none");
}

/* The step that `from` names. */
static thaw_status find_step(int64_t *step, const struct saved *s, const char *directory, const char *from)
{
	int64_t newest = s->count > 0 ? s->steps[0] : NOT_SAVED;
	char *end = NULL;
	*step = NOT_SAVED;
	if (strcmp(from, "last") == 0)
		*step = s->done >= 0 ? s->done : newest;
	else if (strcmp(from, "best") == 0)
		*step = s->best;
	else if (strncmp(from, "step-", 5) == 0 && from[5] >= '0' && from[5] <= '9')
		*step = strtoll(from + 5, &end, 10);
	if (end ? *end : strcmp(from, "last") != 0 && strcmp(from, "best") != 0)
		return thaw_fail(THAW_USAGE, "not understood: --from %s: give best, last or step-N", from);
	if (*step == NOT_SAVED && strcmp(from, "best") == 0 && s->count > 0)
		return thaw_fail(THAW_IO, "no evaluation yet, so no best checkpoint: %s: give --from last", directory);
	bool found = *step != NOT_SAVED && *step == s->done;
	for (int i = 0; i < s->count; i++)
		found |= *step == s->steps[i];
	return found ? THAW_OK : no_step(s, directory, from);
}

static int find_param(const struct thaw_graph *g, const char *name)
{
	for (int i = 0; i < g->param_count; i++)
		if (g->params[i].name && strcmp(g->params[i].name, name) == 0)
			return i;
	return -1;
}

/* The name of a file may be wrong: a copy. */
static thaw_status check_step(const struct thaw_weights *w, const char *path, int64_t step)
{
	const char *saved = thaw_weights_get(w, "thaw.total_steps");
	if (saved && strtoll(saved, NULL, 10) == step)
		return THAW_OK;
	return thaw_fail(THAW_DATA, "a checkpoint of another step: %s: it is of step %s: rename it or remove it", path,
			 saved ? saved : "(absent)");
}

/* Copies the tensors of the checkpoint into the network that the run started from. */
static thaw_status apply(struct thaw_model *m, const struct thaw_weights *w, const char *directory)
{
	const char *digest = thaw_weights_get(w, "thaw.base_digest");
	if (!digest || strtoull(digest, NULL, 16) != m->digest)
		return thaw_fail(THAW_CONFIG, "the network that the run started from has changed: %s: restore it: %s",
				 directory, m->source);
	for (int i = 0; i < w->count; i++) {
		const struct thaw_named_tensor *t = &w->tensors[i];
		if (strncmp(t->name, OPTIMIZER, strlen(OPTIMIZER)) == 0)
			continue;
		int p = find_param(m->graph, t->name);
		struct thaw_param *param = p >= 0 ? &m->graph->params[p] : NULL;
		if (!param || t->dtype != THAW_F32 || !thaw_shape_equal(&t->shape, &param->file_shape))
			return thaw_fail(THAW_DATA, "invalid checkpoint: %s: %s does not fit the network", directory,
					 t->name);
		size_t bytes = (size_t)thaw_shape_count(&t->shape) * sizeof(float);
		float *copy = thaw_alloc(bytes, 1); /* the data of a file may be unaligned */
		if (!copy)
			return THAW_RESOURCE;
		memcpy(copy, t->data, bytes);
		thaw_param_import(param, copy);
		m->digest = thaw_digest(copy, bytes, m->digest);
		thaw_free(copy);
	}
	m->pretrained = true;
	if (m->task == THAW_TASK_CLASS)
		m->sigmoid_from = NULL; /* the training is that of a softmax */
	thaw_model_to_units(m);
	return THAW_OK;
}

/* The adapters that the run adds to the network; their values are in its checkpoints. */
static thaw_status add_adapters(struct thaw_model *m, const char *directory)
{
	json_t *config = NULL;
	struct thaw_tune tune;
	char *path = thaw_path_join(directory, "config.json");
	thaw_status status =
		path ? thaw_report_read(&config, path, THAW_REPORT_LIMIT, "restore it from a copy") : THAW_RESOURCE;
	const char *text = json_string_value(json_object_get(config, "tune"));
	const char *unfreeze = json_string_value(json_object_get(config, "unfreeze"));
	if (status == THAW_OK && text && unfreeze) {
		status = thaw_tune_read(&tune, text);
		if (status == THAW_OK)
			status = thaw_graph_add_adapters(m->graph, unfreeze, &tune, 0);
	}
	json_decref(config);
	thaw_free(path);
	return status;
}

static char *path_of_step(const char *directory, int64_t step)
{
	return thaw_format("%s/step-%lld.safetensors.zst", directory, (long long)step);
}

/* With adapters apart from the weights of their layers; the source is that of the network that the run began with. */
static thaw_status load_step(struct thaw_model **model, const char *directory, int64_t step)
{
	struct thaw_weights w = {0};
	struct thaw_model *m = NULL;
	char *path = path_of_step(directory, step);
	thaw_status status = path ? thaw_model_load_origin(&m, directory) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = add_adapters(m, directory);
	if (status == THAW_OK)
		status = thaw_checkpoint_read(&w, path, thaw_state_bound(m->graph));
	if (status == THAW_OK)
		status = check_step(&w, path, step);
	if (status == THAW_OK)
		status = apply(m, &w, directory);
	if (status == THAW_OK)
		*model = m;
	else
		thaw_model_destroy(m);
	thaw_weights_free(&w);
	thaw_free(path);
	return status;
}

/* *done: the step is that of the trained network. */
static thaw_status choose_step(int64_t *step, bool *done, const char *directory, const char *from)
{
	struct saved saved;
	if (!thaw_path_is_directory(directory))
		return thaw_fail(THAW_USAGE, "not a run directory: %s: --from %s: it is for the folder of a run",
				 directory, from);
	thaw_status status = read_saved(&saved, directory);
	if (status == THAW_OK)
		status = find_step(step, &saved, directory, from);
	*done = *step == saved.done;
	thaw_free(saved.steps);
	return status;
}

thaw_status thaw_run_model_load(struct thaw_model **model, int64_t *step, const char *directory, const char *from)
{
	bool done;
	THAW_TRY(choose_step(step, &done, directory, from));
	if (done)
		return thaw_model_load(model, directory, 0, 0);
	char *path = path_of_step(directory, *step);
	thaw_status status = path ? load_step(model, directory, *step) : THAW_RESOURCE;
	if (status != THAW_OK) {
		thaw_free(path);
		return status;
	}
	thaw_free((*model)->source); /* the weights of the start, which may have been random */
	(*model)->source = path;
	status = thaw_graph_merge_adapters((*model)->graph);
	if (status != THAW_OK)
		thaw_model_destroy(*model);
	return status;
}

static thaw_status copy_file(const char *from, const char *to, const char *name)
{
	char *source = thaw_path_join(from, name), *target = thaw_path_join(to, name);
	thaw_status status = source && target ? thaw_file_copy(source, target, SIZE_MAX) : THAW_RESOURCE;
	thaw_free(source);
	thaw_free(target);
	return status;
}

static thaw_status fail_without(const char *directory)
{
	return thaw_fail(THAW_CONFIG, "the run has no adapters: %s: they are of runs with --tune lora:R", directory);
}

/* The adapters of a run that is done are in its folder. */
static thaw_status copy_adapters(const char *directory, const char *to)
{
	char *path = thaw_path_join(directory, THAW_ADAPTER_WEIGHTS);
	bool found = path && access(path, F_OK) == 0;
	thaw_free(path);
	if (!found)
		return fail_without(directory);
	THAW_TRY(thaw_make_directory(to));
	THAW_TRY(copy_file(directory, to, THAW_ADAPTER_WEIGHTS));
	return copy_file(directory, to, THAW_ADAPTER_CONFIG);
}

thaw_status thaw_run_save_adapters(const char *directory, const char *from, const char *to)
{
	struct thaw_model *m = NULL;
	int64_t step;
	bool done;
	THAW_TRY(choose_step(&step, &done, directory, from));
	if (done)
		return copy_adapters(directory, to);
	THAW_TRY(load_step(&m, directory, step));
	thaw_status status = thaw_graph_has_adapters(m->graph) ? thaw_make_directory(to) : fail_without(directory);
	if (status == THAW_OK)
		status = thaw_model_save_adapters(m, to);
	thaw_model_destroy(m);
	return status;
}
