/* The residual blocks of ResNets (He et al., CVPR 2016) and of their descendants: ResNeXt, wide and SE-ResNets,
 * ECA-Net, those with average pooling in shortcuts, and anti-aliased ones. */
#ifndef THAW_SRC_MODEL_FAMILIES_RESIDUAL_H
#define THAW_SRC_MODEL_FAMILIES_RESIDUAL_H

#include "src/model/families/layers.h"
#include "src/model/families/nonlinearity.h"

/* Names of the layers in a block, after the block's own. */
struct thaw_residual_names {
	const char *conv[3], *norm[3];           /* of the branch */
	const char *down_conv[2], *down_norm[2]; /* of the shortcut, [1]: after average pooling */
	const char *squeeze[2];                  /* the convolutions of squeeze-and-excitation */
	const char *channels;                    /* the convolution over channels */
};

/* torchvision's, and timm's: conv1, bn1, conv2, bn2, (conv3, bn3,) downsample.0, downsample.1. */
extern const struct thaw_residual_names thaw_residual_torchvision;

/* What smooths before every second pixel is taken. */
enum thaw_antialias {
	THAW_ANTIALIAS_NONE,
	THAW_ANTIALIAS_AVERAGE, /* pooling of 2x2 */
	THAW_ANTIALIAS_BLUR,    /* Zhang, ICML 2019: a binomial filter of 3x3 */
	THAW_ANTIALIASES
};

struct thaw_residual {
	const char *name; /* prefix of its layers, and the name of the block for --unfreeze */
	const struct thaw_residual_names *names;
	/* Channels of the input, after the first convolution, before the last one, and of the output. */
	int64_t in, first, inner, out;
	int stride;
	bool bottleneck; /* 1x1, 3x3, 1x1 instead of 3x3, 3x3 */
	int groups;      /* of the middle convolution of a bottleneck; 0: 1 */
	/* The convolution that has the stride is the first one of a bottleneck, else the middle one, as in torchvision
	 * and timm ("v1.5"). */
	bool stride_first;
	enum thaw_antialias antialias;
	int norm_groups; /* of group norms; 0: batch norms */

	bool projects;         /* the shortcut has a convolution, */
	int projection;        /* of this size, */
	bool pools;            /* after average pooling, which has the stride */
	int64_t squeezed;      /* channels between the convolutions of squeeze-and-excitation; 0: there is none */
	int channel_kernel;    /* size of a convolution over the mean channels (ECA); 0: there is none */
	bool activates_branch; /* a ReLU before squeeze-and-excitation */
	enum thaw_nonlinearity function; /* after the sum; the branch has ReLUs */
};

/* Starts a block of this name and adds the branch, the shortcut, their sum and the function after it. */
int thaw_layer_residual(struct thaw_graph *g, int x, const struct thaw_residual *b);

/* Smooths and takes every second pixel; x itself for THAW_ANTIALIAS_NONE. */
int thaw_layer_antialias(struct thaw_graph *g, int x, const char *name, enum thaw_antialias antialias);

#endif
