/* The state of a run in checkpoints.
 *
 * A checkpoint holds the tail's parameters under their own names in file order (so that any reader of
 * safetensors sees weights), each optimizer vector as "optimizer.STATE.NAME", and the position as
 * metadata. Random numbers are functions of seed and position: there is no generator to save. Only rank
 * 0 touches files; the optimizer's vectors, which are spread over the ranks, come to it and go from it part by part.
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
	{"thaw.metrics_lines", offsetof(struct position, metrics_lines), false},
	{"thaw.seconds", offsetof(struct position, seconds), true},
};
#define FIELDS (sizeof(fields) / sizeof(*fields))

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
	const char *name = r->model->graph->params[r->phase.params->params[param].param].name;
	return vector == 0 ? thaw_strdup(name)
			   : thaw_format("optimizer.%s.%s", r->optimizer->state_names[vector - 1], name);
}

/* A parameter of the graph with values of that vector at `values`, or none: they are spread over the ranks. */
static struct thaw_param param_of(const struct run *r, int param, float *values)
{
	struct thaw_param p = r->model->graph->params[r->phase.params->params[param].param];
	p.data = values;
	return p;
}

static int vectors(const struct run *r)
{
	int n = 1;
	while (n <= THAW_TAIL_STATES && r->phase.params->state[n - 1])
		n++;
	return n;
}

/* One tensor of the state, part by part. All ranks go through the same parts. */
struct part {
	struct thaw_param param; /* its values are at `here` */
	int64_t start, count;    /* in the vector; its place in the tensor is start - the tensor's */
	float *here, *file;      /* [count] in the layout here, and in the file's order */
};

static void part_free(struct part *p)
{
	thaw_free(p->here);
	thaw_free(p->file);
	*p = (struct part){0};
}

/* The part of tensor i that begins at float `at`; *end at the end. Release it after each. */
static thaw_status part_at(const struct run *r, int i, int64_t at, struct part *p, bool *end)
{
	const struct thaw_flat_params_param *t = &r->phase.params->params[i];
	struct thaw_param whole = param_of(r, i, r->phase.params->values + t->offset);
	*end = !thaw_param_chunk(&whole, at, &p->param);
	if (*end)
		return THAW_OK;
	p->start = t->offset + at;
	p->count = thaw_shape_count(&p->param.shape);
	p->here = p->param.data = thaw_alloc((size_t)p->count, sizeof(*p->here));
	p->file = thaw_alloc((size_t)p->count, sizeof(*p->file));
	return p->here && p->file ? THAW_OK : THAW_RESOURCE;
}

/* The values of vector v at the part: this rank's own, or gathered. */
static thaw_status fetch(const struct run *r, int v, const struct part *p)
{
	const struct thaw_flat_params *params = r->phase.params;
	if (v > 0)
		return thaw_sharding_gather(&params->shards, r->comm, p->start, p->count, params->state[v - 1],
					    p->here);
	memcpy(p->here, params->values + p->start, (size_t)p->count * sizeof(float));
	return THAW_OK;
}

/* The reverse, from rank 0 to all. */
static thaw_status deliver(struct run *r, int v, const struct part *p)
{
	const struct thaw_flat_params *params = r->phase.params;
	THAW_TRY(r->comm->broadcast(r->comm, p->here, (size_t)p->count * sizeof(float), 0));
	if (v > 0)
		thaw_sharding_extract(&params->shards, r->comm->rank, p->start, p->count, p->here,
				      params->state[v - 1]);
	else
		memcpy(params->values + p->start, p->here, (size_t)p->count * sizeof(float));
	return THAW_OK;
}

/* One tensor of the file, of which rank 0 alone knows the sink, and whether it still takes anything: what fails there
 * ends nothing for the others. */
static thaw_status write_tensor(const struct run *r, int v, int i, struct thaw_sink *sink, thaw_status *written)
{
	for (int64_t at = 0;;) {
		struct part p = {0};
		bool end;
		thaw_status status = part_at(r, i, at, &p, &end);
		if (status == THAW_OK && !end)
			status = fetch(r, v, &p);
		if (status == THAW_OK && !end && sink && *written == THAW_OK) {
			thaw_param_export(&p.param, p.file);
			*written = sink->write(sink, p.file, (size_t)p.count * sizeof(*p.file));
		}
		at += p.count;
		part_free(&p);
		if (status != THAW_OK || end)
			return status;
	}
}

/* Names and shapes of the state's tensors. */
static thaw_status describe_state(const struct run *r, struct thaw_weights *w)
{
	for (int v = 0; v < vectors(r); v++)
		for (int i = 0; i < r->phase.params->count; i++) {
			struct thaw_named_tensor *t = &w->tensors[w->count++];
			*t = (struct thaw_named_tensor){.name = tensor_name(r, v, i),
							.dtype = THAW_F32,
							.shape = param_of(r, i, NULL).file_shape};
			if (!t->name)
				return THAW_RESOURCE;
		}
	return THAW_OK;
}

