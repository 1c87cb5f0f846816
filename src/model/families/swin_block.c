/* The blocks of Swin Transformers: attention in windows, with a bias for each relative position, and an MLP. */
#include <math.h>
#include <stdio.h>

#include "src/model/families/swin.h"

enum { MLP_HIDDEN = 512 }; /* of the MLP that computes the biases of V2 */

#define SMALLEST_LENGTH 1e-12f /* of queries and keys, which are divided by their length */
#define LARGEST_SCALE   100.0f /* of V2's scores */
#define LARGEST_BIAS    16.0f  /* of V2 */

/* A block in the making. */
struct block {
	struct thaw_graph *g;
	const struct thaw_swin *s;
	const struct thaw_swin_stage *stage;
	struct thaw_swin_shared *shared;
	bool shifted;
	char name[THAW_SWIN_NAME];
};

static const char *name_in(const struct block *b, const char *layer, char text[2 * THAW_SWIN_NAME])
{
	snprintf(text, 2 * THAW_SWIN_NAME, "%s.%s", b->name, layer);
	return text;
}

static int add_node(const struct block *b, const char *op, const char *layer, const struct thaw_attrs *attrs,
		    const int *inputs, int count)
{
	char name[2 * THAW_SWIN_NAME];
	return thaw_graph_add(b->g, op, name_in(b, layer, name), attrs, inputs, count);
}

static int linear(const struct block *b, int x, const char *layer, bool bias, int64_t in, int64_t out)
{
	char name[2 * THAW_SWIN_NAME];
	name_in(b, layer, name);
	return bias ? thaw_layer_linear(b->g, x, name, in, out, NULL) : thaw_layer_product(b->g, x, name, in, out);
}

static int norm(const struct block *b, int x, const char *layer)
{
	char name[2 * THAW_SWIN_NAME];
	return thaw_layer_channel_norm(b->g, x, name_in(b, layer, name), b->stage->channels, (float)b->s->epsilon);
}

static int constant(const struct block *b, const char *tensor, const struct thaw_shape *shape)
{
	char name[2 * THAW_SWIN_NAME];
	return thaw_layer_constant(b->g, name_in(b, tensor, name), shape);
}

/* A tensor of the file that is not trained. */
static int fixed(const struct block *b, const char *tensor, const struct thaw_shape *shape)
{
	char name[2 * THAW_SWIN_NAME];
	int y = add_node(b, "constant", tensor, NULL, NULL, 0);
	thaw_graph_param(b->g, y, name_in(b, tensor, name), THAW_ROLE_FIXED, THAW_LAYOUT_SAME, shape, NULL);
	return y;
}

static int function(const struct block *b, int x, const char *layer, enum thaw_function f, float alpha, float beta)
{
	const struct thaw_attrs a = {.function = f, .alpha = alpha, .beta = beta};
	return add_node(b, "pointwise", layer, &a, &x, 1);
}

static int binary(const struct block *b, const char *layer, enum thaw_binary f, int left, int right)
{
	return add_node(b, "binary", layer, &(struct thaw_attrs){.binary = f}, (int[]){left, right}, 2);
}

/* V2: the biases of all relative positions (positions,heads) from their coordinates. */
static int continuous_table(const struct block *b)
{
	static const struct thaw_attrs rows = {
		.factors = {
			.count = 4, .ndim = 2, .axis = {0, 1, 2, 3}, .order = {0, 1, 2, 3}, .target = {0, 0, 0, 1}}};
	const struct thaw_swin_names *n = b->s->names;
	const int64_t width = 2 * b->shared->grid.window - 1;
	int x = n->coordinates ? fixed(b, n->coordinates, &thaw_shape_of(1, width, width, 2))
			       : thaw_swin_coordinates(b->g, b->shared, b->stage->pretrained);
	char name[2 * THAW_SWIN_NAME];
	x = linear(b, x, n->mlp1, true, 2, MLP_HIDDEN);
	x = thaw_layer_activation(b->g, x, name_in(b, n->mlp1, name), THAW_ACT_RELU);
	x = linear(b, x, n->mlp2, false, MLP_HIDDEN, b->stage->heads);
	x = function(b, x, "bias.sigmoid", THAW_FN_SIGMOID, 0, 0);
	x = function(b, x, "bias.scale", THAW_FN_AFFINE, LARGEST_BIAS, 0);
	return add_node(b, "reshape", "bias.rows", &rows, &x, 1);
}

