/* Compares the states of a run with those of its repetition, bit by bit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/train/verify.h"
#include "thaw/checkpoint.h"
#include "thaw/memory.h"
#include "thaw/report.h"

/* ---- Weights ---- */

static thaw_status read_checkpoint(struct thaw_weights *w, const char *directory, int64_t step)
{
	char *path = thaw_format("%s/step-%lld.safetensors.zst", directory, (long long)step);
	thaw_status status = path ? thaw_checkpoint_read(w, path, SIZE_MAX) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

static bool same_tensor(const struct thaw_named_tensor *a, const struct thaw_named_tensor *b)
{
	return a->dtype == b->dtype && thaw_shape_equal(&a->shape, &b->shape) &&
	       memcmp(a->data, b->data, (size_t)thaw_shape_count(&a->shape) * thaw_dtype_size(a->dtype)) == 0;
}

/* The first tensor that differs or that only one of them has; NULL: none. A run that was stopped after the last step of
 * a phase saved the tensors of that phase, where its repetition has those of the next one: then only those that both
 * have count. */
static const char *find_difference(const struct thaw_weights *run, const struct thaw_weights *again)
{
	const char *phase = thaw_weights_get(run, "thaw.phase"), *other = thaw_weights_get(again, "thaw.phase");
	bool same_phase = phase && other && strcmp(phase, other) == 0;
	for (int i = 0; i < run->count; i++) {
		const struct thaw_named_tensor *t = thaw_weights_find(again, run->tensors[i].name);
		if (t ? !same_tensor(&run->tensors[i], t) : same_phase)
			return run->tensors[i].name;
	}
	for (int i = 0; same_phase && i < again->count; i++)
		if (!thaw_weights_find(run, again->tensors[i].name))
			return again->tensors[i].name;
	return NULL;
}

static thaw_status compare_checkpoints(char **tensor, const char *run, const char *again, int64_t step)
{
	struct thaw_weights a = {0}, b = {0};
	thaw_status status = read_checkpoint(&a, run, step);
	if (status == THAW_OK)
		status = read_checkpoint(&b, again, step);
	const char *name = status == THAW_OK ? find_difference(&a, &b) : NULL;
	if (name && !(*tensor = thaw_strdup(name)))
		status = THAW_RESOURCE;
	thaw_weights_free(&a);
	thaw_weights_free(&b);
	return status;
}

/* The first parameter that differs; NULL: none. */
static const char *find_param(const struct thaw_graph *a, const struct thaw_graph *b)
{
	for (int i = 0; i < a->param_count; i++) {
		const struct thaw_param *p = &a->params[i], *q = i < b->param_count ? &b->params[i] : NULL;
		if (!q || !thaw_shape_equal(&p->shape, &q->shape) ||
		    memcmp(p->data, q->data, (size_t)thaw_shape_count(&p->shape) * sizeof(float)) != 0)
			return p->name ? p->name : "a constant";
	}
	return NULL;
}

static thaw_status compare_networks(char **tensor, const char *run, const char *again)
{
	struct thaw_model *a = NULL, *b = NULL;
	thaw_status status = thaw_model_load(&a, run, 0, 0);
	if (status == THAW_OK)
		status = thaw_model_load(&b, again, 0, 0);
	const char *name = status == THAW_OK ? find_param(a->graph, b->graph) : NULL;
	if (name && !(*tensor = thaw_strdup(name)))
		status = THAW_RESOURCE;
	thaw_model_destroy(a);
	thaw_model_destroy(b);
	return status;
}

thaw_status retrain_compare_weights(char **tensor, const char *run, const char *again, int64_t step, bool final)
{
	*tensor = NULL;
	return final ? compare_networks(tensor, run, again) : compare_checkpoints(tensor, run, again, step);
}

/* ---- Metrics ---- */

/* The lines of a file, one JSON object each. */
struct lines {
	FILE *file;
	char *text;
	size_t room;
};

static thaw_status open_lines(struct lines *l, const char *directory)
{
	char *path = thaw_path_join(directory, "metrics.jsonl");
	if (!path)
		return THAW_RESOURCE;
	*l = (struct lines){.file = thaw_path_is_file(path) ? fopen(path, "re") : NULL};
	thaw_free(path);
	return THAW_OK;
}

/* The next line of a step in (from, to]; NULL: none. Damaged lines are passed over. */
static json_t *next_step(struct lines *l, int64_t from, int64_t to)
{
	while (l->file && getline(&l->text, &l->room, l->file) > 0) {
		json_t *line = json_loads(l->text, 0, NULL);
		const char *event = json_string_value(json_object_get(line, "event"));
		int64_t step = json_integer_value(json_object_get(line, "step"));
		if (event && strcmp(event, "step") == 0 && step > from && step <= to)
			return line;
		json_decref(line);
	}
	return NULL;
}

static void close_lines(struct lines *l)
{
	if (l->file)
		fclose(l->file);
	free(l->text);
}

static int64_t step_of(const json_t *line)
{
	return json_integer_value(json_object_get(line, "step"));
}

/* Both files have their steps in order; steps that only one of them has are passed over. */
static void compare_lines(struct lines *run, struct lines *again, int64_t from, int64_t to, int64_t *compared,
			  int64_t *differs)
{
	json_t *a = next_step(run, from, to), *b = next_step(again, from, to);
	while (a && b && *differs < 0) {
		int64_t step = step_of(a), other = step_of(b);
		if (step == other) {
			++*compared;
			*differs = json_equal(a, b) ? -1 : step;
		}
		if (step <= other) {
			json_decref(a);
			a = next_step(run, from, to);
		}
		if (other <= step) {
			json_decref(b);
			b = next_step(again, from, to);
		}
	}
	json_decref(a);
	json_decref(b);
}

thaw_status retrain_compare_metrics(const char *run, const char *again, int64_t from, int64_t to, int64_t *compared,
				    int64_t *differs)
{
	struct lines a = {0}, b = {0};
	*compared = 0;
	*differs = -1;
	thaw_status status = open_lines(&a, run);
	if (status == THAW_OK)
		status = open_lines(&b, again);
	if (status == THAW_OK)
		compare_lines(&a, &b, from, to, compared, differs);
	close_lines(&a);
	close_lines(&b);
	return status;
}
