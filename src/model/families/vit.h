/* A vision transformer, shared by vit.c, which builds it, vit_names.c, which measures its tensors, and vit_options.c,
 * which reads what its tensors do not show. */
#ifndef THAW_SRC_MODEL_FAMILIES_VIT_H
#define THAW_SRC_MODEL_FAMILIES_VIT_H

#include <jansson.h>

#include "src/model/families/tokens.h"

/* What kind of names a file has. */
enum thaw_vit_naming {
	THAW_VIT_TIMM,
	THAW_VIT_HF,     /* transformers' ViT, DeiT, ViTMAE, ViTMSN, I-JEPA */
	THAW_VIT_DINOV2, /* transformers' DINOv2 */
	THAW_VIT_CLIP,   /* transformers' CLIP and SigLIP */
	THAW_VIT_DINOV3, /* transformers' DINOv3 */
};

/* Names in files, without the prefix that is before all names but the classifiers'. A NULL name is not in such files.
 */
struct thaw_vit_names {
	enum thaw_vit_naming naming;
	bool rotary;                 /* DINOv3: positions by rotation, not by an embedding */
	const char *const *prefixes; /* NULL-terminated; the empty one is the last */
	const char *patch, *class_token, *second_token, *registers, *positions;
	const char *block; /* before a block's number */
	const char *patch_norm, *first_norm, *norm, *mean_norm;
	const char *pool, *head;
	struct thaw_token_names in; /* a block */
	struct thaw_attention_pool_names pooling;
};

/* How the tokens become the classifier's input. */
enum thaw_vit_pool {
	THAW_VIT_TOKEN, /* the class token */
	THAW_VIT_MEAN,  /* the mean of the patches */
	THAW_VIT_TOKEN_AND_MEAN,
	THAW_VIT_TWO_TOKENS, /* the class token and the second token */
	THAW_VIT_ATTENTION,
	THAW_VIT_POOLS
};

struct thaw_vit {
	const struct thaw_vit_names *names;
	const char *prefix;
	int64_t patch, registers;
	int64_t rows; /* of the position embedding */
	int blocks;
	bool patch_bias, class_token, second_token, patch_norm, first_norm, norm, mean_norm;
	int64_t pool_hidden; /* 0: the file has no attention pool */
	int64_t head_inputs; /* 0: the file has no classifier */
	/* One of the blocks, without its name. Its heads, norm.epsilon, function and norm_last are options. */
	struct thaw_token_block block;
	/* Other options. */
	enum thaw_vit_pool pool;
	bool pool_all;      /* class token and registers are pooled, too */
	bool all_positions; /* the position embedding has rows for class token and registers (but see below), too */
	bool plain_cubic;   /* how it is resampled for other sizes; see src/graph/positions.c */
	int64_t side;       /* rotary: of the images, which are square */
	double longest;     /* rotary: period */
	int custom;         /* preprocessing; an index of vit_options.c */
};

/* Whether the tensors are those of a vision transformer. */
bool thaw_vit_recognise(const struct thaw_weights *w);
/* Sets all but the options. The tensors are those of a vision transformer. */
void thaw_vit_measure(struct thaw_vit *v, const struct thaw_weights *w);
/* The same for a random network: timm's, of this variant. */
void thaw_vit_default_sizes(struct thaw_vit *v, const char *variant, int64_t channels);
/* A name with the prefix, in text[THAW_LAYER_NAME]. */
const char *thaw_vit_name(const struct thaw_vit *v, const char *name, char text[THAW_LAYER_NAME]);

/* Merges the two classifiers of a file that has them. See struct thaw_family, change. */
thaw_status thaw_vit_merge_heads(struct thaw_weights *w, void **memory);

/* Tokens that are not patches. */
static inline int64_t thaw_vit_other_tokens(const struct thaw_vit *v)
{
	return v->class_token + v->second_token + v->registers;
}

/* Whether registers are without positions in any case. They are before the class token then, else after it. */
static inline bool thaw_vit_registers_first(const struct thaw_vit *v)
{
	return v->names->naming == THAW_VIT_DINOV2;
}

/* Sets the options of customary networks. The rest of *v is known. */
void thaw_vit_default_options(struct thaw_vit *v);
/* Replaces those that config.json (NULL: none) or the name of the network has. `variant` is that name if the user gave
 * it, else NULL. `source`: the file of the weights. THAW_CONFIG, naming the key, if they describe a network that vit.c
 * does not build, or if the tensors leave it open and nothing says it. */
thaw_status thaw_vit_read_config(struct thaw_vit *v, const json_t *config, const char *variant, const char *source);
/* The options as an object, which files of Thaw have in their metadata. A new reference; THAW_RESOURCE if out of
 * memory.
 */
thaw_status thaw_vit_write_options(json_t **options, const struct thaw_vit *v);
/* Sets the options from such an object; NULL: keeps those of *v. THAW_CONFIG if the options are invalid. */
thaw_status thaw_vit_read_options(struct thaw_vit *v, const json_t *options);

/* The preprocessing of the original networks for images of this side. */
void thaw_vit_preprocess(const struct thaw_vit *v, int side, struct thaw_preprocess *p);

#endif
