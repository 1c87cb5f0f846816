/* A RegNet, shared by regnet.c, which measures it and reads its options, and regnet_build.c, which builds it. */
#ifndef THAW_SRC_MODEL_FAMILIES_REGNET_H
#define THAW_SRC_MODEL_FAMILIES_REGNET_H

#include "src/model/families/layers.h"
#include "src/model/families/nonlinearity.h"
#include "thaw/model.h"

#define THAW_REGNET_STAGES 8 /* at most */

enum { THAW_REGNET_CONVS = 3 }; /* of a block: 1x1, 3x3, 1x1 */

/* Names in files. Those of the trunk follow a prefix. A NULL name is not in such files. */
struct thaw_regnet_names {
	const char *stem, *stem_norm;
	/* "<stage>S<block>I" is a block, or "<stage>S<block>S<again>I" with the number of the stage twice. */
	const char *stage, *block, *again;
	int first; /* number of the first stage, and of the first block unless `again` */
	/* In a block. */
	const char *conv[THAW_REGNET_CONVS], *norm[THAW_REGNET_CONVS];
	const char *reduce, *expand;          /* squeeze-and-excitation */
	const char *shortcut, *shortcut_norm; /* a convolution with a stride, */
	const char *average, *average_norm;   /* or one after the mean of 2x2 pixels */
	const char *last, *last_norm;         /* a convolution before pooling */
	const char *head;                     /* without the prefix */
	bool before;                          /* norms and activations come before the convolutions */
	bool transformers;                    /* which config.json */
};

struct thaw_regnet_stage {
	int64_t channels, inner; /* inner: between the block's 1x1 convolutions */
	int64_t group;           /* channels of a group of the 3x3 convolution */
	int64_t reduced[2];      /* squeeze-and-excitation in the first block and in the others; 0: none */
	int blocks;
	bool shortcut, average; /* which convolution the first block's shortcut has; neither: see regnet_build.c */
};

struct thaw_regnet {
	const struct thaw_regnet_names *names;
	const char *prefix;
	int64_t stem_channels, last_channels; /* last_channels: of the convolution before pooling; 0: none */
	struct thaw_regnet_stage stage[THAW_REGNET_STAGES];
	int stages;
	/* Options. */
	enum thaw_nonlinearity act;
	bool linear;    /* no function after a block */
	bool keep_size; /* the first stage does not halve the image */
};

/* Names of layers, in text[THAW_LAYER_NAME], which is returned: of the trunk, and of a block (layer "": the block). */
const char *thaw_regnet_trunk(char *text, const struct thaw_regnet *v, const char *layer);
const char *thaw_regnet_in_block(char *text, const struct thaw_regnet *v, int stage, int block, const char *layer);

/* Adds all layers to the graph. */
void thaw_regnet_build(struct thaw_graph *g, const struct thaw_regnet *v, const struct thaw_architecture *a);

#endif
