#include "src/advise/activations.h"

#include <math.h>
#include <string.h>

#include "thaw/executor.h"
#include "thaw/lanes.h"
#include "thaw/loader.h"

#define BATCH 16 /* images per request to the loader */

/* Layout and state of a pass. Ranks exchange a table with a row per image: 1 if the image could be read (else 0), its
 * features cut by cut, its class probabilities. */
struct pass {
	struct thaw_activations *activations;
	const struct thaw_graph *graph;
	struct thaw_shape *shapes;    /* [nodes] of one image */
	int *crossing[THAW_MAX_CUTS]; /* the nodes whose values cross each cut */
	int crossings[THAW_MAX_CUTS];
	int64_t start[THAW_MAX_CUTS]; /* offset of the features of each cut in a row */
	int64_t probability, row_width;
	float *row;          /* of the current image */
	double *sums;        /* of the current lane: see norm_start */
	int64_t *norm_start; /* [nodes] offset of means, then squares, in sums; -1: not a batch norm */
	int64_t sum_count;
};

/* Averages over all dimensions but the last, channels. */
static int64_t pool(const struct thaw_shape *shape, const float *value, float *out)
{
	int64_t width = shape->dim[shape->ndim - 1], rows = thaw_shape_count(shape) / width;
	for (int64_t c = 0; c < width; c++)
		out[c] = 0.0f;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < width; c++)
			out[c] += value[r * width + c];
	for (int64_t c = 0; c < width; c++)
		out[c] /= (float)rows;
	return width;
}

/* Adds the image's mean of each channel and of its square. */
static void add_rows(const float *value, int64_t rows, int64_t channels, double *mean, double *square)
{
	const double part = 1.0 / (double)rows;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < channels; c++) {
			double y = (double)value[r * channels + c];
			mean[c] += y * part;
			square[c] += y * y * part;
		}
}

static void add_norm(struct pass *p, int node, const float *value)
{
	const struct thaw_shape *shape = &p->shapes[node];
	int64_t channels = shape->dim[shape->ndim - 1];
	double *mean = p->sums + p->norm_start[node];
	add_rows(value, thaw_shape_count(shape) / channels, channels, mean, mean + channels);
}

/* Callback of thaw_executor_on_value. */
static void collect_value(void *context, int node, const float *value)
{
	struct pass *p = context;
	if (p->norm_start[node] >= 0)
		add_norm(p, node, value);
	for (int c = 0; c < p->activations->cut_count; c++) {
		float *out = p->row + p->start[c];
		for (int k = 0; k < p->crossings[c]; k++) {
			const struct thaw_shape *shape = &p->shapes[p->crossing[c][k]];
			if (p->crossing[c][k] == 0) /* the image itself is not a feature */
				continue;
			if (p->crossing[c][k] == node)
				pool(shape, value, out);
			out += shape->dim[shape->ndim - 1];
		}
	}
}

/* Lays out the features of the cuts in a row. */
static thaw_status place_cuts(struct pass *p, const struct thaw_cut *cut)
{
	struct thaw_activations *t = p->activations;
	int64_t at = 1;
	for (int c = 0; c < t->cut_count; c++) {
		p->crossing[c] = thaw_alloc((size_t)p->graph->node_count, sizeof(int));
		if (!p->crossing[c])
			return THAW_RESOURCE;
		p->crossings[c] = thaw_graph_crossing(p->graph, cut[c].node, p->crossing[c]);
		p->start[c] = at;
		for (int k = 0; k < p->crossings[c]; k++) {
			const struct thaw_shape *shape = &p->shapes[p->crossing[c][k]];
			t->width[c] += p->crossing[c][k] > 0 ? shape->dim[shape->ndim - 1] : 0;
		}
		at += t->width[c];
	}
	const struct thaw_shape *input = &p->shapes[p->crossing[0][0]];
	t->flat = p->crossings[0] == 1 && thaw_shape_count(input) == input->dim[input->ndim - 1] &&
		  strcmp(p->graph->nodes[p->graph->head].op->name, "linear") == 0;
	p->probability = at;
	t->source_classes = thaw_shape_count(&p->shapes[p->graph->output]);
	p->row_width = at + t->source_classes;
	return THAW_OK;
}

