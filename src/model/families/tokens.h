/* Layers of transformers over tokens (N,T,C). See layers.h: each function adds a layer to value x and returns its
 * output. */
#ifndef THAW_SRC_MODEL_FAMILIES_TOKENS_H
#define THAW_SRC_MODEL_FAMILIES_TOKENS_H

#include "src/model/families/layers.h"
#include "src/model/families/nonlinearity.h"

/* Names of the layers in a block, after the block's own. A NULL name is not in such files. */
struct thaw_token_names {
	const char *norm1, *norm2;
	const char *qkv;                     /* one layer for queries, keys and values, */
	const char *query, *key, *value;     /* or three */
	const char *query_bias, *value_bias; /* biases apart from qkv; keys have none */
	const char *project, *fc1, *fc2;
	const char *gate;            /* beside fc1; see `gated` */
	const char *scale1, *scale2; /* factors of each channel of a branch (layer scale) */
	const char *inner1, *inner2; /* norms before `project` and before `fc2` */
};

/* Rotary position embedding (Su et al., 2021) of queries and keys: x cos + swapped(x) sin, where the channels of a head
 * are swapped in pairs. Values of the graph that all blocks share. */
struct thaw_rotary {
	int cos, sin, pairs; /* cos 0: there is none. pairs: indices of the swapped halves of the heads */
};

/* The norm of the branches and of their inputs. */
struct thaw_token_norm {
	bool rms; /* x / sqrt(mean(x^2) + epsilon) * weight; else layer norm */
	float epsilon;
};

/* x + scale1 attention(norm1(x)), then x + scale2 mlp(norm2(x)). */
struct thaw_token_block {
	const char *name; /* prefix of its layers, and the name of the block for --unfreeze */
	const struct thaw_token_names *names;
	int64_t channels, hidden; /* hidden: inputs of fc2 */
	int heads;
	bool qkv_bias, bias; /* of queries, keys and values; of the other linear layers */
	bool no_key_bias;    /* qkv_bias is of queries and values only */
	bool scales, inner_norms;
	/* The MLP is fc2(function(gate(x)) * fc1(x)). Without the name of a gate, fc1 has both, that of the gate first.
	 */
	bool gated;
	bool norm_last; /* x + norm1(attention(x)), x + norm2(mlp(x)) */
	struct thaw_rotary rotary;
	struct thaw_token_norm norm;
	enum thaw_nonlinearity function; /* of the MLP */
};

int thaw_layer_token_block(struct thaw_graph *g, int x, const struct thaw_token_block *b);

/* The rotary embedding of DINOv3 (Simeoni et al., 2025) for the blocks like b, whose tokens are `others` without
 * position and side x side patches: the angle of a patch is 2 pi times its row or column, from -1 to 1 over the image,
 * by periods of 1 to `longest`. */
struct thaw_rotary thaw_layer_rotary(struct thaw_graph *g, const struct thaw_token_block *b, int64_t others,
				     int64_t side, double longest);
/* Queries and keys, or both and values in one, rotated. heads: of all that x has. */
int thaw_layer_rotate(struct thaw_graph *g, int x, const char *name, const struct thaw_rotary *r, int64_t heads);

/* The names of an attention pool, after its own. */
struct thaw_attention_pool_names {
	const char *query;               /* (1,1,C): the token that asks */
	const char *in_weight, *in_bias; /* whole names of one layer for queries, keys and values, */
	const char *q, *kv;              /* or of two layers */
	struct thaw_token_names in;      /* project, and the MLP with norm2 before it */
};

/* All tokens seen by one that is a parameter: y = project(attention), y + mlp(norm2(y)), as (N,C). pool: name,
 * channels, hidden, heads, norm and function of the block that this is; its `names` are those of `names`. */
int thaw_layer_attention_pool(struct thaw_graph *g, int x, const struct thaw_attention_pool_names *names,
			      const struct thaw_token_block *pool);

/* Layer norm of the channels: NAME.weight, NAME.bias. */
int thaw_layer_channel_norm(struct thaw_graph *g, int x, const char *name, int64_t channels, float epsilon);
/* Norm of tokens (N,T,C) by the root of the mean square of their channels: NAME.weight. */
int thaw_layer_rms_norm(struct thaw_graph *g, int x, const char *name, int64_t channels, float epsilon);
/* Tokens times the factors NAME of their channels. */
int thaw_layer_scale(struct thaw_graph *g, int x, const char *name, int64_t channels);

/* A parameter of this shape as a value that is the same for all images; not decayed in training. */
int thaw_layer_constant(struct thaw_graph *g, const char *name, const struct thaw_shape *shape);
/* One of shape (C) as a token (1,1,C). */
int thaw_layer_channels(struct thaw_graph *g, const char *name, int64_t channels);

/* A value that is not in files and never changes, such as a mask. *data: where the caller writes it; NULL if building
 * has failed. Valid until the next parameter is added. */
int thaw_layer_computed(struct thaw_graph *g, const char *name, const struct thaw_shape *shape, float **data);

/* (N,h,w,C) as tokens (N,h*w,C). */
int thaw_layer_tokens(struct thaw_graph *g, int x, const char *name);
/* Tokens a (N or 1,S,C) before tokens b (N,T,C). */
int thaw_layer_join_tokens(struct thaw_graph *g, int a, int b, const char *name);
/* `count` tokens from `first` on; 0: all that follow. */
int thaw_layer_token_range(struct thaw_graph *g, int x, const char *name, int first, int count);
/* `count` channels from `first` on. */
int thaw_layer_channel_range(struct thaw_graph *g, int x, const char *name, int64_t first, int64_t count);
/* The token `index`, as (N,C). */
int thaw_layer_one_token(struct thaw_graph *g, int x, const char *name, int index);
/* The mean of all tokens from `first` on, as (N,C). */
int thaw_layer_mean_token(struct thaw_graph *g, int x, const char *name, int first);

#endif
