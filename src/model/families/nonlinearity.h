/* The functions between the layers of a network, by the names that timm and transformers give them. */
#ifndef THAW_SRC_MODEL_FAMILIES_NONLINEARITY_H
#define THAW_SRC_MODEL_FAMILIES_NONLINEARITY_H

#include "thaw/graph.h"

enum thaw_nonlinearity {
	THAW_NL_NONE,
	THAW_NL_RELU,
	THAW_NL_RELU6,
	THAW_NL_SILU,
	THAW_NL_GELU,
	THAW_NL_GELU_TANH,
	THAW_NL_QUICK_GELU, /* x * sigmoid(1.702 x), of CLIP */
	THAW_NL_HARD_SWISH,
	THAW_NL_HARD_SIGMOID, /* relu6(x + 3) / 6 */
	THAW_NL_SIGMOID,
	THAW_NL_TANH,
	THAW_NONLINEARITIES
};

/* Finds a function by a name of timm or transformers, such as "silu", "swish", "gelu_pytorch_tanh" or "hardswish".
 * false: it is not known. */
bool thaw_nonlinearity_find(const char *name, enum thaw_nonlinearity *found);

/* The name under which thaw_nonlinearity_find finds it, for options that are recorded. */
const char *thaw_nonlinearity_name(enum thaw_nonlinearity n);

/* Adds the function to value x, as nodes called "AFTER.act", and returns its output: x itself for THAW_NL_NONE. */
int thaw_layer_nonlinearity(struct thaw_graph *g, int x, const char *after, enum thaw_nonlinearity n);

#endif