static thaw_status place_norms(struct pass *p)
{
	const struct thaw_graph *g = p->graph;
	struct thaw_activations *t = p->activations;
	p->norm_start = thaw_alloc((size_t)g->node_count, sizeof(*p->norm_start));
	t->norms = thaw_alloc((size_t)g->node_count, sizeof(*t->norms));
	if (!p->norm_start || !t->norms)
		return THAW_RESOURCE;
	for (int i = 0; i < g->node_count; i++) {
		const struct thaw_node *n = &g->nodes[i];
		p->norm_start[i] = -1;
		if (i == 0 || strcmp(n->op->name, "batch_norm") != 0)
			continue;
		const struct thaw_shape *shape = &p->shapes[i];
		int64_t channels = shape->dim[shape->ndim - 1];
		t->norms[t->norm_count++] = (struct thaw_norm_statistics){.name = n->name,
									  .channels = channels,
									  .scale = g->params[n->params[0]].data,
									  .shift = g->params[n->params[1]].data};
		p->norm_start[i] = p->sum_count;
		p->sum_count += 2 * channels;
	}
	return THAW_OK;
}

static thaw_status place(struct pass *p, const struct thaw_cut *cut, int side)
{
	struct thaw_shape image = thaw_shape_of(1, side, side, 3);
	p->shapes = thaw_alloc((size_t)p->graph->node_count, sizeof(*p->shapes));
	if (!p->shapes)
		return THAW_RESOURCE;
	THAW_TRY(thaw_graph_infer(p->graph, &image, p->shapes));
	THAW_TRY(place_cuts(p, cut));
	return place_norms(p);
}

static thaw_status run_image(struct pass *p, struct thaw_executor *executor, const float *image, int64_t floats,
			     float *row)
{
	float *logits = row + p->probability;
	p->row = row;
	memcpy(thaw_executor_input(executor), image, (size_t)floats * sizeof(float));
	thaw_executor_run_trunk(executor, logits);
	thaw_softmax(logits, 1, p->activations->source_classes, logits);
	for (int64_t i = 0; i < p->row_width; i++)
		if (!isfinite(row[i]))
			return thaw_fail(THAW_DATA,
					 "the network's activations are not finite: --model: use undamaged weights");
	row[0] = 1.0f;
	return THAW_OK;
}

/* What this rank works with. */
struct rank_work {
	struct thaw_comm *comm;
	const struct thaw_dataset *dataset;
	const struct thaw_callbacks *callbacks;
	struct thaw_executor *executor;
	struct thaw_loader *loader;
	int lanes, side;
	float *table;      /* (images of all lanes in lane order, row_width) */
	double *lane_sums; /* (lanes,sum_count) */
};

static thaw_status submit(const struct rank_work *w, int lane, int64_t first)
{
	int64_t samples[BATCH], count = 0, all = thaw_lane_count(w->dataset->count, w->lanes, lane);
	for (int64_t k = first; k < all && count < BATCH; k++)
		samples[count++] = thaw_lane_sample(k, w->lanes, lane);
	struct thaw_batch_request request = {.samples = samples, .count = count, .size = w->side};
	return thaw_loader_submit(w->loader, &request);
}

static thaw_status run_batch(struct pass *p, const struct rank_work *w, float *rows)
{
	int64_t floats = (int64_t)w->side * w->side * 3;
	struct thaw_batch *batch;
	THAW_TRY(thaw_loader_next(w->loader, &batch));
	thaw_status status = THAW_OK;
	for (int64_t i = 0; i < batch->count && status == THAW_OK; i++) {
		int64_t k = batch->samples[i] / w->lanes; /* index in the lane */
		status = run_image(p, w->executor, batch->images + i * floats, floats, rows + k * p->row_width);
	}
	thaw_loader_release(w->loader, batch);
	return status;
}

