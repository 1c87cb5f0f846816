/* Saves the state of a run to checkpoints and restores it.
 *
 * A checkpoint holds the trainable parameters under their own names in file layout (so any reader of safetensors sees
 * weights), each optimizer state vector as "optimizer.STATE.NAME", and the position as metadata. Random numbers are
 * functions of seed and position: there is no generator to save. Only rank 0 reads and writes files. The optimizer
 * state, which is sharded over the ranks, is gathered on it and broadcast from it chunk by chunk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/clock.h"
#include "src/base/try.h"
#include "src/train/position.h"
#include "src/train/run.h"
#include "thaw/memory.h"
#include "thaw/version.h"

#define VALUE_BYTES 64

#define METADATA_MAX (RUN_POSITION_FIELDS + 3) /* with thaw.base_digest, thaw.seed and thaw.build */

static void write_field(const struct position *at, size_t i, char *value)
{
	const char *member = (const char *)at + run_position_fields[i].offset;
	if (run_position_fields[i].real)
		snprintf(value, VALUE_BYTES, "%.17g", *(const double *)member);
	else
		snprintf(value, VALUE_BYTES, "%lld", (long long)*(const int64_t *)member);
}

/* The name in the file of a parameter (vector 0) or of its optimizer state (vectors 1, 2, ...). NULL if out of memory.
 */
static char *tensor_name(const struct run *r, int vector, int param)
{
	const char *name = r->model->graph->params[r->phase.params->entries[param].param].name;
	return vector == 0 ? thaw_strdup(name)
			   : thaw_format("optimizer.%s.%s", r->optimizer->state_names[vector - 1], name);
}

/* The graph's parameter with `values` as its data; NULL: none, as for optimizer state, which is sharded. */
static struct thaw_param param_of(const struct run *r, int param, float *values)
{
	struct thaw_param p = r->model->graph->params[r->phase.params->entries[param].param];
	p.data = values;
	return p;
}

/* Number of vectors in a checkpoint: the parameters and the optimizer states. */
static int vectors(const struct run *r)
{
	int n = 1;
	while (n <= THAW_OPTIMIZER_STATES && r->phase.params->state[n - 1])
		n++;
	return n;
}

/* A chunk of one tensor. All ranks process the same chunks. */
struct chunk {
	struct thaw_param param; /* its data is `values` */
	int64_t start, count;    /* range in the flat vector */
	int64_t capacity;        /* of `values` and `file`, which the next chunk uses again */
	float *values, *file;    /* [count] in memory layout, and in file layout */
};

static void chunk_free(struct chunk *p)
{
	thaw_free(p->values);
	thaw_free(p->file);
	*p = (struct chunk){0};
}

static thaw_status chunk_reserve(struct chunk *p, int64_t count)
{
	if (count <= p->capacity)
		return THAW_OK;
	chunk_free(p);
	p->values = thaw_alloc((size_t)count, sizeof(*p->values));
	p->file = thaw_alloc((size_t)count, sizeof(*p->file));
	p->capacity = count;
	return p->values && p->file ? THAW_OK : THAW_RESOURCE;
}

/* Moves p to the chunk of tensor i that starts at float `at` of the tensor. *end: there is none. Free p in any case. */
static thaw_status chunk_at(const struct run *r, int i, int64_t at, struct chunk *p, bool *end)
{
	const struct thaw_flat_param *t = &r->phase.params->entries[i];
	struct thaw_param whole = param_of(r, i, r->phase.params->values + t->offset), part;
	*end = !thaw_param_chunk(&whole, at, &part);
	if (*end)
		return THAW_OK;
	THAW_TRY(chunk_reserve(p, thaw_shape_count(&part.shape)));
	p->start = t->offset + at;
	p->count = thaw_shape_count(&part.shape);
	p->param = part;
	p->param.data = p->values;
	return THAW_OK;
}

/* Reads vector v into the chunk; the parameters, which every rank has, are not copied. Collective. */
static thaw_status fetch(const struct run *r, int v, struct chunk *p)
{
	const struct thaw_flat_params *params = r->phase.params;
	if (v > 0)
		return thaw_sharding_gather(&params->shards, r->comm, p->start, p->count, params->state[v - 1],
					    p->values);
	p->param.data = params->values + p->start;
	return THAW_OK;
}

