/* Spreads the images over lanes and ranks, and gathers the rows of the pass into tables. */
#include "src/advise/activations.h"

#include <string.h>

#include "src/advise/activation_pass.h"
#include "src/base/try.h"
#include "thaw/allreduce.h"
#include "thaw/lanes.h"
#include "thaw/loader.h"
#include "thaw/memory.h"

#define BATCH 16 /* images per request to the loader */

/* What this rank works with. */
struct rank_work {
	struct thaw_comm *comm;
	const struct thaw_dataset *dataset;
	const struct thaw_callbacks *callbacks;
	struct thaw_loader *loader;
	int lanes;
	struct thaw_size size;
	float *table;      /* (images of all lanes in lane order, row_width) */
	double *lane_sums; /* (lanes,sum_count) */
};

static thaw_status submit(const struct rank_work *w, int lane, int64_t first)
{
	int64_t samples[BATCH], count = 0, all = thaw_lane_count(w->dataset->count, w->lanes, lane);
	for (int64_t k = first; k < all && count < BATCH; k++)
		samples[count++] = thaw_lane_sample(k, w->lanes, lane);
	struct thaw_batch_request request = {.samples = samples, .count = count, .size = w->size};
	return thaw_loader_submit(w->loader, &request);
}

static thaw_status run_batch(struct thaw_activation_pass *p, const struct rank_work *w, float *rows)
{
	int64_t floats = (int64_t)thaw_size_floats(w->size);
	struct thaw_batch *batch;
	THAW_TRY(thaw_loader_next(w->loader, &batch));
	thaw_status status = THAW_OK;
	for (int64_t i = 0; i < batch->count && status == THAW_OK; i++) {
		int64_t k = batch->samples[i] / w->lanes; /* index in the lane */
		status = thaw_activation_pass_run(p, batch->images + i * floats, rows + k * p->row_width);
	}
	thaw_loader_release(w->loader, batch);
	return status;
}

static thaw_status run_lane(struct thaw_activation_pass *p, const struct rank_work *w, int lane, float *rows)
{
	int64_t all = thaw_lane_count(w->dataset->count, w->lanes, lane), submitted = 0;
	p->sums = w->lane_sums + (int64_t)lane * p->sum_count;
	for (int64_t done = 0; done < all; done += BATCH) {
		for (; submitted < all && submitted <= done + BATCH; submitted += BATCH) /* one request ahead */
			THAW_TRY(submit(w, lane, submitted));
		if (w->callbacks && w->callbacks->stop && w->callbacks->stop(w->callbacks->context))
			return thaw_fail(THAW_UNFINISHED,
					 "asked to stop: nothing was saved: run the same command again");
		THAW_TRY(run_batch(p, w, rows));
	}
	return THAW_OK;
}

static thaw_status run_lanes(struct thaw_activation_pass *p, const struct rank_work *w)
{
	int first = thaw_lanes_first(w->lanes, w->comm->size, w->comm->rank);
	int end = thaw_lanes_first(w->lanes, w->comm->size, w->comm->rank + 1);
	int64_t before = 0;
	for (int lane = 0; lane < end; lane++) {
		if (lane >= first)
			THAW_TRY(run_lane(p, w, lane, w->table + before * p->row_width));
		before += thaw_lane_count(w->dataset->count, w->lanes, lane);
	}
	return THAW_OK;
}

/* Gathers the rows of all ranks. The rows of a rank are contiguous, since its lanes are. */
static thaw_status exchange(const struct thaw_activation_pass *p, const struct rank_work *w)
{
	int ranks = w->comm->size;
	int64_t *count = thaw_alloc((size_t)ranks, sizeof(*count)),
		*offset = thaw_alloc((size_t)ranks, sizeof(*offset));
	thaw_status status = thaw_comm_agree(w->comm, count && offset ? THAW_OK : THAW_RESOURCE);
	int64_t at = 0;
	for (int r = 0; r < ranks && status == THAW_OK; r++) {
		offset[r] = at;
		for (int lane = thaw_lanes_first(w->lanes, ranks, r); lane < thaw_lanes_first(w->lanes, ranks, r + 1);
		     lane++)
			at += thaw_lane_count(w->dataset->count, w->lanes, lane) * p->row_width;
		count[r] = at - offset[r];
	}
	if (status == THAW_OK)
		status = w->comm->allgather(w->comm, w->table, count, offset);
	thaw_free(count);
	thaw_free(offset);
	return status;
}

static thaw_status sum_norms(struct thaw_activation_pass *p, const struct rank_work *w)
{
	struct thaw_activations *t = p->activations;
	if (p->sum_count == 0)
		return THAW_OK;
	THAW_TRY(thaw_allreduce_doubles(w->comm, w->lanes, (int)p->sum_count, w->lane_sums, t->norm_sums));
	for (int64_t i = 0; i < p->sum_count; i++)
		t->norm_sums[i] /= t->count > 0 ? (double)t->count : 1.0;
	double *at = t->norm_sums;
	for (int k = 0; k < t->norm_count; at += 2 * t->norms[k++].channels) {
		t->norms[k].mean = at;
		t->norms[k].square = at + t->norms[k].channels;
	}
	return THAW_OK;
}

