/* See predict_file.h. */
#include "src/cli/predict_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/cli/failure.h"
#include "src/cli/image_source.h"
#include "src/cli/log.h"
#include "src/cli/prediction_row.h"
#include "src/cli/predictor.h"
#include "src/cli/result.h"
#include "src/cli/signals.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/rows_file.h"

#define SHARE     64   /* images of a rank between two writes: also what an interruption may cost */
#define NAME_SIZE 4096 /* bytes of an image's name */
#define WHY_SIZE  512  /* bytes of an error message */

/* What a rank says of one image; the outputs of the network follow it. */
struct record {
	int32_t status;
	char why[WHY_SIZE];
};

struct filing {
	struct thaw_comm *comm;
	const struct predict_file *file;
	struct predictor predictor;
	struct image_source source;
	struct thaw_rows_file rows; /* rank 0 */
	enum prediction_format format;
	int top;
	size_t outputs, record; /* floats and bytes of a record */
	char *mine, *all;       /* SHARE records of this rank; rank 0: of all ranks */
	int64_t done, start;    /* images; `start` of them were there */
	thaw_status worst;      /* of the images, on rank 0 */
};

/* What the rows are of: other images, another network or other flags give another object. */
static json_t *describe(const struct filing *f)
{
	const struct thaw_model *m = f->predictor.model;
	char line[THAW_PREPROCESS_LINE], weights[24], images[24];
	snprintf(weights, sizeof(weights), "%016" PRIx64, m->digest);
	snprintf(images, sizeof(images), "%016" PRIx64, image_source_digest(&f->source));
	return json_pack("{s:s, s:s, s:o, s:s, s:b, s:i, s:I}", "weights", weights, "images", images, "preprocess",
			 thaw_report_string(thaw_model_preprocess_line(m, line, sizeof(line))), "precision",
			 m->graph->precision == THAW_PRECISION_BF16 ? "bf16" : "fp32", "fully_conv", m->fully_conv > 0,
			 "top", f->top, "count", (json_int_t)f->source.count);
}

static thaw_status open_rows(struct filing *f)
{
	char *head = NULL;
	size_t size = 0;
	FILE *text = open_memstream(&head, &size);
	json_t *of = describe(f);
	if (text) {
		prediction_write_head(text, f->format, f->predictor.model, f->top);
		fclose(text);
	}
	thaw_status status = text && of ? thaw_rows_file_open(&f->rows, f->file->out, of, head, size) : THAW_RESOURCE;
	f->start = f->rows.rows;
	json_decref(of);
	free(head);
	return status;
}

static thaw_status open_filing(struct filing *f, const struct session *session, const struct network_choice *network,
			       const char *precision)
{
	const struct settings *s = session->settings;
	f->format = prediction_format_of(f->file->out);
	if (f->format == PREDICTION_FORMATS)
		return thaw_fail(THAW_USAGE, "not a name for predictions: %s: give FILE.csv or FILE.jsonl",
				 f->file->out);
	THAW_TRY(image_source_open(&f->source, f->file, network->spec, s->arguments, s->argument_count));
	THAW_TRY(predictor_open(&f->predictor, session, network, precision, NULL));
	image_source_log(&f->source, f->comm, f->file);
	f->top = min_int(f->top, (int)f->predictor.model->classes);
	f->outputs = (size_t)thaw_model_outputs(f->predictor.model);
	f->record = sizeof(struct record) + f->outputs * sizeof(float);
	f->mine = thaw_alloc(SHARE, f->record);
	f->all = thaw_alloc(SHARE * (size_t)(f->comm->rank == 0 ? f->comm->size : 1), f->record);
	return f->mine && f->all ? THAW_OK : THAW_RESOURCE;
}

static void close_filing(struct filing *f)
{
	thaw_rows_file_close(&f->rows);
	image_source_close(&f->source);
	predictor_close(&f->predictor);
	thaw_free(f->mine);
	thaw_free(f->all);
}

static thaw_status run_image(struct filing *f, int64_t i, float *outputs)
{
	struct thaw_encoded_image encoded;
	const float *found;
	THAW_TRY(image_source_read(&f->source, i, &encoded));
	const struct thaw_preprocess of = predictor_preprocess(&f->predictor, &encoded);
	thaw_status status = predictor_run(&f->predictor, &encoded, &of, &found);
	if (status == THAW_OK)
		memcpy(outputs, found, f->outputs * sizeof(*outputs));
	thaw_encoded_image_free(&encoded);
	return status;
}

/* This rank's images from `first` on. Images that cannot be used are recorded; other failures end the job. */
static thaw_status run_share(struct filing *f, int64_t first)
{
	memset(f->mine, 0, SHARE * f->record);
	for (int64_t i = 0; i < SHARE && first + i < f->source.count; i++) {
		struct record *r = (struct record *)(f->mine + (size_t)i * f->record);
		r->status = thaw_stop_requested() ? THAW_UNFINISHED : run_image(f, first + i, (float *)(r + 1));
		if (r->status == THAW_UNFINISHED)
			return thaw_fail(THAW_UNFINISHED,
					 "asked to stop: %lld of %lld images are done and stay in %s.partial: run the "
					 "same command again",
					 (long long)f->done, (long long)f->source.count, f->file->out);
		if (r->status != THAW_OK && r->status != THAW_DATA && r->status != THAW_IO)
			return (thaw_status)r->status;
		if (r->status != THAW_OK)
			snprintf(r->why, sizeof(r->why), "%s", thaw_error_message());
	}
	return THAW_OK;
}