/* Writes the chunk, which rank 0 has, to vector v on all ranks. Collective. */
static thaw_status deliver(struct run *r, int v, const struct chunk *p)
{
	const struct thaw_flat_params *params = r->phase.params;
	THAW_TRY(r->comm->broadcast(r->comm, p->values, (size_t)p->count * sizeof(float), 0));
	if (v > 0)
		thaw_sharding_extract(&params->shards, r->comm->rank, p->start, p->count, p->values,
				      params->state[v - 1]);
	else
		memcpy(params->values + p->start, p->values, (size_t)p->count * sizeof(float));
	return THAW_OK;
}

static thaw_status write_chunk(const struct chunk *p, struct thaw_sink *sink)
{
	const float *from = p->param.data;
	if (p->param.layout != THAW_LAYOUT_SAME) {
		thaw_param_export(&p->param, p->file);
		from = p->file;
	}
	return sink->write(sink, from, (size_t)p->count * sizeof(*from));
}

/* Writes one tensor to the sink, which only rank 0 has. A failure to write is stored in *written and does not stop the
 * other ranks. p: memory for chunks. Collective. */
static thaw_status write_tensor(const struct run *r, int v, int i, struct chunk *p, struct thaw_sink *sink,
				thaw_status *written)
{
	for (int64_t at = 0;; at += p->count) {
		bool end;
		THAW_TRY(chunk_at(r, i, at, p, &end));
		if (end)
			return THAW_OK;
		THAW_TRY(fetch(r, v, p));
		if (sink && *written == THAW_OK)
			*written = write_chunk(p, sink);
	}
}

/* Fills in names and shapes of all tensors. */
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

struct metadata {
	int count;
	struct thaw_pair pairs[METADATA_MAX]; /* point into `text` */
	char text[METADATA_MAX][2][VALUE_BYTES];
};

/* Returns the buffer for the value, of VALUE_BYTES. */
static char *add_pair(struct metadata *m, const char *key)
{
	char(*text)[VALUE_BYTES] = m->text[m->count];
	snprintf(text[0], VALUE_BYTES, "%s", key);
	m->pairs[m->count++] = (struct thaw_pair){text[0], text[1]};
	return text[1];
}

static void fill_metadata(const struct run *r, struct metadata *m)
{
	for (size_t i = 0; i < RUN_POSITION_FIELDS; i++)
		write_field(&r->at, i, add_pair(m, run_position_fields[i].key));
	snprintf(add_pair(m, "thaw.base_digest"), VALUE_BYTES, "%016llx", (unsigned long long)r->model->digest);
	snprintf(add_pair(m, "thaw.seed"), VALUE_BYTES, "%lld", (long long)r->options.seed);
	snprintf(add_pair(m, "thaw.build"), VALUE_BYTES, "%s", thaw_build());
}

/* Rank 0: starts a checkpoint with all metadata; the tensors' values follow. */
static thaw_status begin_save(struct run *r, bool best, struct thaw_sink **sink)
{
	struct metadata metadata = {0};
	size_t tensors = (size_t)vectors(r) * (size_t)r->phase.params->count;
	THAW_TRY(thaw_lock_check(r->lock));
	r->at.seconds = thaw_clock() - r->started;
	fill_metadata(r, &metadata);
	struct thaw_weights w = {.metadata = metadata.pairs,
				 .metadata_count = metadata.count,
				 .tensors = thaw_alloc(tensors, sizeof(*w.tensors))};
	thaw_status status = w.tensors ? describe_state(r, &w) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_checkpoint_begin(r->writer, r->at.total_steps, &w, best, sink);
	for (int i = 0; i < w.count; i++)
		thaw_free(w.tensors[i].name);
	thaw_free(w.tensors);
	return status;
}