/* Fills the result from the rows of readable images: in the order of the dataset, one table per cut. */
static thaw_status fill_tables(struct thaw_activation_pass *p, const struct rank_work *w)
{
	struct thaw_activations *t = p->activations;
	size_t images = (size_t)w->dataset->count;
	const float **row_of = thaw_alloc(images, sizeof(*row_of));
	t->samples = thaw_alloc(images, sizeof(*t->samples));
	t->labels = thaw_alloc(images, sizeof(*t->labels));
	t->probability = thaw_alloc(images * (size_t)t->source_classes, sizeof(float));
	bool memory = row_of && t->samples && t->labels && t->probability;
	for (int c = 0; c < t->cut_count; c++)
		if (t->width[c] > 0)
			memory &= (t->features[c] = thaw_alloc(images * (size_t)t->width[c], sizeof(float))) != NULL;
	if (!memory) {
		thaw_free(row_of);
		return THAW_RESOURCE;
	}
	const float *row = w->table;
	for (int lane = 0; lane < w->lanes; lane++)
		for (int64_t k = 0; k < thaw_lane_count(w->dataset->count, w->lanes, lane); k++, row += p->row_width)
			row_of[thaw_lane_sample(k, w->lanes, lane)] = row;
	for (int64_t i = 0; i < w->dataset->count; i++) {
		if (row_of[i][0] == 0.0f)
			continue;
		for (int c = 0; c < t->cut_count; c++)
			if (t->width[c] > 0)
				memcpy(t->features[c] + t->count * t->width[c], row_of[i] + p->start[c],
				       (size_t)t->width[c] * sizeof(float));
		memcpy(t->probability + t->count * t->source_classes, row_of[i] + p->probability,
		       (size_t)t->source_classes * sizeof(float));
		t->samples[t->count] = i;
		t->labels[t->count++] = w->dataset->labels[i];
	}
	t->damaged = w->dataset->count - t->count;
	thaw_free(row_of);
	return THAW_OK;
}

static thaw_status open_work(struct thaw_activation_pass *p, struct rank_work *w, const struct thaw_model *model,
			     const struct thaw_cut *cut, int decode_threads)
{
	THAW_TRY(thaw_activation_pass_open(p, cut, w->size));
	THAW_TRY(thaw_loader_create(&w->loader, w->dataset, &model->preprocess, NULL, decode_threads, 2));
	w->table = thaw_alloc((size_t)w->dataset->count * (size_t)p->row_width, sizeof(float));
	w->lane_sums = thaw_alloc((size_t)w->lanes * (size_t)p->sum_count + 1, sizeof(double));
	p->activations->norm_sums = thaw_alloc((size_t)p->sum_count + 1, sizeof(double));
	return w->table && w->lane_sums && p->activations->norm_sums ? THAW_OK : THAW_RESOURCE;
}

static void close_work(struct thaw_activation_pass *p, struct rank_work *w)
{
	thaw_loader_destroy(w->loader);
	thaw_free(w->table);
	thaw_free(w->lane_sums);
	thaw_activation_pass_close(p);
}

thaw_status thaw_activations_collect(struct thaw_activations *activations, struct thaw_comm *comm,
				     const struct thaw_model *model, const struct thaw_cut *cut, int cut_count,
				     const struct thaw_dataset *dataset, int lanes, int decode_threads,
				     const struct thaw_callbacks *callbacks)
{
	struct thaw_activations t = {.cut_count = cut_count};
	struct thaw_activation_pass p = {.activations = &t, .graph = model->graph};
	struct rank_work w = {.comm = comm,
			      .dataset = dataset,
			      .callbacks = callbacks,
			      .lanes = lanes,
			      .size = model->preprocess.size};
	thaw_status status = thaw_comm_agree(comm, open_work(&p, &w, model, cut, decode_threads));
	if (status == THAW_OK)
		status = thaw_comm_agree(comm, run_lanes(&p, &w));
	if (status == THAW_OK)
		status = exchange(&p, &w);
	if (status == THAW_OK)
		status = thaw_comm_agree(comm, fill_tables(&p, &w));
	if (status == THAW_OK)
		status = sum_norms(&p, &w);
	close_work(&p, &w);
	if (status == THAW_OK)
		*activations = t;
	else
		thaw_activations_release(&t);
	return status;
}

void thaw_activations_release(struct thaw_activations *activations)
{
	for (int c = 0; c < THAW_MAX_CUTS; c++)
		thaw_free(activations->features[c]);
	thaw_free(activations->samples);
	thaw_free(activations->labels);
	thaw_free(activations->probability);
	thaw_free(activations->norms);
	thaw_free(activations->norm_sums);
	*activations = (struct thaw_activations){0};
}
