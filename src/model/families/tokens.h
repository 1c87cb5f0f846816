/* Layers of transformers over tokens (N,T,C). See layers.h: each function adds a layer to value x and returns its
 * output. */
#ifndef THAW_SRC_MODEL_FAMILIES_TOKENS_H
#define THAW_SRC_MODEL_FAMILIES_TOKENS_H

#include "src/model/families/layers.h"

/* Names of the layers in a block, after the block's own. A NULL name is not in such files. */
struct thaw_token_names {
	const char *norm1, *norm2;
	const char *qkv;                 /* one layer for queries, keys and values, */
	const char *query, *key, *value; /* or three */
	const char *project, *fc1, *fc2;
	const char *scale1, *scale2; /* factors of each channel of a branch (layer scale) */
};

/* x + scale1 attention(norm1(x)), then x + scale2 mlp(norm2(x)). */
struct thaw_token_block {
	const char *name; /* prefix of its layers, and the name of the block for --unfreeze */
	const struct thaw_token_names *names;
	int64_t channels, hidden; /* hidden: of the MLP */
	int heads;
	bool scales;
	float epsilon;               /* of the norms */
	enum thaw_function function; /* of the MLP */
};

int thaw_layer_token_block(struct thaw_graph *g, int x, const struct thaw_token_block *b);

/* Layer norm of the channels: NAME.weight, NAME.bias. */
int thaw_layer_channel_norm(struct thaw_graph *g, int x, const char *name, int64_t channels, float epsilon);

/* A parameter of this shape as a value that is the same for all images; not decayed in training. */
int thaw_layer_constant(struct thaw_graph *g, const char *name, const struct thaw_shape *shape);

/* A value that is not in files and never changes, such as a mask. *data: where the caller writes it; NULL if building
 * has failed. Valid until the next parameter is added. */
int thaw_layer_computed(struct thaw_graph *g, const char *name, const struct thaw_shape *shape, float **data);

/* (N,h,w,C) as tokens (N,h*w,C). */
int thaw_layer_tokens(struct thaw_graph *g, int x, const char *name);
/* Tokens a (N or 1,S,C) before tokens b (N,T,C). */
int thaw_layer_join_tokens(struct thaw_graph *g, int a, int b, const char *name);
/* The token `index`, as (N,C). */
int thaw_layer_one_token(struct thaw_graph *g, int x, const char *name, int index);
/* The mean of all tokens from `first` on, as (N,C). */
int thaw_layer_mean_token(struct thaw_graph *g, int x, const char *name, int first);

#endif
