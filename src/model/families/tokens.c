/* See tokens.h. Linear weights are (O,I). The blocks of these layers are in token_block.c. */
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

int thaw_layer_rms_norm(struct thaw_graph *g, int x, const char *name, int64_t channels, float epsilon)
{
	const struct thaw_attrs square = {.function = THAW_FN_POWER, .alpha = 2},
				mean = {.reduction = THAW_REDUCE_MEAN, .axes = 1 << 2},
				shift = {.function = THAW_FN_AFFINE, .alpha = 1, .beta = epsilon},
				root = {.function = THAW_FN_POWER, .alpha = -0.5f},
				product = {.binary = THAW_BINARY_MUL};
	char part[THAW_LAYER_NAME + 16];
	snprintf(part, sizeof(part), "%s.square", name);
	int factor = thaw_graph_add(g, "pointwise", part, &square, &x, 1);
	snprintf(part, sizeof(part), "%s.mean", name);
	factor = thaw_graph_add(g, "reduce", part, &mean, &factor, 1);
	snprintf(part, sizeof(part), "%s.epsilon", name);
	factor = thaw_graph_add(g, "pointwise", part, &shift, &factor, 1);
	snprintf(part, sizeof(part), "%s.root", name);
	factor = thaw_graph_add(g, "pointwise", part, &root, &factor, 1);
	snprintf(part, sizeof(part), "%s.normed", name);
	x = thaw_graph_add(g, "binary", part, &product, (int[]){x, factor}, 2);
	snprintf(part, sizeof(part), "%s.weight", name);
	return thaw_layer_scale(g, x, part, channels);
}

int thaw_layer_scale(struct thaw_graph *g, int x, const char *name, int64_t channels)
{
	char product[THAW_LAYER_NAME + 32];
	int factor = thaw_layer_channels(g, name, channels);
	snprintf(product, sizeof(product), "%s.product", name);
	return thaw_graph_add(g, "binary", product, &(struct thaw_attrs){.binary = THAW_BINARY_MUL}, (int[]){x, factor},
			      2);
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

int thaw_layer_channels(struct thaw_graph *g, const char *name, int64_t channels)
{
	static const struct thaw_attrs last_of_three = {.factors = {.count = 1, .ndim = 3, .target = {2}}};
	char reshape[THAW_LAYER_NAME + 16];
	int y = thaw_layer_constant(g, name, &thaw_shape_of(channels));
	snprintf(reshape, sizeof(reshape), "%s.reshape", name);
	return thaw_graph_add(g, "reshape", reshape, &last_of_three, &y, 1);
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

int thaw_layer_token_range(struct thaw_graph *g, int x, const char *name, int first, int count)
{
	const struct thaw_attrs a = {.factors = {.count = 3,
						 .ndim = 3,
						 .axis = {0, 1, 2},
						 .start = {0, first, 0},
						 .take = {0, count, 0},
						 .order = {0, 1, 2},
						 .target = {0, 1, 2}}};
	return first == 0 && count == 0 ? x : thaw_graph_add(g, "rearrange", name, &a, &x, 1);
}

int thaw_layer_channel_range(struct thaw_graph *g, int x, const char *name, int64_t first, int64_t count)
{
	const struct thaw_attrs a = {.factors = {.count = 3,
						 .ndim = 3,
						 .axis = {0, 1, 2},
						 .start = {0, 0, first},
						 .take = {0, 0, count},
						 .order = {0, 1, 2},
						 .target = {0, 1, 2}}};
	return thaw_graph_add(g, "rearrange", name, &a, &x, 1);
}

int thaw_layer_mean_token(struct thaw_graph *g, int x, const char *name, int first)
{
	char part[THAW_LAYER_NAME + 16];
	snprintf(part, sizeof(part), "%s.patches", name);
	x = thaw_layer_token_range(g, x, part, first, 0);
	snprintf(part, sizeof(part), "%s.mean", name);
	x = thaw_graph_add(g, "reduce", part, &(struct thaw_attrs){.reduction = THAW_REDUCE_MEAN, .axes = 1 << 1}, &x,
			   1);
	return thaw_layer_one_token(g, x, name, 0);
}