/* The biases of the scores, (1 or windows,heads,t,t). */
static int relative_bias(const struct block *b)
{
	const struct thaw_swin_names *n = b->s->names;
	const int64_t w = b->shared->grid.window, t = w * w, positions = (2 * w - 1) * (2 * w - 1);
	const struct thaw_attrs pairs = {.factors = {.count = 3,
						     .ndim = 4,
						     .axis = {0, 0, 1},
						     .size = {t, t, 0},
						     .order = {2, 0, 1},
						     .target = {1, 2, 3}}};
	/* A blocked pair's score is so much lower. transformers adds V2's mask twice. */
	const float blocked = n->maker == THAW_SWIN_TRANSFORMERS && b->s->v2 ? -200.0f : -100.0f;
	int table = b->s->v2 ? continuous_table(b) : constant(b, n->table, &thaw_shape_of(positions, b->stage->heads));
	int index = n->index ? fixed(b, n->index, &thaw_shape_of(t * t)) : thaw_swin_pairs(b->g, b->shared);
	int bias = add_node(b, "gather", "bias.pairs", &(struct thaw_attrs){.axis = 0}, (int[]){table, index}, 2);
	bias = add_node(b, "rearrange", "bias", &pairs, &bias, 1);
	return b->shifted ? thaw_swin_add_mask(b->g, bias, b->shared, blocked, b->name) : bias;
}

/* Part `part` of the last axis (3,heads,size) of x (N,t,3C), or of a vector (3C), as (N,t,heads,size). */
static int take_part(const struct block *b, int x, int ndim, int part, const char *layer)
{
	const int64_t heads = b->stage->heads;
	const struct thaw_attrs of_tokens = {.factors = {.count = 5,
							 .ndim = 4,
							 .axis = {0, 1, 2, 2, 2},
							 .size = {0, 0, 3, heads, 0},
							 .start = {0, 0, part, 0, 0},
							 .take = {0, 0, 1, 0, 0},
							 .order = {0, 1, 2, 3, 4},
							 .target = {0, 1, 2, 2, 3}}};
	const struct thaw_attrs of_vector = {.factors = {.count = 3,
							 .ndim = 4,
							 .size = {3, heads, 0},
							 .start = {part, 0, 0},
							 .take = {1, 0, 0},
							 .order = {0, 1, 2},
							 .target = {2, 2, 3}}};
	return add_node(b, "rearrange", layer, ndim == 1 ? &of_vector : &of_tokens, &x, 1);
}

/* A vector (C) as (1,1,heads,size), or tokens (N,t,C) as (N,t,heads,size). */
static int split_heads(const struct block *b, int x, int ndim, const char *layer)
{
	const int64_t heads = b->stage->heads;
	const struct thaw_attrs of_vector = {
		.factors = {.count = 2, .ndim = 4, .size = {heads, 0}, .order = {0, 1}, .target = {2, 3}}};
	const struct thaw_attrs of_tokens = {.factors = {.count = 4,
							 .ndim = 4,
							 .axis = {0, 1, 2, 2},
							 .size = {0, 0, heads, 0},
							 .order = {0, 1, 2, 3},
							 .target = {0, 1, 2, 3}}};
	return add_node(b, "reshape", layer, ndim == 1 ? &of_vector : &of_tokens, &x, 1);
}

static int merge_heads(const struct block *b, int x, const char *layer)
{
	static const struct thaw_attrs a = {
		.factors = {
			.count = 4, .ndim = 3, .axis = {0, 1, 2, 3}, .order = {0, 1, 2, 3}, .target = {0, 1, 2, 2}}};
	return add_node(b, "reshape", layer, &a, &x, 1);
}

enum { QUERY, KEY, VALUE, PARTS };

/* V2: the bias of queries or of values, (1,1,heads,size). Keys have none. whole: that of the layer for all three, or
 * -1. */
static int part_bias(const struct block *b, int part, int whole)
{
	const struct thaw_swin_names *n = b->s->names;
	const char *vector = part == QUERY ? n->query_bias : n->value_bias;
	const char *layer = part == QUERY ? "attn.query_bias.heads" : "attn.value_bias.heads";
	if (whole >= 0)
		return take_part(b, whole, 1, part, layer);
	return split_heads(b, constant(b, vector, &thaw_shape_of(b->stage->channels)), 1, layer);
}

/* V2: queries, keys and values, (N,t,heads,size) each. */
static void split_parts(const struct block *b, int x, int parts[PARTS])
{
	static const char *const heads[] = {"attn.query.heads", "attn.key.heads", "attn.value.heads"};
	static const char *const sums[] = {"attn.query.add", "attn.key.add", "attn.value.add"};
	const struct thaw_swin_names *n = b->s->names;
	const char *const layers[] = {n->query, n->key, n->value};
	const int64_t channels = b->stage->channels;
	char bias_name[THAW_LAYER_NAME];
	int whole = -1;
	if (n->qkv)
		x = linear(b, x, n->qkv, false, channels, 3 * channels);
	if (n->qkv && !n->query_bias && b->s->qkv_bias) {
		snprintf(bias_name, sizeof(bias_name), "%s.bias", n->qkv);
		whole = constant(b, bias_name, &thaw_shape_of(3 * channels));
	}
	for (int k = 0; k < PARTS; k++) {
		const bool bias = b->s->qkv_bias && k != KEY;
		if (!n->qkv) {
			parts[k] = linear(b, x, layers[k], bias, channels, channels);
			parts[k] = split_heads(b, parts[k], 3, heads[k]);
			continue;
		}
		parts[k] = take_part(b, x, 3, k, heads[k]);
		if (bias)
			parts[k] = binary(b, sums[k], THAW_BINARY_ADD, parts[k], part_bias(b, k, whole));
	}
}

