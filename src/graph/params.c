/* Parameters: conversion between memory and file layout, initialisation, replacement of the classifier. */
#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/graph/graph_internal.h"
#include "thaw/digest.h"
#include "thaw/memory.h"
#include "thaw/random.h"

#define CHUNK_FLOATS (INT64_C(1) << 18) /* size of a chunk, rounded to whole rows: stays in the cache */
#define LINE_FLOATS  16                 /* of a cache line */

/* A copy between memory and file layout, in one direction. */
struct copy {
	float *memory;
	const float *from_file; /* import */
	float *to_file;         /* export */
};

static void import_value(const struct copy *c, int64_t memory, int64_t file)
{
	c->memory[memory] = c->from_file[file];
}

static void export_value(const struct copy *c, int64_t memory, int64_t file)
{
	c->to_file[file] = c->memory[memory];
}

/* Memory (kh,kw,I,O), file (O,I,kh,kw) or (O,I*kh*kw). A cache line of memory at a time, so that the file's values are
 * visited in the order of the file, for as many filters as a line has: in the order of memory, each would be in another
 * page. */
static void copy_conv(const int64_t *d, void (*copy_value)(const struct copy *c, int64_t memory, int64_t file),
		      const struct copy *c)
{
	int64_t taps = d[0] * d[1];
	for (int64_t first = 0; first < d[3]; first += LINE_FLOATS)
		for (int64_t i = 0; i < d[2]; i++)
			for (int64_t tap = 0; tap < taps; tap++)
				for (int64_t o = first; o < min_int64(first + LINE_FLOATS, d[3]); o++)
					copy_value(c, (tap * d[2] + i) * d[3] + o, (o * d[2] + i) * taps + tap);
}

/* Calls copy_value with the index of every value in memory and in the file: with copy_conv the only place that knows
 * the layouts. */
static void each_value(const struct thaw_param *p,
		       void (*copy_value)(const struct copy *c, int64_t memory, int64_t file), const struct copy *c)
{
	const int64_t *d = p->shape.dim;
	if (thaw_param_is_filter(p)) {
		copy_conv(d, copy_value, c);
	} else if (p->layout == THAW_LAYOUT_FC_CHW) { /* memory (O,H*W*C), file (O,C*H*W) */
		int64_t channels = p->image[0], pixels = (int64_t)p->image[1] * p->image[2];
		for (int64_t o = 0; o < d[0]; o++)
			for (int64_t xy = 0; xy < pixels; xy++)
				for (int64_t k = 0; k < channels; k++)
					copy_value(c, o * d[1] + xy * channels + k, o * d[1] + k * pixels + xy);
	} else {
		for (int64_t i = 0, n = thaw_shape_count(&p->shape); i < n; i++)
			copy_value(c, i, i);
	}
}

bool thaw_param_chunk(const struct thaw_param *p, int64_t at, struct thaw_param *chunk)
{
	int64_t count = thaw_shape_count(&p->shape);
	if (at >= count)
		return false;
	*chunk = *p;
	if (thaw_param_is_filter(p))
		return true;
	int64_t row = count / p->shape.dim[0], rows = max_int64(CHUNK_FLOATS / row, 1);
	int64_t left = p->shape.dim[0] - at / row;
	chunk->data = p->data + at;
	chunk->shape.dim[0] = chunk->file_shape.dim[0] = min_int64(rows, left);
	return true;
}

void thaw_param_import(struct thaw_param *p, const float *file)
{
	each_value(p, import_value, &(struct copy){.memory = p->data, .from_file = file});
}

void thaw_param_export(const struct thaw_param *p, float *file)
{
	each_value(p, export_value, &(struct copy){.memory = p->data, .to_file = file});
}

void thaw_param_move_data(struct thaw_param *p, float *data)
{
	memcpy(data, p->data, (size_t)thaw_shape_count(&p->shape) * sizeof(float));
	thaw_param_set_data(p, data);
}

void thaw_param_set_data(struct thaw_param *p, float *data)
{
	thaw_free(p->own);
	p->own = NULL;
	p->data = data;
}

/* The place in memory of value i of a linear layer's file, so that one that runs as a convolution starts with the same
 * values. A flattened image keeps the order of memory. */
