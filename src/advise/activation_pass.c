#include "src/advise/activation_pass.h"

#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

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

static void add_norm(struct thaw_activation_pass *p, int node, const float *value)
{
	const struct thaw_shape *shape = &p->shapes[node];
	int64_t channels = shape->dim[shape->ndim - 1];
	double *mean = p->sums + p->norm_start[node];
	add_rows(value, thaw_shape_count(shape) / channels, channels, mean, mean + channels);
}

/* Callback of thaw_executor_on_value. */
static void collect_value(void *context, int node, const struct thaw_view *y)
{
	struct thaw_activation_pass *p = context;
	const float *value = thaw_view_values(y, p->value);
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
static thaw_status place_cuts(struct thaw_activation_pass *p, const struct thaw_cut *cut)
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

static thaw_status place_norms(struct thaw_activation_pass *p)
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

/* Room to expand any value of the image that is stored in bfloat16. */
static thaw_status reserve_value(struct thaw_activation_pass *p)
{
	int64_t count = 0;
	for (int i = 1; i < p->graph->node_count; i++)
		count = max_int64(count, thaw_shape_count(&p->shapes[i]));
	p->value = thaw_alloc((size_t)count, sizeof(*p->value));
	return p->value ? THAW_OK : THAW_RESOURCE;
}

thaw_status thaw_activation_pass_open(struct thaw_activation_pass *p, const struct thaw_cut *cut, struct thaw_size size)
{
	struct thaw_shape image = thaw_shape_of(1, size.height, size.width, 3);
	p->shapes = thaw_alloc((size_t)p->graph->node_count, sizeof(*p->shapes));
	if (!p->shapes)
		return THAW_RESOURCE;
	THAW_TRY(thaw_graph_infer(p->graph, &image, p->shapes));
	if (p->graph->precision != THAW_PRECISION_FP32)
		THAW_TRY(reserve_value(p));
	THAW_TRY(place_cuts(p, cut));
	THAW_TRY(place_norms(p));
	THAW_TRY(thaw_executor_create(&p->executor, p->graph, &image, THAW_TRUNK, false));
	thaw_executor_on_value(p->executor, collect_value, p);
	return thaw_executor_pack(p->executor, NULL, true);
}

thaw_status thaw_activation_pass_run(struct thaw_activation_pass *p, const float *image, float *row)
{
	float *logits = row + p->probability;
	p->row = row;
	memcpy(thaw_executor_input(p->executor), image, (size_t)thaw_shape_count(&p->shapes[0]) * sizeof(float));
	thaw_executor_run_trunk(p->executor, logits);
	thaw_softmax(logits, 1, p->activations->source_classes, logits);
	for (int64_t i = 0; i < p->row_width; i++)
		if (!isfinite(row[i]))
			return thaw_fail(THAW_DATA,
					 "the network's activations are not finite: --model: use undamaged weights");
	row[0] = 1.0f;
	return THAW_OK;
}

void thaw_activation_pass_close(struct thaw_activation_pass *p)
{
	thaw_executor_destroy(p->executor);
	thaw_free(p->shapes);
	thaw_free(p->value);
	thaw_free(p->norm_start);
	for (int c = 0; c < THAW_MAX_CUTS; c++)
		thaw_free(p->crossing[c]);
}
