/* Networks of mobile blocks: inverted residuals (Sandler et al., CVPR 2018) and their descendants.
 *
 * A block is a chain of convolutions with batch norms, at most one of them with a stride: depthwise and 1x1
 * (separable), 1x1, depthwise and 1x1 (inverted), 3x3 and 1x1 (fused), and so on; often with squeeze-and-excitation
 * before the last one. A file's tensors show all sizes (inverted_walk.h); what they do not show is in struct
 * thaw_inverted_traits. The names of the layers in one kind of file are in struct thaw_inverted_naming.
 */
#ifndef THAW_SRC_MODEL_FAMILIES_INVERTED_H
#define THAW_SRC_MODEL_FAMILIES_INVERTED_H

#include "src/model/families/nonlinearity.h"
#include "thaw/weights.h"

#define THAW_INVERTED_UNITS 4
#define THAW_INVERTED_KINDS 5

/* Whether an activation follows a unit. */
enum thaw_inverted_end {
	THAW_END_ACTIVE,
	THAW_END_LINEAR,
	THAW_END_SEPARABLE, /* the last one of a separable block: see pointwise_act */
};

/* The names of a unit, which is a convolution and its batch norm. */
struct thaw_inverted_unit_names {
	const char *conv, *norm;
	enum thaw_inverted_end end;
	int layer; /* counted from the block's number, in files that number layers instead of blocks */
};

/* A kind of block: names within the block, after its name and a dot. */
struct thaw_inverted_kind {
	const char *mark; /* a tensor that only blocks of this kind, or of a kind before it, have */
	struct thaw_inverted_unit_names unit[THAW_INVERTED_UNITS]; /* units may be absent; unused: NULL */
	const char *reduce, *expand;                               /* of squeeze-and-excitation; NULL: never */
};

/* The names of all layers in one kind of file. */
struct thaw_inverted_naming {
	const char *block;       /* prefix of a block's number */
	const char *first_block; /* a separate name of the first block, or NULL */
	int first;               /* number of the first block, or of the first stage */
	bool staged;             /* blocks are numbered "STAGE.BLOCK", BLOCK from 0 */
	int layers;              /* numbers per block */
	/* Otherwise a digit per stage, the number of its blocks; NULL: a stage begins where the number of channels
	 * changes. */
	const char *stage_blocks;
	struct thaw_inverted_unit_names stem;
	struct thaw_inverted_unit_names head;     /* conv NULL: numbered like a block, .0 and .1 */
	const char *hidden, *hidden_norm;         /* a layer after the pooling; NULL: never */
	const char *classifier, *late_classifier; /* the latter after a hidden layer */
	struct thaw_inverted_kind kinds[THAW_INVERTED_KINDS];
	int separable, inverted; /* indices of the kinds of MobileNetV2's blocks without and with expansion */
};

enum thaw_inverted_padding {
	THAW_PAD_SYMMETRIC,
	THAW_PAD_SAME, /* TensorFlow's */
	THAW_PAD_LATE, /* with a stride, one pixel less above and on the left: that of TensorFlow for even sizes */
};

/* What the tensors do not show. */
struct thaw_inverted_traits {
	const char *strides; /* a digit per stage: the stride of its first block */
	/* A letter per stage, which blocks have no residual connection: 'a' all, 'f' the first one, '-' none of those
	 * that could have one, which keep channels and size. NULL: none. */
	const char *no_skip;
	enum thaw_nonlinearity act, early_act; /* early_act: in the first early_stages stages */
	int early_stages;
	enum thaw_nonlinearity end_act;     /* of stem and head; THAW_NL_NONE: act */
	enum thaw_nonlinearity squeeze_act; /* THAW_NL_NONE: as in the block */
	enum thaw_nonlinearity gate;
	bool pointwise_act; /* an activation at the end of separable blocks */
	bool pools;         /* 2x2 average pooling instead of strides */
	enum thaw_inverted_padding padding;
	const bool *symmetric; /* per block: padded symmetrically in spite of THAW_PAD_LATE; NULL: none */
	int symmetric_count;
	float epsilon, dropout;
};

/* The sizes of a network without a file: stages as "ExKERNELcCHANNELSnBLOCKS", separated by spaces, for an expansion of
 * E. Widths and depths are scaled. */
struct thaw_inverted_plan {
	const char *stages;
	int stem, head;
	double width, depth;
	bool fixed_ends; /* stem, head and the depth of the first and the last stage are not scaled */
	bool squeeze;    /* to a quarter of the block's input */
};

extern const struct thaw_inverted_naming thaw_inverted_timm;            /* blocks.1.0.conv_pw.weight */
extern const struct thaw_inverted_naming thaw_inverted_pypi;            /* _blocks.1._expand_conv.weight */
extern const struct thaw_inverted_naming thaw_inverted_torchvision_v2;  /* features.2.conv.0.0.weight */
extern const struct thaw_inverted_naming thaw_inverted_torchvision_v3;  /* features.2.block.0.0.weight */
extern const struct thaw_inverted_naming thaw_inverted_torchvision;     /* features.2.0.block.0.0.weight */
extern const struct thaw_inverted_naming thaw_inverted_transformers;    /* EfficientNet */
extern const struct thaw_inverted_naming thaw_inverted_transformers_v1; /* MobileNetV1 */
extern const struct thaw_inverted_naming thaw_inverted_transformers_v2; /* MobileNetV2 */

/* The naming of the file's stem and first block, or NULL. */
const struct thaw_inverted_naming *thaw_inverted_find_naming(const struct thaw_weights *w);

/* Builds the network of a state dict, or of a plan if w is NULL; see struct thaw_family. THAW_CONFIG if the traits are
 * of another number of stages. */
thaw_status thaw_inverted_build(struct thaw_graph *g, const struct thaw_inverted_traits *traits,
				const struct thaw_inverted_naming *naming, const struct thaw_inverted_plan *plan,
				int64_t classes, const struct thaw_weights *w);

#endif
