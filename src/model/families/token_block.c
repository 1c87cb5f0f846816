/* The blocks of transformers, and pooling by attention; see tokens.h. Linear weights are (O,I). */
#include <stdio.h>
#include <string.h>

#include "src/model/families/tokens.h"

#define NODE_NAME (THAW_LAYER_NAME + 16) /* bytes; of a node that is a part of a layer */

enum { PARTS = 3 }; /* queries, keys, values */

/* The name of a layer of the block. */
static const char *name_in(const struct thaw_token_block *b, const char *layer, char text[THAW_LAYER_NAME])
{
	snprintf(text, THAW_LAYER_NAME, "%s.%s", b->name, layer);
	return text;
}

static void add_param(struct thaw_graph *g, int node, const char *name, enum thaw_role role,
		      const struct thaw_shape *shape)
{
	thaw_graph_param(g, node, name, role, THAW_LAYOUT_SAME, shape, NULL);
}

/* A layer of the block. */
static int linear(struct thaw_graph *g, int x, const struct thaw_token_block *b, const char *layer, int64_t in,
		  int64_t out, bool bias)
{
	char name[THAW_LAYER_NAME], param[NODE_NAME];
	int y = thaw_graph_add(g, "linear", name_in(b, layer, name), NULL, &x, 1);
	snprintf(param, sizeof(param), "%s.weight", name);
	add_param(g, y, param, THAW_ROLE_WEIGHT, &thaw_shape_of(out, in));
	snprintf(param, sizeof(param), "%s.bias", name);
	if (bias)
		add_param(g, y, param, THAW_ROLE_BIAS, &thaw_shape_of(out));
	return y;
}

static int norm(struct thaw_graph *g, int x, const struct thaw_token_block *b, const char *layer, int64_t channels)
{
	char name[THAW_LAYER_NAME];
	name_in(b, layer, name);
	return b->norm.rms ? thaw_layer_rms_norm(g, x, name, channels, b->norm.epsilon)
			   : thaw_layer_channel_norm(g, x, name, channels, b->norm.epsilon);
}

/* The biases of queries and values; keys have none. */
static int add_biases(struct thaw_graph *g, int x, const struct thaw_token_block *b)
{
	char name[THAW_LAYER_NAME];
	float *zeros;
	const int query = thaw_layer_channels(g, name_in(b, b->names->query_bias, name), b->channels);
	const int key = thaw_layer_computed(g, name_in(b, "key_bias", name), &thaw_shape_of(1, 1, b->channels), &zeros);
	if (zeros)
		memset(zeros, 0, (size_t)b->channels * sizeof(*zeros));
	const int value = thaw_layer_channels(g, name_in(b, b->names->value_bias, name), b->channels);
	const int bias = thaw_graph_add(g, "concat", name_in(b, "biases", name), &(struct thaw_attrs){.axis = 2},
					(int[]){query, key, value}, PARTS);
	return thaw_graph_add(g, "binary", name_in(b, "biased", name), &(struct thaw_attrs){.binary = THAW_BINARY_ADD},
			      (int[]){x, bias}, 2);
}

static int rotate(struct thaw_graph *g, int x, const struct thaw_token_block *b, const char *layer, int64_t heads)
{
	char name[THAW_LAYER_NAME];
	return b->rotary.cos > 0 ? thaw_layer_rotate(g, x, name_in(b, layer, name), &b->rotary, heads) : x;
}

static int attention(struct thaw_graph *g, int x, const struct thaw_token_block *b)
{
	const struct thaw_attrs a = {.heads = b->heads};
	const int64_t c = b->channels;
	char name[THAW_LAYER_NAME];
	name_in(b, "attention", name);
	if (b->names->qkv) {
		x = linear(g, x, b, b->names->qkv, c, 3 * c, b->qkv_bias && !b->no_key_bias);
		if (b->no_key_bias)
			x = add_biases(g, x, b);
		x = rotate(g, x, b, b->names->qkv, PARTS * b->heads);
		x = thaw_graph_add(g, "attention", name, &a, &x, 1);
	} else {
		int qkv[PARTS] = {linear(g, x, b, b->names->query, c, c, b->qkv_bias),
				  linear(g, x, b, b->names->key, c, c, b->qkv_bias && !b->no_key_bias),
				  linear(g, x, b, b->names->value, c, c, b->qkv_bias)};
		qkv[0] = rotate(g, qkv[0], b, b->names->query, b->heads);
		qkv[1] = rotate(g, qkv[1], b, b->names->key, b->heads);
		x = thaw_graph_add(g, "attention", name, &a, qkv, 3);
	}
	if (b->inner_norms)
		x = norm(g, x, b, b->names->inner1, c);
	return linear(g, x, b, b->names->project, c, c, b->bias);
}

/* function(gate) * y, from both in one value or from two layers. */
static int gated(struct thaw_graph *g, int x, const struct thaw_token_block *b)
{
	char name[THAW_LAYER_NAME];
	int gate, y;
	if (b->names->gate) {
		gate = linear(g, x, b, b->names->gate, b->channels, b->hidden, b->bias);
		y = linear(g, x, b, b->names->fc1, b->channels, b->hidden, b->bias);
	} else {
		x = linear(g, x, b, b->names->fc1, b->channels, 2 * b->hidden, b->bias);
		gate = thaw_layer_channel_range(g, x, name_in(b, "gate", name), 0, b->hidden);
		y = thaw_layer_channel_range(g, x, name_in(b, "gated", name), b->hidden, b->hidden);
	}
	gate = thaw_layer_nonlinearity(g, gate, name_in(b, "gate", name), b->function);
	return thaw_graph_add(g, "binary", name_in(b, "product", name), &(struct thaw_attrs){.binary = THAW_BINARY_MUL},
			      (int[]){gate, y}, 2);
}