static int64_t linear_place(const struct thaw_param *p, int64_t i)
{
	if (p->layout != THAW_LAYOUT_FC_CONV)
		return i;
	const int64_t *d = p->shape.dim, taps = d[0] * d[1], row = taps * d[2];
	int64_t o = i / row, channel = i % row / taps, tap = i % taps;
	return (tap * d[2] + channel) * d[3] + o;
}

/* Random values depend on seed and name only, not on the other parameters of the network. */
static void init_param(const struct thaw_graph *g, struct thaw_param *p, uint64_t seed)
{
	int64_t n = thaw_shape_count(&p->shape);
	struct thaw_random random =
		thaw_random_stream(seed, THAW_STREAM_INIT, 0, thaw_digest(p->name, strlen(p->name), 0));
	if (p->role == THAW_ROLE_FIXED)
		return;
	if (p->role == THAW_ROLE_SCALE || p->role == THAW_ROLE_VARIANCE) {
		for (int64_t i = 0; i < n; i++)
			p->data[i] = 1.0f;
	} else if (p->role == THAW_ROLE_SHIFT || p->role == THAW_ROLE_MEAN) {
		memset(p->data, 0, (size_t)n * sizeof(float));
	} else if (p->layout == THAW_LAYOUT_CONV || p->layout == THAW_LAYOUT_CONV_ROW) {
		const int64_t *d = p->shape.dim;
		int groups = max_int(g->nodes[p->node].attrs.groups, 1);
		float deviation = sqrtf(2.0f / (float)(d[0] * d[1] * d[3] / groups));
		for (int64_t i = 0; i < n; i++)
			p->data[i] = deviation * thaw_random_normal(&random);
	} else { /* linear weight and bias: uniform within 1/sqrt(inputs); inputs: the weight's second dimension */
		const struct thaw_param *weight = &g->params[g->nodes[p->node].params[0]];
		bool conv_bias = weight->layout == THAW_LAYOUT_CONV;
		float bound = conv_bias ? 0.0f : 1.0f / sqrtf((float)weight->file_shape.dim[1]);
		for (int64_t i = 0; i < n; i++)
			p->data[linear_place(p, i)] = thaw_random_range(&random, -bound, bound);
	}
}

void thaw_graph_init(struct thaw_graph *g, uint64_t seed, int first, int end)
{
	for (int i = first; i < end; i++)
		init_param(g, &g->params[i], seed);
}

void thaw_graph_dropout(struct thaw_graph *g, float rate)
{
	for (int i = 1; i < g->node_count; i++)
		if (strcmp(g->nodes[i].op->name, "dropout") == 0)
			g->nodes[i].attrs.rate = rate;
}

/* Removes the activations and functions between the classifier and the output. */
static thaw_status remove_followers(struct thaw_graph *g)
{
	bool any = false, *dead = thaw_alloc((size_t)g->node_count, sizeof(*dead));
	if (!dead)
		return THAW_RESOURCE;
	for (int i = g->output; i > g->head && g->nodes[i].input_count == 1; i = g->nodes[i].inputs[0]) {
		const char *op = g->nodes[i].op->name;
		dead[i] = strcmp(op, "activation") == 0 || strcmp(op, "pointwise") == 0 || strcmp(op, "softmax") == 0;
		any |= dead[i];
	}
	if (any)
		thaw_graph_remove(g, dead);
	thaw_free(dead);
	return g->failed;
}

thaw_status thaw_graph_replace_head(struct thaw_graph *g, int64_t classes, uint64_t seed)
{
	THAW_TRY(remove_followers(g));
	struct thaw_node *head = &g->nodes[g->head];
	for (int k = 0; k < head->param_count; k++) {
		struct thaw_param *p = &g->params[head->params[k]];
		struct thaw_shape shape = p->shape;
		shape.dim[thaw_param_is_filter(p) ? shape.ndim - 1 : 0] = classes;
		THAW_TRY(thaw_shape_check(&shape, p->name));
		float *data = thaw_alloc((size_t)thaw_shape_count(&shape), sizeof(*data));
		if (!data)
			return THAW_RESOURCE;
		thaw_free(p->own);
		p->own = p->data = data;
		p->shape = shape;
		p->file_shape.dim[0] = classes;
		init_param(g, p, seed);
	}
	return THAW_OK;
}
