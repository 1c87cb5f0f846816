/* The residual blocks of ResNets (He et al., CVPR 2016), with torchvision's names within a block:
 * conv1, bn1, conv2, bn2, (conv3, bn3,) downsample.0, downsample.1. */
#ifndef THAW_SRC_MODEL_FAMILIES_RESIDUAL_H
#define THAW_SRC_MODEL_FAMILIES_RESIDUAL_H

#include "src/model/families/layers.h"

struct thaw_residual {
	const char *name;       /* prefix of its layers, and the name of the block for --unfreeze */
	int64_t in, inner, out; /* channels; `inner` is only used for bottlenecks */
	int stride;
	bool bottleneck; /* 1x1, 3x3, 1x1 instead of 3x3, 3x3 */
};

/* Starts a block of this name and adds the branch, the shortcut, their sum and a ReLU. */
int thaw_layer_residual(struct thaw_graph *g, int x, const struct thaw_residual *b);

#endif
