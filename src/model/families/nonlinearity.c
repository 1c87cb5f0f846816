/* See nonlinearity.h. */
#include "src/model/families/nonlinearity.h"

#include <stdio.h>
#include <string.h>

#include "src/model/families/layers.h"

#define QUICK_GELU_FACTOR 1.702f

/* The first name of each is the one that is recorded. */
static const struct {
	const char *name;
	enum thaw_nonlinearity is;
} names[] = {
	{"none", THAW_NL_NONE},
	{"linear", THAW_NL_NONE},
	{"identity", THAW_NL_NONE},
	{"relu", THAW_NL_RELU},
	{"relu6", THAW_NL_RELU6},
	{"silu", THAW_NL_SILU},
	{"swish", THAW_NL_SILU},
	{"gelu", THAW_NL_GELU},
	{"gelu_tanh", THAW_NL_GELU_TANH},
	{"gelu_pytorch_tanh", THAW_NL_GELU_TANH},
	{"gelu_new", THAW_NL_GELU_TANH},
	{"quick_gelu", THAW_NL_QUICK_GELU},
	{"hard_swish", THAW_NL_HARD_SWISH},
	{"hardswish", THAW_NL_HARD_SWISH},
	{"hard_sigmoid", THAW_NL_HARD_SIGMOID},
	{"hardsigmoid", THAW_NL_HARD_SIGMOID},
	{"sigmoid", THAW_NL_SIGMOID},
	{"tanh", THAW_NL_TANH},
};

/* Those that are one node `pointwise`. */
static const struct thaw_attrs pointwise[THAW_NONLINEARITIES] = {
	[THAW_NL_SILU] = {.function = THAW_FN_SILU},
	[THAW_NL_GELU] = {.function = THAW_FN_GELU},
	[THAW_NL_GELU_TANH] = {.function = THAW_FN_GELU_TANH},
	[THAW_NL_HARD_SWISH] = {.function = THAW_FN_HARD_SWISH},
	[THAW_NL_HARD_SIGMOID] = {.function = THAW_FN_HARD_SIGMOID, .alpha = 1.0f / 6, .beta = 0.5f},
	[THAW_NL_SIGMOID] = {.function = THAW_FN_SIGMOID},
	[THAW_NL_TANH] = {.function = THAW_FN_TANH},
};

bool thaw_nonlinearity_find(const char *name, enum thaw_nonlinearity *found)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(names[i].name, name) == 0) {
			*found = names[i].is;
			return true;
		}
	}
	return false;
}

const char *thaw_nonlinearity_name(enum thaw_nonlinearity n)
{
	size_t i = 0;
	while (names[i].is != n)
		i++;
	return names[i].name;
}

static int quick_gelu(struct thaw_graph *g, int x, const char *name)
{
	const struct thaw_attrs factor = {.function = THAW_FN_AFFINE, .alpha = QUICK_GELU_FACTOR};
	char part[THAW_LAYER_NAME + 32];
	snprintf(part, sizeof(part), "%s.factor", name);
	int gate = thaw_graph_add(g, "pointwise", part, &factor, &x, 1);
	snprintf(part, sizeof(part), "%s.sigmoid", name);
	gate = thaw_graph_add(g, "pointwise", part, &pointwise[THAW_NL_SIGMOID], &gate, 1);
	return thaw_graph_add(g, "binary", name, &(struct thaw_attrs){.binary = THAW_BINARY_MUL}, (int[]){x, gate}, 2);
}

int thaw_layer_nonlinearity(struct thaw_graph *g, int x, const char *after, enum thaw_nonlinearity n)
{
	char name[THAW_LAYER_NAME + 8];
	snprintf(name, sizeof(name), "%s.act", after);
	switch (n) {
	case THAW_NL_NONE:
		return x;
	case THAW_NL_RELU:
		return thaw_layer_activation(g, x, after, THAW_ACT_RELU);
	case THAW_NL_RELU6:
		return thaw_layer_activation(g, x, after, THAW_ACT_RELU6);
	case THAW_NL_QUICK_GELU:
		return quick_gelu(g, x, name);
	default:
		return thaw_graph_add(g, "pointwise", name, &pointwise[n], &x, 1);
	}
}
