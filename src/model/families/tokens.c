/* See tokens.h. Linear weights are (O,I). */
#include "src/model/families/tokens.h"

#include <stdio.h>

static void add_param(struct thaw_graph *g, int node, const char *layer, const char *what, enum thaw_role role,
		      int64_t channels)
{
	char name[2 * THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s.%s", layer, what);
	thaw_graph_param(g, node, name, role, THAW_LAYOUT_SAME, &thaw_shape_of(channels), NULL);
}

int thaw_layer_channel_norm(struct thaw_graph *g, int x, const char *name, int64_t channels, float epsilon)
{
	int y = thaw_graph_add(g, "layer_norm", name, &(struct thaw_attrs){.epsilon = epsilon}, &x, 1);
	add_param(g, y, name, "weight", THAW_ROLE_SCALE, channels);
	add_param(g, y, name, "bias", THAW_ROLE_SHIFT, channels);
	return y;
}

int thaw_layer_constant(struct thaw_graph *g, const char *name, const struct thaw_shape *shape)
{
	int y = thaw_graph_add(g, "constant", name, NULL, NULL, 0);
	thaw_graph_param(g, y, name, THAW_ROLE_BIAS, THAW_LAYOUT_SAME, shape, NULL);
	return y;
}

int thaw_layer_computed(struct thaw_graph *g, const char *name, const struct thaw_shape *shape, float **data)
{
	int y = thaw_graph_add(g, "constant", name, NULL, NULL, 0);
	thaw_graph_param(g, y, name, THAW_ROLE_FIXED, THAW_LAYOUT_SAME, shape, NULL);
	*data = NULL;
	if (!g->failed) {
		struct thaw_param *p = &g->params[g->param_count - 1];
		p->computed = true;
		*data = p->data;
	}
	return y;
}

int thaw_layer_tokens(struct thaw_graph *g, int x, const char *name)
{
	const struct thaw_attrs a = {
		.factors = {
			.count = 4, .ndim = 3, .axis = {0, 1, 2, 3}, .order = {0, 1, 2, 3}, .target = {0, 1, 1, 2}}};
	return thaw_graph_add(g, "reshape", name, &a, &x, 1);
}

int thaw_layer_join_tokens(struct thaw_graph *g, int a, int b, const char *name)
{
	return thaw_graph_add(g, "concat", name, &(struct thaw_attrs){.axis = 1}, (int[]){a, b}, 2);
}

int thaw_layer_one_token(struct thaw_graph *g, int x, const char *name, int index)
{
	const struct thaw_attrs a = {.factors = {.count = 3,
						 .ndim = 2,
						 .axis = {0, 1, 2},
						 .start = {0, index, 0},
						 .take = {0, 1, 0},
						 .order = {0, 1, 2},
						 .target = {0, 0, 1}}};
	return thaw_graph_add(g, "rearrange", name, &a, &x, 1);
}

/* Tokens [first, T). */
static int later_tokens(struct thaw_graph *g, int x, const char *name, int first)
{
	const struct thaw_attrs a = {.factors = {.count = 3,
						 .ndim = 3,
						 .axis = {0, 1, 2},
						 .start = {0, first, 0},
						 .order = {0, 1, 2},
						 .target = {0, 1, 2}}};
	return first == 0 ? x : thaw_graph_add(g, "rearrange", name, &a, &x, 1);
}

int thaw_layer_mean_token(struct thaw_graph *g, int x, const char *name, int first)
{
	char part[THAW_LAYER_NAME + 16];
	snprintf(part, sizeof(part), "%s.patches", name);
	x = later_tokens(g, x, part, first);
	snprintf(part, sizeof(part), "%s.mean", name);
	x = thaw_graph_add(g, "reduce", part, &(struct thaw_attrs){.reduction = THAW_REDUCE_MEAN, .axes = 1 << 1}, &x,
			   1);
	return thaw_layer_one_token(g, x, name, 0);
}

/* The name of a layer of the block. */
static const char *name_in(const struct thaw_token_block *b, const char *layer, char text[THAW_LAYER_NAME])
{
	snprintf(text, THAW_LAYER_NAME, "%s.%s", b->name, layer);
	return text;
}

static int linear(struct thaw_graph *g, int x, const struct thaw_token_block *b, const char *layer, int64_t in,
		  int64_t out)
{
	char name[THAW_LAYER_NAME];
	return thaw_layer_linear(g, x, name_in(b, layer, name), in, out, NULL);
}

static int norm(struct thaw_graph *g, int x, const struct thaw_token_block *b, const char *layer)
{
	char name[THAW_LAYER_NAME];
	return thaw_layer_channel_norm(g, x, name_in(b, layer, name), b->channels, b->epsilon);
}

static int attention(struct thaw_graph *g, int x, const struct thaw_token_block *b)
{
	const struct thaw_attrs a = {.heads = b->heads};
	const int64_t channels = b->channels;
	char name[THAW_LAYER_NAME];
	name_in(b, "attention", name);
	if (b->names->qkv) {
		x = linear(g, x, b, b->names->qkv, channels, 3 * channels);
		return thaw_graph_add(g, "attention", name, &a, &x, 1);
	}
	const int qkv[3] = {linear(g, x, b, b->names->query, channels, channels),
			    linear(g, x, b, b->names->key, channels, channels),
			    linear(g, x, b, b->names->value, channels, channels)};
	return thaw_graph_add(g, "attention", name, &a, qkv, 3);
}

/* x + scale branch */
static int add_branch(struct thaw_graph *g, int x, int branch, const struct thaw_token_block *b, const char *scale,
		      const char *sum)
{
	static const struct thaw_attrs last_of_three = {.factors = {.count = 1, .ndim = 3, .target = {2}}};
	char name[THAW_LAYER_NAME], product[THAW_LAYER_NAME + 16];
	if (b->scales) {
		int factor = thaw_layer_constant(g, name_in(b, scale, name), &thaw_shape_of(b->channels));
		snprintf(product, sizeof(product), "%s.reshape", name);
		factor = thaw_graph_add(g, "reshape", product, &last_of_three, &factor, 1);
		snprintf(product, sizeof(product), "%s.product", name);
		branch = thaw_graph_add(g, "binary", product, &(struct thaw_attrs){.binary = THAW_BINARY_MUL},
					(int[]){branch, factor}, 2);
	}
	return thaw_layer_add(g, branch, x, name_in(b, sum, name));
}

int thaw_layer_token_block(struct thaw_graph *g, int x, const struct thaw_token_block *b)
{
	char name[THAW_LAYER_NAME];
	thaw_graph_block(g, "%s", b->name);
	int y = attention(g, norm(g, x, b, b->names->norm1), b);
	y = linear(g, y, b, b->names->project, b->channels, b->channels);
	x = add_branch(g, x, y, b, b->names->scale1, "add1");
	y = linear(g, norm(g, x, b, b->names->norm2), b, b->names->fc1, b->channels, b->hidden);
	y = thaw_graph_add(g, "pointwise", name_in(b, "act", name), &(struct thaw_attrs){.function = b->function}, &y,
			   1);
	y = linear(g, y, b, b->names->fc2, b->hidden, b->channels);
	return add_branch(g, x, y, b, b->names->scale2, "add2");
}
