/* See residual.h. In bottlenecks the 3x3 convolution has the stride, as in torchvision and timm ("v1.5"). */
#include "src/model/families/residual.h"

#include <stdio.h>

/* Convolution "BLOCK.conv<i>", batch norm "BLOCK.bn<i>" and, if `relu`, ReLU. */
static int unit(struct thaw_graph *g, int x, const struct thaw_residual *b, int i, struct thaw_conv_layer conv,
		bool relu)
{
	char name[THAW_LAYER_NAME], norm[THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s.conv%d", b->name, i);
	snprintf(norm, sizeof(norm), "%s.bn%d", b->name, i);
	conv.name = name;
	conv.pad = conv.kernel / 2;
	x = thaw_layer_conv(g, x, &conv);
	x = thaw_layer_norm(g, x, &(struct thaw_norm_layer){.name = norm}, conv.out);
	return relu ? thaw_layer_activation(g, x, norm, THAW_ACT_RELU) : x;
}

static int basic_branch(struct thaw_graph *g, int x, const struct thaw_residual *b)
{
	struct thaw_conv_layer first = {.in = b->in, .out = b->out, .kernel = 3, .stride = b->stride};
	struct thaw_conv_layer second = {.in = b->out, .out = b->out, .kernel = 3, .stride = 1};
	x = unit(g, x, b, 1, first, true);
	return unit(g, x, b, 2, second, false);
}

static int bottleneck_branch(struct thaw_graph *g, int x, const struct thaw_residual *b)
{
	struct thaw_conv_layer reduce = {.in = b->in, .out = b->inner, .kernel = 1, .stride = 1};
	struct thaw_conv_layer spatial = {.in = b->inner, .out = b->inner, .kernel = 3, .stride = b->stride};
	struct thaw_conv_layer expand = {.in = b->inner, .out = b->out, .kernel = 1, .stride = 1};
	x = unit(g, x, b, 1, reduce, true);
	x = unit(g, x, b, 2, spatial, true);
	return unit(g, x, b, 3, expand, false);
}

/* The identity, or a 1x1 convolution if the shape changes. */
static int shortcut(struct thaw_graph *g, int x, const struct thaw_residual *b)
{
	if (b->stride == 1 && b->in == b->out)
		return x;
	char name[THAW_LAYER_NAME], norm[THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s.downsample.0", b->name);
	snprintf(norm, sizeof(norm), "%s.downsample.1", b->name);
	struct thaw_conv_layer conv = {.name = name, .in = b->in, .out = b->out, .kernel = 1, .stride = b->stride};
	x = thaw_layer_conv(g, x, &conv);
	return thaw_layer_norm(g, x, &(struct thaw_norm_layer){.name = norm}, b->out);
}

int thaw_layer_residual(struct thaw_graph *g, int x, const struct thaw_residual *b)
{
	thaw_graph_block(g, "%s", b->name);
	int branch = b->bottleneck ? bottleneck_branch(g, x, b) : basic_branch(g, x, b);
	int sum = thaw_layer_add(g, branch, shortcut(g, x, b), b->name);
	return thaw_layer_activation(g, sum, b->name, THAW_ACT_RELU);
}
