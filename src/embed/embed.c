/* thaw_embed: the features of a dataset as a file. Rank 0 writes. */
#include "thaw/embed.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/embed/feature_chunks.h"
#include "src/embed/table_header.h"
#include "src/train/damage.h"
#include "thaw/exclude.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/rows_file.h"

#define NAME_SIZE 4096 /* bytes of an image's name */

struct embedding {
	struct thaw_feature_chunks chunks;
	struct thaw_rows_file file; /* rank 0 */
	const struct thaw_embed_options *options;
	int64_t width;
	int64_t start; /* rows that were there */
};

/* What the rows are of: another network, dataset or preprocessing gives another object. */
static json_t *describe(const struct embedding *e)
{
	const struct thaw_model *m = e->chunks.model;
	char line[THAW_PREPROCESS_LINE], weights[24], images[24];
	snprintf(weights, sizeof(weights), "%016" PRIx64, m->digest);
	snprintf(images, sizeof(images), "%016" PRIx64, thaw_dataset_digest(e->chunks.dataset));
	return json_pack("{s:o, s:s, s:s, s:o, s:s, s:I, s:I}", "network", thaw_report_string(m->variant), "weights",
			 weights, "images", images, "preprocess",
			 thaw_report_string(thaw_model_preprocess_line(m, line, sizeof(line))), "precision",
			 m->graph->precision == THAW_PRECISION_BF16 ? "bf16" : "fp32", "count",
			 (json_int_t)e->chunks.dataset->count, "width", (json_int_t)e->width);
}

static thaw_status open_file(struct embedding *e)
{
	void *header = NULL;
	size_t size = 0;
	const char *path = e->options->out;
	json_t *of = describe(e);
	thaw_status status = of ? thaw_table_header(&header, &size, path, e->chunks.dataset->count, e->width, of)
				: thaw_fail(THAW_RESOURCE, "out of memory: description of the features");
	if (status == THAW_OK)
		status = thaw_rows_file_open(&e->file, path, of, header, size);
	thaw_free(header);
	json_decref(of);
	return status;
}

/* Rows (count,width) of a chunk: NaN where the image cannot be read. */
static thaw_status append(struct embedding *e, const struct thaw_activations *a, int64_t count)
{
	const int64_t width = e->width;
	float *rows = thaw_alloc((size_t)(count * width), sizeof(*rows));
	if (!rows)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count * width; i++)
		rows[i] = NAN;
	for (int64_t i = 0; i < a->count; i++)
		memcpy(rows + a->samples[i] * width, a->features[0] + i * width, (size_t)width * sizeof(*rows));
	thaw_status status =
		thaw_rows_file_append(&e->file, rows, (size_t)(count * width) * sizeof(*rows), count, count - a->count);
	thaw_free(rows);
	return status;
}

/* The first chunk of a call shows how wide the rows are, and is computed again if it was there already. */
static thaw_status run_chunk(struct embedding *e, int64_t *done, bool opened)
{
	struct thaw_comm *comm = e->chunks.comm;
	struct thaw_activations a = {0};
	int64_t first = *done, count = min_int64(e->chunks.dataset->count - first, THAW_CHUNK);
	THAW_TRY(thaw_feature_chunk(&e->chunks, first, &a));
	thaw_status status = THAW_OK;
	if (!opened) {
		e->width = a.width[0];
		status = thaw_comm_agree(comm, comm->rank == 0 ? open_file(e) : THAW_OK);
		e->start = e->file.rows;
		if (status == THAW_OK)
			status = comm->broadcast(comm, &e->start, sizeof(e->start), 0);
		*done = e->start;
	}
	if (status == THAW_OK && *done == first) {
		status = thaw_comm_agree(comm, comm->rank == 0 ? append(e, &a, count) : THAW_OK);
		*done += count;
	}
	thaw_activations_release(&a);
	return status;
}

