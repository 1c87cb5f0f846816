/* Rotary position embedding of DINOv3; see tokens.h. The tables have a value for each channel of all tokens: cos is 1
 * and sin 0 for tokens without position and for values, which remain as they are. */
#include <math.h>
#include <stdio.h>

#include "src/model/families/tokens.h"

#define NODE_NAME (THAW_LAYER_NAME + 16) /* bytes */

#define TWO_PI 6.28318530717958647692

/* What the tables are for. */
struct table {
	int64_t others, side, size; /* size: of a head */
	int64_t rotated, channels;  /* the first of all channels are of queries and keys */
	double longest;
};

/* The angle of the pair f of a head, 0 to size / 2 - 1: the first half is of rows, the second of columns. */
static double angle_of(const struct table *t, int64_t patch, int64_t f)
{
	const int64_t quarter = t->size / 4;
	const int64_t place = f < quarter ? patch / t->side : patch % t->side;
	const double coordinate = 2.0 * ((double)place + 0.5) / (double)t->side - 1.0;
	return TWO_PI * coordinate / pow(t->longest, (double)(f % quarter) / (double)quarter);
}

/* The second half of a pair, size / 2 channels after the first, is swapped with a negative sign. */
static float value_of(const struct table *t, int64_t token, int64_t channel, bool sine)
{
	const int64_t half = t->size / 2, within = channel % t->size;
	if (token < t->others || channel >= t->rotated)
		return sine ? 0.0f : 1.0f;
	const double angle = angle_of(t, token - t->others, within % half);
	if (!sine)
		return (float)cos(angle);
	return (float)(within < half ? -sin(angle) : sin(angle));
}

static int add_table(struct thaw_graph *g, const struct table *t, const char *name, bool sine)
{
	const int64_t tokens = t->others + t->side * t->side;
	float *data;
	int y = thaw_layer_computed(g, name, &thaw_shape_of(1, tokens, t->channels), &data);
	for (int64_t i = 0; data && i < tokens * t->channels; i++)
		data[i] = value_of(t, i / t->channels, i % t->channels, sine);
	return y;
}

struct thaw_rotary thaw_layer_rotary(struct thaw_graph *g, const struct thaw_token_block *b, int64_t others,
				     int64_t side, double longest)
{
	const bool together = b->names->qkv != NULL;
	const struct table t = {.others = others,
				.side = side,
				.size = b->channels / b->heads,
				.rotated = (together ? 2 : 1) * b->channels,
				.channels = (together ? 3 : 1) * b->channels,
				.longest = longest};
	const int64_t halves = 2 * t.channels / t.size;
	float *data;
	struct thaw_rotary r = {.cos = add_table(g, &t, "rotary.cos", false),
				.sin = add_table(g, &t, "rotary.sin", true)};
	r.pairs = thaw_layer_computed(g, "rotary.pairs", &thaw_shape_of(halves), &data);
	for (int64_t i = 0; data && i < halves; i++)
		data[i] = (float)(i % 2 == 0 ? i + 1 : i - 1);
	return r;
}

/* (N,T,C) with the halves of all heads swapped. */
static int swap(struct thaw_graph *g, int x, const char *name, const struct thaw_rotary *r, int64_t heads)
{
	static const struct thaw_attrs join = {
		.factors = {
			.count = 4, .ndim = 3, .axis = {0, 1, 2, 3}, .order = {0, 1, 2, 3}, .target = {0, 1, 2, 2}}};
	const struct thaw_attrs split = {.factors = {.count = 4,
						     .ndim = 4,
						     .axis = {0, 1, 2, 2},
						     .size = {0, 0, 2 * heads, 0},
						     .order = {0, 1, 2, 3},
						     .target = {0, 1, 2, 3}}};
	char part[NODE_NAME];
	snprintf(part, sizeof(part), "%s.halves", name);
	x = thaw_graph_add(g, "reshape", part, &split, &x, 1);
	snprintf(part, sizeof(part), "%s.swap", name);
	x = thaw_graph_add(g, "gather", part, &(struct thaw_attrs){.axis = 2}, (int[]){x, r->pairs}, 2);
	snprintf(part, sizeof(part), "%s.swapped", name);
	return thaw_graph_add(g, "reshape", part, &join, &x, 1);
}

int thaw_layer_rotate(struct thaw_graph *g, int x, const char *name, const struct thaw_rotary *r, int64_t heads)
{
	static const struct thaw_attrs product = {.binary = THAW_BINARY_MUL};
	char part[NODE_NAME];
	int swapped = swap(g, x, name, r, heads);
	snprintf(part, sizeof(part), "%s.cos", name);
	x = thaw_graph_add(g, "binary", part, &product, (int[]){x, r->cos}, 2);
	snprintf(part, sizeof(part), "%s.sin", name);
	swapped = thaw_graph_add(g, "binary", part, &product, (int[]){swapped, r->sin}, 2);
	snprintf(part, sizeof(part), "%s.rotated", name);
	return thaw_layer_add(g, x, swapped, part);
}