static thaw_status run_lane(struct pass *p, const struct rank_work *w, int lane, float *rows)
{
	int64_t all = thaw_lane_count(w->dataset->count, w->lanes, lane), submitted = 0;
	p->sums = w->lane_sums + (int64_t)lane * p->sum_count;
	for (int64_t done = 0; done < all; done += BATCH) {
		for (; submitted < all && submitted <= done + BATCH; submitted += BATCH) /* one request ahead */
			THAW_TRY(submit(w, lane, submitted));
		if (w->callbacks && w->callbacks->stop && w->callbacks->stop(w->callbacks->context))
			return thaw_fail(THAW_UNFINISHED,
					 "asked to stop: thaw advise saves nothing: run the same command again");
		THAW_TRY(run_batch(p, w, rows));
	}
	return THAW_OK;
}

static thaw_status run_lanes(struct pass *p, const struct rank_work *w)
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
static thaw_status exchange(const struct pass *p, const struct rank_work *w)
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

static thaw_status sum_norms(struct pass *p, const struct rank_work *w)
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
static thaw_status fill_tables(struct pass *p, const struct rank_work *w)
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

static thaw_status open_work(struct pass *p, struct rank_work *w, const struct thaw_model *model,
			     const struct thaw_cut *cut, int decode_threads)
{
	THAW_TRY(place(p, cut, w->side));
	struct thaw_shape image = thaw_shape_of(1, w->side, w->side, 3);
	THAW_TRY(thaw_executor_create(&w->executor, model->graph, &image, THAW_TRUNK, false));
	THAW_TRY(thaw_executor_pack(w->executor, NULL, true));
	thaw_executor_on_value(w->executor, collect_value, p);
	THAW_TRY(thaw_loader_create(&w->loader, w->dataset, &model->preprocess, NULL, decode_threads, 2));
	w->table = thaw_alloc((size_t)w->dataset->count * (size_t)p->row_width, sizeof(float));
	w->lane_sums = thaw_alloc((size_t)w->lanes * (size_t)p->sum_count + 1, sizeof(double));
	p->activations->norm_sums = thaw_alloc((size_t)p->sum_count + 1, sizeof(double));
	return w->table && w->lane_sums && p->activations->norm_sums ? THAW_OK : THAW_RESOURCE;
}

static void close_work(struct pass *p, struct rank_work *w)
{
	thaw_loader_destroy(w->loader);
	thaw_executor_destroy(w->executor);
	thaw_free(w->table);
	thaw_free(w->lane_sums);
	thaw_free(p->shapes);
	thaw_free(p->norm_start);
	for (int c = 0; c < THAW_MAX_CUTS; c++)
		thaw_free(p->crossing[c]);
}

thaw_status thaw_activations_collect(struct thaw_activations *activations, struct thaw_comm *comm,
				     const struct thaw_model *model, const struct thaw_cut *cut, int cut_count,
				     const struct thaw_dataset *dataset, int lanes, int decode_threads,
				     const struct thaw_callbacks *callbacks)
{
	struct thaw_activations t = {.cut_count = cut_count};
	struct pass p = {.activations = &t, .graph = model->graph};
	struct rank_work w = {.comm = comm,
			      .dataset = dataset,
			      .callbacks = callbacks,
			      .lanes = lanes,
			      .side = model->preprocess.size};
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

void thaw_activations_release(struct thaw_activations *t)
{
	for (int c = 0; c < THAW_MAX_CUTS; c++)
		thaw_free(t->features[c]);
	thaw_free(t->samples);
	thaw_free(t->labels);
	thaw_free(t->probability);
	thaw_free(t->norms);
	thaw_free(t->norm_sums);
	*t = (struct thaw_activations){0};
}