/* A name may have bytes that would break a line. */
static thaw_status write_row(struct thaw_sink *sink, const struct thaw_dataset *d, int64_t i, bool damaged)
{
	char name[NAME_SIZE];
	d->name(d, i, name, sizeof(name));
	char *image = thaw_exclude_escape(name);
	char *class = thaw_exclude_escape(d->task == THAW_TASK_CLASS ? d->class_names[d->labels[i]] : "");
	char *line = image && class ? thaw_format("%lld\t%s\t%s\t%d\n", (long long)i, image, class, damaged) : NULL;
	thaw_status status = line ? sink->write(sink, line, strlen(line)) : THAW_RESOURCE;
	thaw_free(image);
	thaw_free(class);
	thaw_free(line);
	return status;
}

static thaw_status write_rows(struct embedding *e, struct thaw_sink *sink)
{
	static const char head[] = "row\timage\tclass\tdamaged\n";
	THAW_TRY(sink->write(sink, head, strlen(head)));
	const int64_t count = e->chunks.dataset->count, row = e->width * (int64_t)sizeof(float);
	for (int64_t i = 0; i < count; i++) {
		float first = 0;
		THAW_TRY(thaw_rows_file_read(&e->file, &first, sizeof(first), e->file.bytes - (count - i) * row));
		THAW_TRY(write_row(sink, e->chunks.dataset, i, isnan(first)));
	}
	return THAW_OK;
}

static thaw_status write_keys(struct embedding *e)
{
	struct thaw_file_writer *file = NULL;
	char *path = thaw_format("%s.tsv", e->options->out);
	thaw_status status = path ? thaw_file_writer_open(&file, path) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = write_rows(e, thaw_file_writer_sink(file));
	if (status == THAW_OK)
		status = thaw_file_writer_commit(file);
	else
		thaw_file_writer_discard(file);
	thaw_free(path);
	return status;
}

/* Rank 0. The table gets its name last: where it is, the keys are. */
static thaw_status finish(struct embedding *e, json_t **result)
{
	const struct thaw_dataset *d = e->chunks.dataset;
	const int64_t limit = thaw_damage_limit(d, e->options->max_damaged);
	const int64_t damaged = e->file.failed;
	THAW_TRY(write_keys(e));
	if (damaged > limit || damaged == d->count)
		return thaw_fail_damaged(d, damaged, limit);
	THAW_TRY(thaw_rows_file_commit(&e->file));
	*result = json_pack("{s:o, s:I, s:I, s:I, s:I}", "out", thaw_report_string(e->options->out), "images",
			    (json_int_t)(d->count - damaged), "damaged", (json_int_t)damaged, "width",
			    (json_int_t)e->width, "continued_at", (json_int_t)e->start);
	return *result ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: the result");
}

static thaw_status check(const struct thaw_feature_chunks *c, const struct thaw_embed_options *o)
{
	THAW_TRY(thaw_comm_same_digest(c->comm, thaw_dataset_digest(c->dataset), "set of images",
				       "give every rank the same --data"));
	THAW_TRY(thaw_model_same(c->comm, c->model));
	thaw_status status = c->dataset->count > 0 ? THAW_OK : thaw_fail(THAW_DATA, "no images: --data: add images");
	if (status == THAW_OK)
		status = thaw_table_check(o->out);
	if (status == THAW_OK && c->comm->rank == 0)
		status = thaw_rows_file_check(o->out);
	return thaw_comm_agree(c->comm, status);
}

thaw_status thaw_embed(struct thaw_comm *comm, const struct thaw_model *model, const struct thaw_dataset *dataset,
		       const struct thaw_embed_options *options, const struct thaw_callbacks *callbacks,
		       json_t **result)
{
	struct embedding e = {.chunks = {comm, model, dataset, callbacks, options->decode_threads},
			      .file = {.file = -1},
			      .options = options};
	int64_t done = 0;
	bool opened = false;
	thaw_status status = check(&e.chunks, options);
	while (status == THAW_OK && (!opened || done < dataset->count)) {
		status = run_chunk(&e, &done, opened);
		opened = true;
	}
	if (status == THAW_OK)
		status = thaw_comm_agree(comm, comm->rank == 0 ? finish(&e, result) : THAW_OK);
	thaw_rows_file_close(&e.file);
	if (status == THAW_UNFINISHED)
		return thaw_fail(THAW_UNFINISHED,
				 "asked to stop: %s.partial has the first %lld of %lld images: run the same "
				 "command again",
				 options->out, (long long)done, (long long)dataset->count);
	return status;
}