/* Rank 0: everything but the tensors' values. */
static thaw_status begin_save(struct run *r, bool best, struct thaw_sink **sink)
{
	struct thaw_pair metadata[METADATA_MAX];
	char values[METADATA_MAX][VALUE_BYTES];
	size_t tensors = (size_t)vectors(r) * (size_t)r->phase.params->count;
	struct thaw_weights w = {.metadata = metadata, .tensors = thaw_alloc(tensors, sizeof(*w.tensors))};
	thaw_status status = w.tensors ? describe_state(r, &w) : THAW_RESOURCE;

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
		status = thaw_checkpoint_begin(r->writer, r->at.total_steps, &w, best, sink);
	for (int i = 0; i < w.count; i++)
		thaw_free(w.tensors[i].name);
	thaw_free(w.tensors);
	return status;
}

/* *written: how it went on rank 0, THAW_OK elsewhere. What is returned ends the run, on all ranks or on one that the
 * others cannot wait for. */
static thaw_status save(struct run *r, bool best, thaw_status *written)
{
	struct thaw_sink *sink = NULL;
	thaw_status status = THAW_OK;
	*written = r->comm->rank == 0 ? begin_save(r, best, &sink) : THAW_OK;
	for (int v = 0; v < vectors(r) && status == THAW_OK; v++)
		for (int i = 0; i < r->phase.params->count && status == THAW_OK; i++)
			if (v > 0 || sink)
				status = write_tensor(r, v, i, sink, written);
	if (sink)
		*written = thaw_checkpoint_end(r->writer, status == THAW_OK ? *written : status);
	return status;
}

thaw_status run_save(struct run *r, bool best)
{
	thaw_status written;
	r->last_checkpoint = thaw_clock();
	THAW_TRY(save(r, best, &written));
	if (written != THAW_OK)
		run_log(r, "checkpoint not written, the one before stays: %s", thaw_error_message());
	return THAW_OK;
}

thaw_status run_save_now(struct run *r, thaw_status *written)
{
	if (r->comm->rank == 0 && thaw_checkpoint_flush(r->writer) != THAW_OK)
		run_log(r, "an earlier checkpoint was not written: %s", thaw_error_message());
	THAW_TRY(save(r, false, written));
	if (*written == THAW_OK && r->comm->rank == 0)
		*written = thaw_checkpoint_flush(r->writer);
	return THAW_OK;
}

/* Rank 0: whether the file has the tensor. */
static thaw_status check_tensor(const struct run *r, const struct thaw_weights *w, int v, int i)
{
	const struct thaw_shape shape = param_of(r, i, NULL).file_shape;
	char *name = tensor_name(r, v, i);
	if (!name)
		return THAW_RESOURCE;
	const struct thaw_named_tensor *t = thaw_weights_find(w, name);
	thaw_status status = THAW_OK;
	if (!t || t->dtype != THAW_F32 || !thaw_shape_equal(&t->shape, &shape))
		status = thaw_fail(THAW_DATA, "the checkpoint has no %s of the run's shape", name);
	thaw_free(name);
	return status;
}

static thaw_status check_state(const struct run *r, const struct thaw_weights *w)
{
	for (int v = 0; v < vectors(r); v++)
		for (int i = 0; i < r->phase.params->count; i++)
			THAW_TRY(check_tensor(r, w, v, i));
	return THAW_OK;
}

/* One tensor from rank 0, where it is data[] in the file's order, to all. */
static thaw_status take_tensor(struct run *r, int v, int i, const char *data)
{
	for (int64_t at = 0;;) {
		struct part p = {0};
		bool end;
		thaw_status status = part_at(r, i, at, &p, &end);
		if (status == THAW_OK && !end) {
			if (data) {
				memcpy(p.file, data + (size_t)at * sizeof(*p.file), (size_t)p.count * sizeof(*p.file));
				thaw_param_import(&p.param, p.file);
			}
			status = deliver(r, v, &p);
		}
		at += p.count;
		part_free(&p);
		if (status != THAW_OK || end)
			return status;
	}
}

/* `w` has been checked; it is only looked at on rank 0. */
static thaw_status take_state(struct run *r, const struct thaw_weights *w)
{
	for (int v = 0; v < vectors(r); v++)
		for (int i = 0; i < r->phase.params->count; i++) {
			const char *data = NULL;
			if (r->comm->rank == 0) {
				char *name = tensor_name(r, v, i);
				if (!name)
					return THAW_RESOURCE;
				data = thaw_weights_find(w, name)->data;
				thaw_free(name);
			}
			THAW_TRY(take_tensor(r, v, i, data));
		}
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

thaw_status run_resume(struct run *r)
{
	struct thaw_weights w = {0};
	struct position at = r->at;
	int64_t step = -1;
	thaw_status status = THAW_OK;
	if (r->comm->rank == 0)
		status = read_latest(r, &w, &at, &step);
	THAW_TRY_OUT(thaw_comm_agree(r->comm, status));
	THAW_TRY_OUT(r->comm->broadcast(r->comm, &step, sizeof(step), 0));
	THAW_TRY_OUT(r->comm->broadcast(r->comm, &at, sizeof(at), 0));
	THAW_TRY_OUT(run_enter_phase(r, at.phase));
	r->at = at;
	if (step >= 0) {
		THAW_TRY_OUT(thaw_comm_agree(r->comm, r->comm->rank == 0 ? check_state(r, &w) : THAW_OK));
		THAW_TRY_OUT(take_state(r, &w));
		run_log(r, "resumed at step %lld of %lld", (long long)step, (long long)run_total_steps(r));
	}
out:
	thaw_weights_free(&w);
	return status;
}