/* x (N,t,heads,size) / |x| */
static int normalise(const struct block *b, int x, bool query)
{
	static const struct thaw_attrs length = {.reduction = THAW_REDUCE_L2, .axes = 1 << 3};
	int y = add_node(b, "reduce", query ? "attn.query.length" : "attn.key.length", &length, &x, 1);
	y = function(b, y, query ? "attn.query.clip" : "attn.key.clip", THAW_FN_CLIP, SMALLEST_LENGTH, INFINITY);
	return binary(b, query ? "attn.query.unit" : "attn.key.unit", THAW_BINARY_DIV, x, y);
}

/* The scale of each head's scores, (1,1,heads,1). */
static int score_scale(const struct block *b)
{
	static const struct thaw_attrs heads = {
		.factors = {.count = 3, .ndim = 4, .axis = {0, 1, 2}, .order = {0, 1, 2}, .target = {2, 3, 3}}};
	int y = constant(b, b->s->names->logit_scale, &thaw_shape_of(b->stage->heads, 1, 1));
	y = function(b, y, "attn.scale.clip", THAW_FN_CLIP, -INFINITY, logf(LARGEST_SCALE));
	y = function(b, y, "attn.scale.exp", THAW_FN_EXP, 0, 0);
	return add_node(b, "reshape", "attn.scale", &heads, &y, 1);
}

/* V2: scores are cosines of queries and keys. */
static int cosine_attention(const struct block *b, int x)
{
	const struct thaw_attrs a = {.heads = (int)b->stage->heads, .scale = 1.0f};
	int parts[PARTS + 1];
	split_parts(b, x, parts);
	parts[QUERY] = normalise(b, parts[QUERY], true);
	parts[QUERY] = binary(b, "attn.query.scaled", THAW_BINARY_MUL, parts[QUERY], score_scale(b));
	parts[KEY] = normalise(b, parts[KEY], false);
	parts[QUERY] = merge_heads(b, parts[QUERY], "attn.query.all");
	parts[KEY] = merge_heads(b, parts[KEY], "attn.key.all");
	parts[VALUE] = merge_heads(b, parts[VALUE], "attn.value.all");
	parts[PARTS] = relative_bias(b);
	return add_node(b, "attention", "attention", &a, parts, PARTS + 1);
}

static int dot_attention(const struct block *b, int x)
{
	const struct thaw_swin_names *n = b->s->names;
	const struct thaw_attrs a = {.heads = (int)b->stage->heads};
	const int64_t channels = b->stage->channels;
	const bool bias = b->s->qkv_bias;
	if (n->qkv) {
		x = linear(b, x, n->qkv, bias, channels, 3 * channels);
		return add_node(b, "attention", "attention", &a, (int[]){x, relative_bias(b)}, 2);
	}
	const int inputs[] = {linear(b, x, n->query, bias, channels, channels),
			      linear(b, x, n->key, bias, channels, channels),
			      linear(b, x, n->value, bias, channels, channels), relative_bias(b)};
	return add_node(b, "attention", "attention", &a, inputs, 4);
}

static int attention(const struct block *b, int x)
{
	const int64_t channels = b->stage->channels;
	x = thaw_swin_divide(b->g, x, b->shared, b->shifted, b->name);
	x = b->s->v2 ? cosine_attention(b, x) : dot_attention(b, x);
	x = linear(b, x, b->s->names->project, true, channels, channels);
	return thaw_swin_join(b->g, x, b->shared, b->shifted, b->name);
}

static int mlp(const struct block *b, int x)
{
	const struct thaw_swin_names *n = b->s->names;
	char name[2 * THAW_SWIN_NAME];
	x = linear(b, x, n->fc1, true, b->stage->channels, b->stage->hidden);
	x = thaw_layer_nonlinearity(b->g, x, name_in(b, n->fc1, name), b->s->act);
	return linear(b, x, n->fc2, true, b->stage->hidden, b->stage->channels);
}

int thaw_swin_block(struct thaw_graph *g, int x, const struct thaw_swin *s, int i, int j,
		    struct thaw_swin_shared *shared)
{
	const struct thaw_swin_names *n = s->names;
	struct block b = {.g = g,
			  .s = s,
			  .stage = &s->stage[i],
			  .shared = shared,
			  .shifted = j % 2 == 1 && shared->grid.shift > 0};
	char name[2 * THAW_SWIN_NAME];
	thaw_swin_block_name(s, i, j, b.name);
	thaw_graph_block(g, "%s", b.name);
	/* V2 has the norms after the branches. */
	int y = s->v2 ? norm(&b, attention(&b, x), n->norm1) : attention(&b, norm(&b, x, n->norm1));
	x = thaw_layer_add(g, y, x, name_in(&b, "add1", name));
	y = s->v2 ? norm(&b, mlp(&b, x), n->norm2) : mlp(&b, norm(&b, x, n->norm2));
	return thaw_layer_add(g, y, x, name_in(&b, "add2", name));
}
