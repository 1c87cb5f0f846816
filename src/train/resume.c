/* The state of a run in checkpoints.
 *
 * A checkpoint holds the tail's parameters under their own names in file order (so that any reader of
 * safetensors sees weights), each optimizer vector as "optimizer.STATE.NAME", and the position as
 * metadata. Random numbers are functions of seed and position: there is no generator to save. Only rank
 * 0 touches files; the others receive its vectors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/clock.h"
#include "src/train/run.h"

#define METADATA_MAX 24
#define VALUE_BYTES  64

/* Every number of the position with its key: the one list behind saving and loading. */
static const struct {
	const char *key;
	size_t place;
	bool real;
} fields[] = {
	{"thaw.phase", offsetof(struct position, phase), false},
	{"thaw.epoch", offsetof(struct position, epoch), false},
	{"thaw.step", offsetof(struct position, step), false},
	{"thaw.total_steps", offsetof(struct position, total_steps), false},
	{"thaw.epoch_images", offsetof(struct position, epoch_images), true},
	{"thaw.epoch_loss", offsetof(struct position, epoch_loss), true},
	{"thaw.epoch_correct", offsetof(struct position, epoch_correct), true},
	{"thaw.best_step", offsetof(struct position, best_step), false},
	{"thaw.best_top1", offsetof(struct position, best_top1), true},
	{"thaw.journal_lines", offsetof(struct position, journal_lines), false},
	{"thaw.seconds", offsetof(struct position, seconds), true},
};
#define FIELDS (sizeof fields / sizeof *fields)

static void write_field(const struct position *at, size_t i, char value[VALUE_BYTES])
{
	const char *place = (const char *)at + fields[i].place;
	if (fields[i].real)
		snprintf(value, VALUE_BYTES, "%.17g", *(const double *)place);
	else
		snprintf(value, VALUE_BYTES, "%lld", (long long)*(const int64_t *)place);
}

static thaw_status read_field(struct position *at, size_t i, const char *value)
{
	char *place = (char *)at + fields[i].place, *end;
	if (!value)
		return thaw_fail(THAW_DATA, "the checkpoint does not say its %s", fields[i].key);
	if (fields[i].real)
		*(double *)place = strtod(value, &end);
	else
		*(int64_t *)place = strtoll(value, &end, 10);
	return *value && !*end ? THAW_OK : thaw_fail(THAW_DATA, "the checkpoint's %s is no number", fields[i].key);
}

/* What a vector of the tail is called in the file: the values themselves, or a state of the optimizer. */
static char *tensor_name(const struct run *r, int vector, int param)
{
	const char *name = r->model->graph->params[r->tail->params[param].param].name;
	return vector == 0 ? thaw_strdup(name)
			   : thaw_format("optimizer.%s.%s", r->optimizer->state_names[vector - 1], name);
}

static float *tail_vector(const struct run *r, int vector)
{
	return vector == 0 ? r->tail->values : vector - 1 < THAW_TAIL_STATES ? r->tail->state[vector - 1] : NULL;
}

/* A parameter of the graph with its values in that vector: for thaw_param_import and _export. */
static struct thaw_param param_in(const struct run *r, int vector, int param)
{
	struct thaw_param p = r->model->graph->params[r->tail->params[param].param];
	p.data = tail_vector(r, vector) + r->tail->params[param].offset;
	return p;
}

static int vectors(const struct run *r)
{
	int n = 1;
	while (n <= THAW_TAIL_STATES && r->tail->state[n - 1])
		n++;
	return n;
}

static thaw_status fill_state(const struct run *r, struct thaw_weights *w, float *storage)
{
	for (int v = 0; v < vectors(r); v++)
		for (int i = 0; i < r->tail->count; i++) {
			struct thaw_param p = param_in(r, v, i);
			struct thaw_named_tensor *t = &w->tensors[w->count++];
			*t = (struct thaw_named_tensor){tensor_name(r, v, i), THAW_F32, p.file_shape, storage};
			if (!t->name)
				return THAW_RESOURCE;
			thaw_param_export(&p, storage);
			storage += r->tail->params[i].count;
		}
	return THAW_OK;
}

static thaw_status save(struct run *r, bool best)
{
	struct thaw_pair metadata[METADATA_MAX];
	char values[METADATA_MAX][VALUE_BYTES];
	int64_t floats = 0;
	for (int i = 0; i < r->tail->count; i++)
		floats += r->tail->params[i].count;
	size_t tensors = (size_t)vectors(r) * (size_t)r->tail->count;
	struct thaw_weights w = {.metadata = metadata, .tensors = thaw_alloc(tensors, sizeof *w.tensors)};
	float *storage = thaw_alloc((size_t)floats * (size_t)vectors(r), sizeof *storage);
	thaw_status status = w.tensors && storage ? fill_state(r, &w, storage) : THAW_RESOURCE;

	r->at.seconds = thaw_clock() - r->started;
	for (size_t i = 0; i < FIELDS; i++) {
		write_field(&r->at, i, values[w.metadata_count]);
		metadata[w.metadata_count] = (struct thaw_pair){(char *)fields[i].key, values[w.metadata_count]};
		w.metadata_count++;
	}
	snprintf(values[w.metadata_count], VALUE_BYTES, "%016llx", (unsigned long long)r->model->digest);
	metadata[w.metadata_count] = (struct thaw_pair){"thaw.base_digest", values[w.metadata_count]};
	w.metadata_count++;
	snprintf(values[w.metadata_count], VALUE_BYTES, "%lld", (long long)r->options.seed);
	metadata[w.metadata_count] = (struct thaw_pair){"thaw.seed", values[w.metadata_count]};
	w.metadata_count++;

	if (status == THAW_OK)
		status = thaw_checkpoint_save(r->writer, r->at.total_steps, &w, best);
	for (int i = 0; i < w.count; i++)
		thaw_free(w.tensors[i].name);
	thaw_free(w.tensors);
	thaw_free(storage);
	return status;
}

