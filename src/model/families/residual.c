/* See residual.h. */
#include "src/model/families/residual.h"

#include <stdio.h>

#include "src/model/families/squeeze.h"

const struct thaw_residual_names thaw_residual_torchvision = {
	.conv = {"conv1", "conv2", "conv3"},
	.norm = {"bn1", "bn2", "bn3"},
	.down_conv = {"downsample.0", "downsample.1"},
	.down_norm = {"downsample.1", "downsample.2"},
	.squeeze = {"se.fc1", "se.fc2"},
	.channels = "se.conv",
};

/* The name of a layer of the block. */
static const char *name_in(const struct thaw_residual *b, const char *layer, char text[THAW_LAYER_NAME])
{
	snprintf(text, THAW_LAYER_NAME, "%s.%s", b->name, layer);
	return text;
}

/* The filter is that of two means over 2x2, one after the other. */
static int blur(struct thaw_graph *g, int x, const char *name)
{
	const struct thaw_attrs border = {.padding = THAW_PAD_REFLECT, .before = {0, 1, 1, 0}, .after = {0, 1, 1, 0}};
	char part[THAW_LAYER_NAME + 16];
	snprintf(part, sizeof(part), "%s.border", name);
	x = thaw_graph_add(g, "pad", part, &border, &x, 1);
	snprintf(part, sizeof(part), "%s.mean", name);
	x = thaw_layer_average_windows(g, x, part, 2, 1, false);
	return thaw_layer_average_windows(g, x, name, 2, 2, false);
}

int thaw_layer_antialias(struct thaw_graph *g, int x, const char *name, enum thaw_antialias antialias)
{
	switch (antialias) {
	case THAW_ANTIALIAS_AVERAGE:
		return thaw_layer_average_windows(g, x, name, 2, 2, false);
	case THAW_ANTIALIAS_BLUR:
		return blur(g, x, name);
	default:
		return x;
	}
}

/* Convolution i of the branch, its norm and, if `relu`, a ReLU, with what smooths after it. */
static int unit(struct thaw_graph *g, int x, const struct thaw_residual *b, int i, struct thaw_conv_layer conv,
		bool relu)
{
	char name[THAW_LAYER_NAME];
	const bool smooths = b->antialias != THAW_ANTIALIAS_NONE && conv.stride > 1;
	conv.name = name_in(b, b->names->conv[i], name);
	conv.pad = conv.kernel / 2;
	if (smooths)
		conv.stride = 1;
	x = thaw_layer_conv(g, x, &conv);
	x = thaw_layer_batch_or_group_norm(g, x, name_in(b, b->names->norm[i], name), conv.out, b->norm_groups);
	if (relu)
		x = thaw_layer_activation(g, x, name, THAW_ACT_RELU);
	return smooths ? thaw_layer_antialias(g, x, name_in(b, "aa", name), b->antialias) : x;
}

static int basic_branch(struct thaw_graph *g, int x, const struct thaw_residual *b)
{
	struct thaw_conv_layer first = {.in = b->in, .out = b->inner, .kernel = 3, .stride = b->stride};
	struct thaw_conv_layer second = {.in = b->inner, .out = b->out, .kernel = 3, .stride = 1};
	x = unit(g, x, b, 0, first, true);
	return unit(g, x, b, 1, second, b->activates_branch);
}

static int bottleneck_branch(struct thaw_graph *g, int x, const struct thaw_residual *b)
{
	const int stride[2] = {b->stride_first ? b->stride : 1, b->stride_first ? 1 : b->stride};
	struct thaw_conv_layer reduce = {.in = b->in, .out = b->first, .kernel = 1, .stride = stride[0]};
	struct thaw_conv_layer spatial = {
		.in = b->first, .out = b->inner, .kernel = 3, .stride = stride[1], .groups = b->groups};
	struct thaw_conv_layer expand = {.in = b->inner, .out = b->out, .kernel = 1, .stride = 1};
	x = unit(g, x, b, 0, reduce, true);
	x = unit(g, x, b, 1, spatial, true);
	return unit(g, x, b, 2, expand, b->activates_branch);
}

/* Multiplies channels by the sigmoid of a convolution over their means (Wang et al., CVPR 2020). */
static int weigh_channels(struct thaw_graph *g, int x, const struct thaw_residual *b)
{
	/* (N,1,1,C) as (N,1,C,1) and back */
	static const struct thaw_attrs exchange = {
		.factors = {
			.count = 4, .ndim = 4, .axis = {0, 1, 2, 3}, .order = {0, 1, 3, 2}, .target = {0, 1, 2, 3}}};
	char name[THAW_LAYER_NAME], part[THAW_LAYER_NAME + 16];
	name_in(b, b->names->channels, name);
	snprintf(part, sizeof(part), "%s.mean", name);
	int gate = thaw_layer_average_pool(g, x, part, 1);
	snprintf(part, sizeof(part), "%s.row", name);
	gate = thaw_graph_add(g, "rearrange", part, &exchange, &gate, 1);
	gate = thaw_layer_row_conv(g, gate, name, b->channel_kernel);
	gate = thaw_layer_nonlinearity(g, gate, name, THAW_NL_SIGMOID);
	snprintf(part, sizeof(part), "%s.gate", name);
	gate = thaw_graph_add(g, "rearrange", part, &exchange, &gate, 1);
	snprintf(part, sizeof(part), "%s.product", name);
	return thaw_graph_add(g, "binary", part, &(struct thaw_attrs){.binary = THAW_BINARY_MUL}, (int[]){x, gate}, 2);
}

static int attend(struct thaw_graph *g, int x, const struct thaw_residual *b)
{
	char reduce[THAW_LAYER_NAME], expand[THAW_LAYER_NAME];
	if (b->channel_kernel > 0)
		return weigh_channels(g, x, b);
	if (b->squeezed == 0)
		return x;
	const struct thaw_squeeze_layer squeeze = {
		.reduce = name_in(b, b->names->squeeze[0], reduce),
		.expand = name_in(b, b->names->squeeze[1], expand),
		.channels = b->out,
		.reduced = b->squeezed,
		.act = THAW_NL_RELU,
		.gate = THAW_NL_SIGMOID,
	};
	return thaw_layer_squeeze(g, x, &squeeze);
}

/* The identity, or a convolution. */
static int shortcut(struct thaw_graph *g, int x, const struct thaw_residual *b)
{
	char name[THAW_LAYER_NAME];
	if (!b->projects)
		return x;
	if (b->pools && b->stride > 1)
		x = thaw_layer_average_windows(g, x, name_in(b, "downsample.pool", name), 2, b->stride, true);
	struct thaw_conv_layer conv = {
		.name = name_in(b, b->names->down_conv[b->pools], name),
		.in = b->in,
		.out = b->out,
		.kernel = b->projection,
		.stride = b->pools ? 1 : b->stride,
		.pad = b->projection / 2,
	};
	x = thaw_layer_conv(g, x, &conv);
	return thaw_layer_batch_or_group_norm(g, x, name_in(b, b->names->down_norm[b->pools], name), b->out,
					      b->norm_groups);
}

int thaw_layer_residual(struct thaw_graph *g, int x, const struct thaw_residual *b)
{
	thaw_graph_block(g, "%s", b->name);
	int branch = b->bottleneck ? bottleneck_branch(g, x, b) : basic_branch(g, x, b);
	branch = attend(g, branch, b);
	int sum = thaw_layer_add(g, branch, shortcut(g, x, b), b->name);
	return thaw_layer_nonlinearity(g, sum, b->name, b->function);
}
