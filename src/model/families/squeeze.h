/* Squeeze-and-excitation (Hu et al., CVPR 2018): channels are weighted by what the whole image shows. */
#ifndef THAW_SRC_MODEL_FAMILIES_SQUEEZE_H
#define THAW_SRC_MODEL_FAMILIES_SQUEEZE_H

#include "src/model/families/nonlinearity.h"

struct thaw_squeeze_layer {
	const char *reduce, *expand;      /* names of its 1x1 convolutions, which have biases */
	int64_t channels, reduced;        /* reduced: between the two */
	enum thaw_nonlinearity act, gate; /* after the first, and after the second */
};

/* x (N,H,W,C) * gate(expand(act(reduce(mean of x)))). Returns the output. */
int thaw_layer_squeeze(struct thaw_graph *g, int x, const struct thaw_squeeze_layer *s);

#endif
