/* Networks of inverted residuals (Sandler et al., CVPR 2018): MobileNetV2 and what descends from it.
 *
 * A block widens with a 1x1 convolution, filters each channel by itself, and narrows again without an
 * activation. The networks differ in a table of stages; their files differ in how they name the layers.
 */
#ifndef THAW_SRC_MODEL_FAMILIES_INVERTED_H
#define THAW_SRC_MODEL_FAMILIES_INVERTED_H

#include "src/model/families/layers.h"

#define THAW_INVERTED_STAGES 7

/* Blocks of one shape in a row; the first one strides. */
struct thaw_inverted_stage {
	int expand; /* inner channels per input channel; 1: no widening convolution */
	int channels, blocks, kernel, stride;
};

struct thaw_inverted_network {
	struct thaw_inverted_stage stage[THAW_INVERTED_STAGES];
	int stem, head; /* channels */
	bool same;      /* TensorFlow's padding */
	float epsilon, momentum;
	float dropout;
};

/* How a file names a convolution and its batch norm. */
struct thaw_inverted_names {
	const char *conv, *norm;
};

/* A naming of the same layers. */
struct thaw_inverted_dialect {
	const char *block; /* what stands before a block's number */
	int first;         /* number of the first block; -1: "STAGE.BLOCK", both from 0 */
	struct thaw_inverted_names stem, head;
	/* Inside a block, after its prefix; the `plain` ones where nothing is widened. */
	struct thaw_inverted_names expand, depthwise, project, plain_depthwise, plain_project;
	const char *classifier;
};

extern const struct thaw_inverted_dialect thaw_inverted_torchvision; /* features.2.conv.0.0.weight */
extern const struct thaw_inverted_dialect thaw_inverted_timm;        /* blocks.1.0.conv_pw.weight */
extern const struct thaw_inverted_dialect thaw_inverted_pypi;        /* _blocks.1._expand_conv.weight */

/* The first of `dialects` (NULL-ended) in which the file names its stem; NULL when it is none. */
const struct thaw_inverted_dialect *thaw_inverted_dialect_of(const struct thaw_inverted_dialect *const *dialects,
							     const struct thaw_weights *w);

/* Whether the file has, in this naming, the network's blocks: as many, and with its channels. */
bool thaw_inverted_matches(const struct thaw_inverted_network *net, const struct thaw_inverted_dialect *d,
			   const struct thaw_weights *w);

thaw_status thaw_inverted_build(struct thaw_graph *g, const struct thaw_inverted_network *net,
				const struct thaw_inverted_dialect *d, int64_t classes, const struct thaw_weights *w);

#endif
