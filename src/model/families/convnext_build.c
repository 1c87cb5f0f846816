/* The layers of a ConvNeXt. */
#include <stdio.h>

#include "src/model/families/convnext.h"

static int norm(struct thaw_graph *g, int x, const struct thaw_convnext *v, const char *name, int64_t channels)
{
	return thaw_layer_pixel_norm(g, x, name, channels, (float)v->epsilon, v->norm);
}

/* One layer of patches and a norm, or two overlapping convolutions (timm's "_ols"). */
static int stem(struct thaw_graph *g, const struct thaw_convnext *v)
{
	const struct thaw_convnext_names *n = v->names;
	const bool overlap = v->stem_second > 0;
	char name[THAW_LAYER_NAME];
	const struct thaw_conv_layer first = {
		.name = thaw_convnext_trunk(name, v, n->stem),
		.in = 3,
		.out = overlap ? v->stem_middle : v->stem_channels,
		.kernel = v->stem_kernel,
		.stride = overlap ? 2 : v->stem_kernel,
		.pad = overlap ? v->stem_kernel / 2 : 0,
		.bias = v->bias,
	};
	thaw_graph_block(g, "stem");
	int x = thaw_layer_conv(g, 0, &first);
	if (!overlap)
		return norm(g, x, v, thaw_convnext_trunk(name, v, n->stem_norm), v->stem_channels);
	if (v->stem_second == 2)
		x = thaw_layer_nonlinearity(g, x, name, v->act);
	snprintf(name, sizeof(name), "stem.%d", v->stem_second);
	const struct thaw_conv_layer second = {
		.name = name,
		.in = v->stem_middle,
		.out = v->stem_channels,
		.kernel = 3,
		.stride = 2,
		.pad = 1,
		.bias = v->bias,
	};
	x = thaw_layer_conv(g, x, &second);
	snprintf(name, sizeof(name), "stem.%d", v->stem_second + 1);
	return norm(g, x, v, name, v->stem_channels);
}

/* A norm and a convolution of 2x2 pixels. */
static int down(struct thaw_graph *g, int x, const struct thaw_convnext *v, int stage, int64_t channels)
{
	char name[THAW_LAYER_NAME];
	x = norm(g, x, v, thaw_convnext_before_stage(name, v, stage, v->names->down_norm), channels);
	const struct thaw_conv_layer conv = {
		.name = thaw_convnext_before_stage(name, v, stage, v->names->down_conv),
		.in = channels,
		.out = v->stage[stage].channels,
		.kernel = 2,
		.stride = 2,
		.bias = v->bias,
	};
	return thaw_layer_conv(g, x, &conv);
}

/* A layer of a block's MLP. */
static int linear(struct thaw_graph *g, int x, const struct thaw_convnext *v, const char *name, int64_t in, int64_t out)
{
	const struct thaw_conv_layer conv = {
		.name = name, .in = in, .out = out, .kernel = 1, .stride = 1, .bias = true};
	return v->convolutions ? thaw_layer_conv(g, x, &conv) : thaw_layer_linear(g, x, name, in, out, NULL);
}

static int response(struct thaw_graph *g, int x, const struct thaw_convnext *v, int stage, int block)
{
	const struct thaw_convnext_names *n = v->names;
	char weight[THAW_LAYER_NAME], bias[THAW_LAYER_NAME];
	if (!v->responses)
		return x;
	thaw_convnext_in_block(weight, v, stage, block, n->response_weight);
	thaw_convnext_in_block(bias, v, stage, block, n->response_bias);
	return thaw_layer_response_norm(g, x, weight, bias, v->stage[stage].hidden, n->response_shape);
}

