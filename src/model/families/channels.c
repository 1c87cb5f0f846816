/* See channels.h. */
#include "src/model/families/channels.h"

#include <stdio.h>

#include "src/model/families/tokens.h"

#define RESPONSE_EPSILON 1e-6f

enum { DOWN = 1, ACROSS = 2, CHANNELS = 3 }; /* axes */

/* A node called "LAYER.part". */
static int add(struct thaw_graph *g, const char *op, const char *layer, const char *part,
	       const struct thaw_attrs *attrs, const int *inputs, int count)
{
	char name[THAW_LAYER_NAME + 32];
	snprintf(name, sizeof(name), "%s.%s", layer, part);
	return thaw_graph_add(g, op, name, attrs, inputs, count);
}

static int function(struct thaw_graph *g, const char *layer, const char *part, int x, enum thaw_function f, float alpha,
		    float beta)
{
	return add(g, "pointwise", layer, part, &(struct thaw_attrs){.function = f, .alpha = alpha, .beta = beta}, &x,
		   1);
}

static int binary(struct thaw_graph *g, const char *layer, const char *part, int a, int b, enum thaw_binary f)
{
	return add(g, "binary", layer, part, &(struct thaw_attrs){.binary = f}, (int[]){a, b}, 2);
}

static int reduce(struct thaw_graph *g, const char *layer, const char *part, int x, enum thaw_reduction r,
		  unsigned axes)
{
	return add(g, "reduce", layer, part, &(struct thaw_attrs){.reduction = r, .axes = axes}, &x, 1);
}

/* A parameter as a value (1,1,1,C). Random networks have ones as scales and zeros as shifts. */
static int values(struct thaw_graph *g, const char *name, enum thaw_role role, int64_t channels,
		  enum thaw_channel_shape shape)
{
	const struct thaw_shape file[] = {
		[THAW_CHANNELS_C] = thaw_shape_of(channels),
		[THAW_CHANNELS_C11] = thaw_shape_of(channels, 1, 1),
		[THAW_CHANNELS_11C] = thaw_shape_of(1, 1, channels),
		[THAW_CHANNELS_111C] = thaw_shape_of(1, 1, 1, channels),
	};
	int x = thaw_graph_add(g, "constant", name, NULL, NULL, 0);
	thaw_graph_param(g, x, name, role, THAW_LAYOUT_SAME, &file[shape], NULL);
	const struct thaw_attrs last_of_four = {.factors = {.count = 1,
							    .ndim = CHANNELS + 1,
							    .axis = {shape == THAW_CHANNELS_11C ? 2 : 0},
							    .target = {CHANNELS}}};
	return shape == THAW_CHANNELS_111C ? x : add(g, "reshape", name, "reshape", &last_of_four, &x, 1);
}

int thaw_layer_scale_channels(struct thaw_graph *g, int x, const char *name, int64_t channels,
			      enum thaw_channel_shape shape)
{
	return binary(g, name, "product", x, values(g, name, THAW_ROLE_SCALE, channels, shape), THAW_BINARY_MUL);
}

int thaw_layer_shift_channels(struct thaw_graph *g, int x, const char *name, int64_t channels,
			      enum thaw_channel_shape shape)
{
	return binary(g, name, "sum", x, values(g, name, THAW_ROLE_SHIFT, channels, shape), THAW_BINARY_ADD);
}

int thaw_layer_pixel_norm(struct thaw_graph *g, int x, const char *name, int64_t channels, float epsilon,
			  enum thaw_pixel_norm norm)
{
	if (norm == THAW_PIXEL_LAYER)
		return thaw_layer_channel_norm(g, x, name, channels, epsilon);
	const bool simple = norm == THAW_PIXEL_SIMPLE;
	const float divisor = (float)(simple ? channels - 1 : channels);
	char weight[THAW_LAYER_NAME + 16];
	int part = x;
	if (simple)
		part = binary(g, name, "centred", x, reduce(g, name, "mean", x, THAW_REDUCE_MEAN, 1u << CHANNELS),
			      THAW_BINARY_SUB);
	part = reduce(g, name, "squares", part, THAW_REDUCE_SUM_SQUARE, 1u << CHANNELS);
	part = function(g, name, "variance", part, THAW_FN_AFFINE, 1 / divisor, epsilon);
	part = function(g, name, "factor", part, THAW_FN_POWER, -0.5f, 0);
	x = binary(g, name, "divided", x, part, THAW_BINARY_MUL);
	snprintf(weight, sizeof(weight), "%s.weight", name);
	return thaw_layer_scale_channels(g, x, weight, channels, THAW_CHANNELS_C);
}

int thaw_layer_response_norm(struct thaw_graph *g, int x, const char *weight, const char *bias, int64_t channels,
			     enum thaw_channel_shape shape)
{
	const int size = reduce(g, weight, "size", x, THAW_REDUCE_L2, 1u << DOWN | 1u << ACROSS);
	int part = reduce(g, weight, "mean", size, THAW_REDUCE_MEAN, 1u << CHANNELS);
	part = function(g, weight, "divisor", part, THAW_FN_AFFINE, 1, RESPONSE_EPSILON);
	part = binary(g, weight, "response", size, part, THAW_BINARY_DIV);
	part = binary(g, weight, "product", part, values(g, weight, THAW_ROLE_SHIFT, channels, shape), THAW_BINARY_MUL);
	part = function(g, weight, "factor", part, THAW_FN_AFFINE, 1, 1);
	x = binary(g, weight, "scaled", x, part, THAW_BINARY_MUL);
	return thaw_layer_shift_channels(g, x, bias, channels, shape);
}