void run_save(struct run *r, bool best)
{
	r->last_checkpoint = thaw_clock();
	if (r->comm->rank == 0 && save(r, best) != THAW_OK)
		run_log(r, "checkpoint not written, the one before stays: %s", thaw_error_message());
}

thaw_status run_save_now(struct run *r)
{
	if (r->comm->rank != 0)
		return THAW_OK;
	if (thaw_checkpoint_flush(r->writer) != THAW_OK)
		run_log(r, "an earlier checkpoint was not written: %s", thaw_error_message());
	THAW_TRY(save(r, false));
	return thaw_checkpoint_flush(r->writer);
}

static thaw_status take_tensor(const struct run *r, const struct thaw_weights *w, int vector, int i)
{
	struct thaw_param p = param_in(r, vector, i);
	char *name = tensor_name(r, vector, i);
	if (!name)
		return THAW_RESOURCE;
	const struct thaw_named_tensor *t = thaw_weights_find(w, name);
	thaw_status status = THAW_OK;
	if (!t || t->dtype != THAW_F32 || !thaw_shape_equal(&t->shape, &p.file_shape))
		status = thaw_fail(THAW_DATA, "the checkpoint has no %s of the run's shape", name);
	thaw_free(name);
	THAW_TRY(status);
	float *aligned = thaw_alloc((size_t)r->tail->params[i].count, sizeof *aligned);
	if (!aligned)
		return THAW_RESOURCE;
	memcpy(aligned, t->data, (size_t)r->tail->params[i].count * sizeof *aligned);
	thaw_param_import(&p, aligned);
	thaw_free(aligned);
	return THAW_OK;
}

static thaw_status take_state(struct run *r, const struct thaw_weights *w)
{
	for (int v = 0; v < vectors(r); v++)
		for (int i = 0; i < r->tail->count; i++)
			THAW_TRY(take_tensor(r, w, v, i));
	return THAW_OK;
}

/* A position read from a file is believed only inside the run's bounds. */
static thaw_status check_position(const struct run *r, const struct position *at)
{
	bool fits = at->phase >= 0 && at->phase < r->phase_count && at->epoch >= 0 && at->step >= 0 &&
		    at->step <= r->steps_per_epoch && at->epoch < r->phases[at->phase].epochs;
	return fits ? THAW_OK : thaw_fail(THAW_DATA, "the checkpoint's position lies outside the run");
}

struct passed_over {
	const struct run *r;
	int count;
};

static void name_damaged(void *context, const char *path, const char *why)
{
	(void)path; /* is in `why` */
	struct passed_over *p = context;
	p->count++;
	run_log(p->r, "passed over: %s", why);
}

/* Rank 0 alone: *step becomes -1 when there is nothing to resume from. Where nothing but damage is, starting anew
 * would give away a long run without a word: that is for a person to decide. */
static thaw_status read_latest(struct run *r, struct thaw_weights *w, struct position *at, int64_t *step)
{
	struct passed_over passed = {.r = r};
	THAW_TRY(thaw_checkpoint_latest(w, step, r->options.out, name_damaged, &passed));
	if (*step < 0 && passed.count > 0)
		return thaw_fail(THAW_DATA,
				 "every checkpoint of the run is damaged: --out %s: bring one back from a copy, or "
				 "remove its step-*.safetensors.zst to train from the beginning",
				 r->options.out);
	if (*step < 0)
		return THAW_OK;
	for (size_t i = 0; i < FIELDS; i++)
		THAW_TRY(read_field(at, i, thaw_weights_get(w, fields[i].key)));
	THAW_TRY(check_position(r, at));
	const char *digest = thaw_weights_get(w, "thaw.base_digest");
	if (!digest || strtoull(digest, NULL, 16) != r->model->digest)
		return thaw_fail(THAW_CONFIG,
				 "the run was started from other weights: --model: give the file it was started with");
	return THAW_OK;
}

static thaw_status share_state(struct run *r)
{
	for (int v = 0; v < vectors(r); v++)
		THAW_TRY(r->comm->broadcast(r->comm, tail_vector(r, v), (size_t)r->tail->length * sizeof(float), 0));
	return THAW_OK;
}

thaw_status run_resume(struct run *r)
{
	struct thaw_weights w = {0};
	struct position at = r->at;
	int64_t step = -1;
	thaw_status status = THAW_OK;
	if (r->comm->rank == 0)
		status = read_latest(r, &w, &at, &step);
	THAW_TRY_OUT(thaw_comm_agree(r->comm, status));
	THAW_TRY_OUT(r->comm->broadcast(r->comm, &step, sizeof step, 0));
	THAW_TRY_OUT(r->comm->broadcast(r->comm, &at, sizeof at, 0));
	THAW_TRY_OUT(run_enter_phase(r, at.phase));
	r->at = at;
	if (step >= 0) {
		THAW_TRY_OUT(thaw_comm_agree(r->comm, r->comm->rank == 0 ? take_state(r, &w) : THAW_OK));
		THAW_TRY_OUT(share_state(r));
		run_log(r, "resumed at step %lld of %lld", (long long)step, (long long)run_total_steps(r));
	}
out:
	thaw_weights_free(&w);
	return status;
}