static json_t *row_json(struct filing *f, int64_t i, const struct record *r)
{
	char name[NAME_SIZE];
	image_source_name(&f->source, i, name, sizeof(name));
	if (r->status == THAW_OK)
		return prediction_json(&f->predictor.prediction, name, (const float *)(r + 1), f->top);
	return json_pack("{s:o, s:o}", "image", thaw_report_string(name), "error", thaw_report_string(r->why));
}

/* Rank 0: the lines of the images [first, first + count), whose records are f->all. */
static thaw_status write_lines(struct filing *f, FILE *text, int64_t first, int64_t count, int64_t *failed)
{
	for (int64_t i = 0; i < count; i++) {
		const struct record *r = (const struct record *)(f->all + (size_t)i * f->record);
		json_t *row = row_json(f, first + i, r);
		if (!row)
			return thaw_fail(THAW_RESOURCE, "out of memory: a line of predictions");
		prediction_write_row(text, f->format, row, image_source_label(&f->source, first + i),
				     f->predictor.model, f->top);
		json_decref(row);
		*failed += r->status != THAW_OK;
		if (r->status != THAW_OK)
			log_line(f->comm, "%s", r->why);
		f->worst = (thaw_status)max_int((int)f->worst, r->status);
	}
	return THAW_OK;
}

static thaw_status append(struct filing *f, int64_t first, int64_t count)
{
	char *lines = NULL;
	size_t size = 0;
	int64_t failed = 0;
	FILE *text = open_memstream(&lines, &size);
	if (!text)
		return THAW_RESOURCE;
	thaw_status status = write_lines(f, text, first, count, &failed);
	if (fclose(text) != 0 && status == THAW_OK)
		status = thaw_fail(THAW_RESOURCE, "out of memory: lines of predictions");
	if (status == THAW_OK)
		status = thaw_rows_file_append(&f->rows, lines, size, count, failed);
	free(lines);
	return status;
}

static thaw_status run_chunk(struct filing *f)
{
	struct thaw_comm *comm = f->comm;
	const int64_t count = min_int64(f->source.count - f->done, (int64_t)SHARE * comm->size);
	THAW_TRY(failure_agree(comm, run_share(f, f->done + (int64_t)SHARE * comm->rank)));
	THAW_TRY(comm->gather(comm, f->mine, SHARE * f->record, f->all));
	THAW_TRY(thaw_comm_agree(comm, comm->rank == 0 ? append(f, f->done, count) : THAW_OK));
	f->done += count;
	comm->step(comm);
	return THAW_OK;
}

/* Where rank 0 begins. */
static thaw_status begin(struct filing *f)
{
	struct thaw_comm *comm = f->comm;
	THAW_TRY(thaw_comm_same_digest(comm, image_source_digest(&f->source), "list of images",
				       "give every rank the same images"));
	THAW_TRY(thaw_model_same(comm, f->predictor.model));
	THAW_TRY(thaw_comm_agree(comm, comm->rank == 0 ? open_rows(f) : THAW_OK));
	THAW_TRY(comm->broadcast(comm, &f->start, sizeof(f->start), 0));
	f->done = f->start;
	return THAW_OK;
}

static thaw_status finish(struct filing *f, json_t **result)
{
	const int64_t failed = f->rows.failed, count = f->source.count;
	THAW_TRY(thaw_rows_file_commit(&f->rows));
	THAW_TRY(give_result(result, json_pack("{s:o, s:I, s:I, s:I}", "out", thaw_report_string(f->file->out),
					       "images", (json_int_t)(count - failed), "failed", (json_int_t)failed,
					       "continued_at", (json_int_t)f->start)));
	if (failed == 0)
		return THAW_OK;
	return thaw_fail(f->worst == THAW_OK ? THAW_DATA : f->worst,
			 "cannot use %lld of %lld images: %s has the reasons: replace them", (long long)failed,
			 (long long)count, f->file->out);
}

thaw_status predict_to_file(struct session *session, const struct predict_file *file,
			    const struct network_choice *network, const char *precision, int top, json_t **result)
{
	struct filing f = {.comm = session->comm, .file = file, .rows = {.file = -1}, .top = top};
	thaw_status status = failure_agree(f.comm, open_filing(&f, session, network, precision));
	if (status == THAW_OK)
		status = begin(&f);
	thaw_signals_exit(NULL); /* from now on a signal leaves what is done */
	while (status == THAW_OK && f.done < f.source.count)
		status = run_chunk(&f);
	if (status == THAW_OK)
		status = failure_of_first(f.comm, f.comm->rank == 0 ? finish(&f, result) : THAW_OK);
	close_filing(&f);
	return status;
}

void print_predicted_file(const json_t *result, FILE *out)
{
	double failed = member_real(result, "failed"), before = member_real(result, "continued_at");
	fprintf(out, "%s: predictions of %.0f images", member_text(result, "out"), member_real(result, "images"));
	if (failed > 0)
		fprintf(out, "; %.0f could not be used", failed);
	if (before > 0)
		fprintf(out, "; %.0f lines were there", before);
	fputc('\n', out);
}
