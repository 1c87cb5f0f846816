/* A vision transformer, shared by vit.c, which builds it, and vit_options.c, which reads what its tensors do not show.
 */
#ifndef THAW_SRC_MODEL_FAMILIES_VIT_H
#define THAW_SRC_MODEL_FAMILIES_VIT_H

#include <jansson.h>

#include "src/model/families/tokens.h"

/* Names in files. A NULL name is not in such files. */
struct thaw_vit_names {
	const char *patch, *class_token, *registers, *positions;
	const char *block; /* prefix of a block's number */
	const char *norm, *mean_norm, *head;
	struct thaw_token_names in; /* a block */
	bool timm;                  /* else transformers: which config.json and which customary values */
};

struct thaw_vit {
	const struct thaw_vit_names *names;
	int64_t channels, hidden, patch, registers;
	int64_t rows; /* of the position embedding */
	int blocks;
	bool class_token, scales, mean_norm;
	/* Options. */
	int heads;
	double epsilon; /* of the norms */
	enum thaw_function function;
	bool mean;          /* the classifier reads the mean of the patches, else the class token */
	bool all_positions; /* the position embedding has rows for class token and registers, too */
};

/* Tokens that are not patches. */
static inline int64_t thaw_vit_other_tokens(const struct thaw_vit *v)
{
	return v->class_token + v->registers;
}

/* Sets the options of customary networks. The rest of *v is known. */
void thaw_vit_default_options(struct thaw_vit *v);
/* Replaces those that config.json has. `source`: the file of the weights. THAW_CONFIG, naming the key, if it describes
 * a network that vit.c does not build. */
thaw_status thaw_vit_read_config(struct thaw_vit *v, const json_t *config, const char *source);
/* The options as an object, which files of Thaw have in their metadata. A new reference; THAW_RESOURCE if out of
 * memory.
 */
thaw_status thaw_vit_write_options(json_t **options, const struct thaw_vit *v);
/* Sets the options from such an object; NULL: keeps those of *v. THAW_CONFIG if the options are invalid. */
thaw_status thaw_vit_read_options(struct thaw_vit *v, const json_t *options);

#endif