thaw_status run_write_checkpoint(struct run *r, bool best, thaw_status *written)
{
	struct thaw_sink *sink = NULL;
	struct chunk chunk = {0};
	thaw_status status = THAW_OK;
	*written = r->comm->rank == 0 ? begin_save(r, best, &sink) : THAW_OK;
	for (int v = 0; v < vectors(r) && status == THAW_OK; v++)
		for (int i = 0; i < r->phase.params->count && status == THAW_OK; i++)
			if (v > 0 || sink)
				status = write_tensor(r, v, i, &chunk, sink, written);
	chunk_free(&chunk);
	if (sink)
		*written = thaw_checkpoint_end(r->writer, status == THAW_OK ? *written : status);
	return status;
}

/* Restores one tensor on all ranks. data: its values in file layout on rank 0, NULL on other ranks. p: memory for
 * chunks. Collective. */
static thaw_status restore_tensor(struct run *r, int v, int i, struct chunk *p, const char *data)
{
	for (int64_t at = 0;; at += p->count) {
		bool end;
		THAW_TRY(chunk_at(r, i, at, p, &end));
		if (end)
			return THAW_OK;
		if (data) {
			memcpy(p->file, data + (size_t)at * sizeof(*p->file), (size_t)p->count * sizeof(*p->file));
			thaw_param_import(&p->param, p->file);
		}
		THAW_TRY(deliver(r, v, p));
	}
}

/* The values of a tensor in the checkpoint on rank 0; NULL on other ranks. */
static thaw_status find_values(const struct run *r, const struct thaw_weights *w, int v, int i, const char **data)
{
	*data = NULL;
	if (r->comm->rank != 0)
		return THAW_OK;
	char *name = tensor_name(r, v, i);
	if (!name)
		return THAW_RESOURCE;
	*data = thaw_weights_find(w, name)->data;
	thaw_free(name);
	return THAW_OK;
}

/* w: read and checked by run_find_checkpoint on rank 0, ignored on other ranks. Collective. */
static thaw_status restore_state(struct run *r, const struct thaw_weights *w)
{
	struct chunk chunk = {0};
	thaw_status status = THAW_OK;
	for (int v = 0; v < vectors(r) && status == THAW_OK; v++)
		for (int i = 0; i < r->phase.params->count && status == THAW_OK; i++) {
			const char *data;
			status = find_values(r, w, v, i, &data);
			if (status == THAW_OK)
				status = restore_tensor(r, v, i, &chunk, data);
		}
	chunk_free(&chunk);
	return status;
}

/* Another build may round differently: a resumed run then is not the one that was never interrupted. */
static void log_build(const struct run *r, const struct thaw_weights *w, int64_t step)
{
	const char *build = thaw_weights_get(w, "thaw.build");
	if (build && strcmp(build, thaw_build()) != 0)
		run_log(r,
			"another build of thaw continues this run: step %lld was written by %s, this is %s: weights "
			"may "
			"differ in their last bits from those of one build",
			(long long)step, build, thaw_build());
}

thaw_status run_resume(struct run *r)
{
	struct thaw_weights w = {0};
	struct position at = r->at;
	int64_t step = -1;
	thaw_status status = THAW_OK;
	if (r->comm->rank == 0)
		status = run_find_checkpoint(r, &w, &at, &step);
	THAW_TRY_OUT(thaw_comm_agree(r->comm, status));
	THAW_TRY_OUT(r->comm->broadcast(r->comm, &step, sizeof(step), 0));
	THAW_TRY_OUT(r->comm->broadcast(r->comm, &at, sizeof(at), 0));
	if (step >= 0 && r->phases[at.phase].fixres) { /* entering it folds what earlier phases have trained */
		THAW_TRY_OUT(run_open_params(r, at.phase));
		THAW_TRY_OUT(restore_state(r, &w));
	}
	THAW_TRY_OUT(run_enter_phase(r, at.phase));
	r->at = at;
	if (step >= 0) {
		THAW_TRY_OUT(restore_state(r, &w));
		THAW_TRY_OUT(run_contents_resume(r));
		log_build(r, &w, step);
		run_log(r, "resumed at step %lld of %lld", (long long)step, (long long)run_total_steps(r));
	}
out:
	thaw_weights_free(&w);
	return status;
}