static int mlp(struct thaw_graph *g, int x, const struct thaw_token_block *b)
{
	char name[THAW_LAYER_NAME];
	if (b->gated) {
		x = gated(g, x, b);
	} else {
		x = linear(g, x, b, b->names->fc1, b->channels, b->hidden, b->bias);
		x = thaw_layer_nonlinearity(g, x, name_in(b, "mlp", name), b->function);
	}
	if (b->inner_norms)
		x = norm(g, x, b, b->names->inner2, b->hidden);
	return linear(g, x, b, b->names->fc2, b->hidden, b->channels, b->bias);
}

/* x + scale branch(norm(x)), or x + scale norm(branch(x)) */
static int add_branch(struct thaw_graph *g, int x, const struct thaw_token_block *b, const char *norm_name,
		      const char *scale, const char *sum,
		      int (*branch)(struct thaw_graph *g, int x, const struct thaw_token_block *b))
{
	char name[THAW_LAYER_NAME];
	int y = b->norm_last ? norm(g, branch(g, x, b), b, norm_name, b->channels)
			     : branch(g, norm(g, x, b, norm_name, b->channels), b);
	if (b->scales)
		y = thaw_layer_scale(g, y, name_in(b, scale, name), b->channels);
	return thaw_layer_add(g, y, x, name_in(b, sum, name));
}

int thaw_layer_token_block(struct thaw_graph *g, int x, const struct thaw_token_block *b)
{
	thaw_graph_block(g, "%s", b->name);
	x = add_branch(g, x, b, b->names->norm1, b->names->scale1, "add1", attention);
	return add_branch(g, x, b, b->names->norm2, b->names->scale2, "add2", mlp);
}

/* Queries, keys and values by one layer over the asking token and the others. */
static void packed_factors(struct thaw_graph *g, int x, int token, const struct thaw_attention_pool_names *names,
			   const struct thaw_token_block *b, int qkv[3])
{
	const int64_t c = b->channels;
	char name[THAW_LAYER_NAME];
	x = thaw_layer_join_tokens(g, token, x, name_in(b, "join", name));
	x = thaw_graph_add(g, "linear", name_in(b, "in", name), NULL, &x, 1);
	add_param(g, x, name_in(b, names->in_weight, name), THAW_ROLE_WEIGHT, &thaw_shape_of(3 * c, c));
	add_param(g, x, name_in(b, names->in_bias, name), THAW_ROLE_BIAS, &thaw_shape_of(3 * c));
	qkv[0] = thaw_layer_channel_range(g, x, name_in(b, "asked", name), 0, c);
	qkv[0] = thaw_layer_token_range(g, qkv[0], name_in(b, "query", name), 0, 1);
	x = thaw_layer_token_range(g, x, name_in(b, "tokens", name), 1, 0);
	qkv[1] = thaw_layer_channel_range(g, x, name_in(b, "key", name), c, c);
	qkv[2] = thaw_layer_channel_range(g, x, name_in(b, "value", name), 2 * c, c);
}

/* The same by two layers. The query is repeated for every image by joining it to the keys. */
static void factors(struct thaw_graph *g, int x, int token, const struct thaw_attention_pool_names *names,
		    const struct thaw_token_block *b, int qkv[3])
{
	const int64_t c = b->channels;
	char name[THAW_LAYER_NAME];
	token = linear(g, token, b, names->q, c, c, b->qkv_bias);
	x = linear(g, x, b, names->kv, c, 2 * c, b->qkv_bias);
	qkv[1] = thaw_layer_channel_range(g, x, name_in(b, "key", name), 0, c);
	qkv[2] = thaw_layer_channel_range(g, x, name_in(b, "value", name), c, c);
	qkv[0] = thaw_layer_join_tokens(g, token, qkv[1], name_in(b, "join", name));
	qkv[0] = thaw_layer_token_range(g, qkv[0], name_in(b, "query", name), 0, 1);
}

int thaw_layer_attention_pool(struct thaw_graph *g, int x, const struct thaw_attention_pool_names *names,
			      const struct thaw_token_block *pool)
{
	struct thaw_token_block b = *pool;
	char name[THAW_LAYER_NAME];
	int qkv[3];
	b.names = &names->in;
	thaw_graph_block(g, "%s", b.name);
	int token = thaw_layer_constant(g, name_in(&b, names->query, name), &thaw_shape_of(1, 1, b.channels));
	(names->in_weight ? packed_factors : factors)(g, x, token, names, &b, qkv);
	x = thaw_graph_add(g, "attention", name_in(&b, "attend", name), &(struct thaw_attrs){.heads = b.heads}, qkv, 3);
	x = linear(g, x, &b, b.names->project, b.channels, b.channels, b.bias);
	x = add_branch(g, x, &b, b.names->norm2, "", "add", mlp);
	return thaw_layer_one_token(g, x, name_in(&b, "token", name), 0);
}
