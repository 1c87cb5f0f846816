/* A ConvNeXt, shared by convnext.c, which measures and builds it, and convnext_options.c, which reads what its tensors
 * do not show. */
#ifndef THAW_SRC_MODEL_FAMILIES_CONVNEXT_H
#define THAW_SRC_MODEL_FAMILIES_CONVNEXT_H

#include <jansson.h>

#include "src/model/families/channels.h"
#include "src/model/families/nonlinearity.h"
#include "thaw/model.h"

#define THAW_CONVNEXT_STAGES 8 /* at most */

/* Names in files. Those of the trunk follow a prefix. A NULL name is not in such files. */
struct thaw_convnext_names {
	const char *stem, *stem_norm;
	/* "<stage>N<block>I" is a block, and "<down>N<down_norm>" the layer before the stage's first. N counts in
	 * steps, in which `down` comes first. */
	const char *stage, *block;
	const char *down, *down_norm, *down_conv;
	int step;
	/* In a block. */
	const char *conv, *norm, *fc1, *fc2, *scale, *response_weight, *response_bias;
	enum thaw_channel_shape scale_shape, response_shape;
	const char *last_norm, *pooled_norm; /* before and after pooling */
	const char *hidden;                  /* a layer before the classifier */
	const char *head;                    /* without the prefix */
	bool transformers;                   /* which config.json and which customary values */
};

struct thaw_convnext_stage {
	int64_t channels, hidden; /* hidden: of a block's MLP */
	int kernel, blocks;
	bool down; /* begins by halving the image */
};

struct thaw_convnext {
	const struct thaw_convnext_names *names;
	const char *prefix;
	int64_t stem_channels, stem_middle; /* stem_middle: after the first of two convolutions; 0: there is one */
	int stem_kernel, stem_second;       /* stem_second: index of the second convolution among the stem's layers */
	struct thaw_convnext_stage stage[THAW_CONVNEXT_STAGES];
	int stages;
	int64_t head_hidden;
	bool convolutions; /* the MLP's layers are convolutions in the file */
	bool bias;         /* of the convolutions */
	bool scales, responses, last_norm, pooled_norm, norm_bias;
	/* Options. */
	double epsilon, pooled_epsilon; /* of the norms */
	enum thaw_nonlinearity act;
	enum thaw_pixel_norm norm;
};

/* Names of layers, in text[THAW_LAYER_NAME], which is returned: of the trunk; of a block (layer "": the block itself);
 * and of what comes before the blocks of a stage. */
const char *thaw_convnext_trunk(char *text, const struct thaw_convnext *v, const char *layer);
const char *thaw_convnext_in_block(char *text, const struct thaw_convnext *v, int stage, int block, const char *layer);
const char *thaw_convnext_before_stage(char *text, const struct thaw_convnext *v, int stage, const char *layer);

/* Adds all layers to the graph. */
void thaw_convnext_build(struct thaw_graph *g, const struct thaw_convnext *v, const struct thaw_architecture *a);

/* Sets the options of customary networks of these sizes. */
void thaw_convnext_default_options(struct thaw_convnext *v);
/* Replaces those that config.json has. `source`: the file of the weights. THAW_CONFIG, naming the key, if it describes
 * a network that convnext.c does not build. */
thaw_status thaw_convnext_read_config(struct thaw_convnext *v, const json_t *config, const char *source);
/* The options as an object, which files of Thaw have in their metadata. A new reference; THAW_RESOURCE if out of
 * memory. */
thaw_status thaw_convnext_write_options(json_t **options, const struct thaw_convnext *v);
/* Sets the options from such an object; NULL: keeps those of *v. THAW_CONFIG if the options are invalid. */
thaw_status thaw_convnext_read_options(struct thaw_convnext *v, const json_t *options);

#endif
