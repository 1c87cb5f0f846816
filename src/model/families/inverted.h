/* Networks of inverted residuals (Sandler et al., CVPR 2018): MobileNetV2 and its descendants.
 *
 * A block expands the channels with a 1x1 convolution, applies a depthwise convolution, and projects to fewer channels
 * without an activation. The networks differ in their table of stages, the files in the names of the layers.
 */
#ifndef THAW_SRC_MODEL_FAMILIES_INVERTED_H
#define THAW_SRC_MODEL_FAMILIES_INVERTED_H

#include "src/model/families/layers.h"

#define THAW_INVERTED_STAGES 7

/* Consecutive blocks of one shape; `stride` applies to the first one. */
struct thaw_inverted_stage {
	int expand; /* inner channels per input channel; 1: no expanding convolution */
	int channels, blocks, kernel, stride;
};

struct thaw_inverted_network {
	struct thaw_inverted_stage stage[THAW_INVERTED_STAGES];
	int stem, head; /* channels */
	bool same;      /* TensorFlow's "same" padding */
	float epsilon, momentum;
	float dropout;
};

/* Names of a convolution and its batch norm. */
struct thaw_inverted_layer_names {
	const char *conv, *norm;
};

/* The names of all layers in one kind of file. */
struct thaw_inverted_naming {
	const char *block; /* prefix of a block's number */
	int first;         /* number of the first block; -1: numbered "STAGE.BLOCK", both from 0 */
	struct thaw_inverted_layer_names stem, head;
	/* Within a block, after its prefix; `plain`: in blocks with expand 1. */
	struct thaw_inverted_layer_names expand, depthwise, project, plain_depthwise, plain_project;
	const char *classifier;
};

extern const struct thaw_inverted_naming thaw_inverted_torchvision; /* features.2.conv.0.0.weight */
extern const struct thaw_inverted_naming thaw_inverted_timm;        /* blocks.1.0.conv_pw.weight */
extern const struct thaw_inverted_naming thaw_inverted_pypi;        /* _blocks.1._expand_conv.weight */

/* The first of `namings` (NULL-terminated) that the file uses for its stem, or NULL. */
const struct thaw_inverted_naming *thaw_inverted_find_naming(const struct thaw_inverted_naming *const *namings,
							     const struct thaw_weights *w);

/* Whether the file has exactly the network's blocks, with its channels, in this naming. */
bool thaw_inverted_matches(const struct thaw_inverted_network *net, const struct thaw_inverted_naming *naming,
			   const struct thaw_weights *w);

/* Builds the network; see struct thaw_family. */
thaw_status thaw_inverted_build(struct thaw_graph *g, const struct thaw_inverted_network *net,
				const struct thaw_inverted_naming *naming, int64_t classes,
				const struct thaw_weights *w);

#endif