/* x + scale * mlp(norm(depthwise convolution)) */
static int add_block(struct thaw_graph *g, int x, const struct thaw_convnext *v, int stage, int block)
{
	const struct thaw_convnext_names *n = v->names;
	const struct thaw_convnext_stage *s = &v->stage[stage];
	char name[THAW_LAYER_NAME];
	const struct thaw_conv_layer depthwise = {
		.name = thaw_convnext_in_block(name, v, stage, block, n->conv),
		.in = s->channels,
		.out = s->channels,
		.kernel = s->kernel,
		.stride = 1,
		.pad = s->kernel / 2,
		.groups = (int)s->channels,
		.bias = v->bias,
	};
	int y = thaw_layer_conv(g, x, &depthwise);
	y = norm(g, y, v, thaw_convnext_in_block(name, v, stage, block, n->norm), s->channels);
	y = linear(g, y, v, thaw_convnext_in_block(name, v, stage, block, n->fc1), s->channels, s->hidden);
	y = response(g, thaw_layer_nonlinearity(g, y, name, v->act), v, stage, block);
	y = linear(g, y, v, thaw_convnext_in_block(name, v, stage, block, n->fc2), s->hidden, s->channels);
	if (v->scales)
		y = thaw_layer_scale_channels(g, y, thaw_convnext_in_block(name, v, stage, block, n->scale),
					      s->channels, n->scale_shape);
	return thaw_layer_add(g, y, x, thaw_convnext_in_block(name, v, stage, block, "add"));
}

/* The norm of the pooled features. A file of timm's that has none is of one that was made without a classifier: its
 * norm is as timm makes it. */
static int pooled_norm(struct thaw_graph *g, int x, const struct thaw_convnext *v, int64_t channels)
{
	const struct thaw_attrs plain = {.epsilon = (float)v->pooled_epsilon};
	char name[THAW_LAYER_NAME];
	thaw_convnext_trunk(name, v, v->names->pooled_norm);
	return v->pooled_norm ? thaw_layer_pixel_norm(g, x, name, channels, (float)v->pooled_epsilon, v->norm)
			      : thaw_graph_add(g, "layer_norm", name, &plain, &x, 1);
}

static void classify(struct thaw_graph *g, int x, const struct thaw_convnext *v, const struct thaw_architecture *a)
{
	const struct thaw_convnext_names *n = v->names;
	int64_t channels = v->stage[v->stages - 1].channels;
	char name[THAW_LAYER_NAME];
	if (v->last_norm)
		x = norm(g, x, v, thaw_convnext_trunk(name, v, n->last_norm), channels);
	x = thaw_layer_average_pool(g, x, "pool", 1);
	if (!v->last_norm)
		x = pooled_norm(g, x, v, channels);
	x = thaw_layer_flatten(g, x, "flatten");
	if (v->head_hidden > 0) {
		thaw_graph_block(g, "%s", n->hidden);
		x = thaw_layer_linear(g, x, n->hidden, channels, v->head_hidden, NULL);
		x = thaw_layer_nonlinearity(g, x, n->hidden, THAW_NL_GELU);
		channels = v->head_hidden;
	}
	thaw_graph_block(g, "%s", n->head);
	snprintf(name, sizeof(name), "%s.weight", n->head);
	thaw_layer_linear(g, x, n->head, channels,
			  thaw_weights_outputs(a->w, name, &thaw_shape_of(0, channels), a->classes), NULL);
}

void thaw_convnext_build(struct thaw_graph *g, const struct thaw_convnext *v, const struct thaw_architecture *a)
{
	int64_t channels = v->stem_channels;
	int x = stem(g, v);
	for (int s = 0; s < v->stages; s++) {
		for (int i = 0; i < v->stage[s].blocks; i++) {
			char name[THAW_LAYER_NAME];
			thaw_graph_block(g, "%s", thaw_convnext_in_block(name, v, s, i, ""));
			if (i == 0 && v->stage[s].down)
				x = down(g, x, v, s, channels);
			x = add_block(g, x, v, s, i);
		}
		channels = v->stage[s].channels;
	}
	classify(g, x, v, a);
}
