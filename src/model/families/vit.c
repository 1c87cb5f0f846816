/* Vision transformers (Dosovitskiy et al., ICLR 2021), with the names of timm and of transformers: also DeiT, AugReg,
 * DINO, DINOv2 with and without registers (Darcet et al., ICLR 2024), DINOv3 (Simeoni et al., 2025), MAE, and the
 * vision towers of CLIP (Radford et al., ICML 2021) and SigLIP (Zhai et al., ICCV 2023). The tensors decide all sizes.
 */
#include "src/model/families/vit.h"

#include <math.h>
#include <stdio.h>

#include "src/base/try.h"
#include "src/model/family.h"

#define BICUBIC (-0.75f) /* of PyTorch; see src/graph/positions.c */

/* One of a file is called "vit". Random networks have the other names; those from vit_clip on say of a file without
 * config.json what it is. */
static const char *const variants[] = {"vit",
				       "vit_tiny_patch16_224",
				       "vit_small_patch16_224",
				       "vit_base_patch16_224",
				       "vit_clip",
				       "vit_clip_quickgelu",
				       "vit_siglip",
				       "vit_siglip_tanh",
				       NULL};
static const int64_t widths[] = {768, 192, 384, 768, 768, 768, 768, 768};

static const char *recognise(const struct thaw_weights *w)
{
	return thaw_vit_recognise(w) ? variants[0] : NULL;
}

static struct thaw_vit describe(const struct thaw_architecture *a)
{
	struct thaw_vit v = {0};
	if (a->w)
		thaw_vit_measure(&v, a->w);
	else
		thaw_vit_default_sizes(&v, a->variant, widths[thaw_variant_index(variants, a->variant)]);
	thaw_vit_default_options(&v);
	return v;
}

static thaw_status find_options(json_t **options, const struct thaw_architecture *a, const json_t *config,
				const char *source)
{
	struct thaw_vit v = describe(a);
	THAW_TRY(thaw_vit_read_config(&v, config, a->named ? a->variant : NULL, source));
	return thaw_vit_write_options(options, &v);
}

static int join_token(struct thaw_graph *g, const struct thaw_vit *v, const char *name, int64_t count, int x)
{
	char whole[THAW_LAYER_NAME], join[THAW_LAYER_NAME + 8];
	thaw_vit_name(v, name, whole);
	int token = v->names->naming == THAW_VIT_CLIP
			    ? thaw_layer_channels(g, whole, v->block.channels)
			    : thaw_layer_constant(g, whole, &thaw_shape_of(1, count, v->block.channels));
	snprintf(join, sizeof(join), "%s.join", whole);
	return thaw_layer_join_tokens(g, token, x, join);
}

/* Other tokens before the patches. */
static int join_others(struct thaw_graph *g, const struct thaw_vit *v, int x)
{
	if (v->second_token)
		x = join_token(g, v, v->names->second_token, 1, x);
	return v->class_token ? join_token(g, v, v->names->class_token, 1, x) : x;
}

static int join_registers(struct thaw_graph *g, const struct thaw_vit *v, int x)
{
	return v->registers > 0 ? join_token(g, v, v->names->registers, v->registers, x) : x;
}

static int add_positions(struct thaw_graph *g, const struct thaw_vit *v, int x)
{
	if (v->names->rotary)
		return x;
	static const struct thaw_attrs last_of_three = {
		.factors = {.count = 2, .ndim = 3, .axis = {0, 1}, .order = {0, 1}, .target = {1, 2}}};
	const bool flat = v->names->naming == THAW_VIT_CLIP;
	const int64_t c = v->block.channels;
	char name[THAW_LAYER_NAME];
	int positions = thaw_layer_constant(g, thaw_vit_name(v, v->names->positions, name),
					    flat ? &thaw_shape_of(v->rows, c) : &thaw_shape_of(1, v->rows, c));
	g->nodes[positions].attrs.alpha = v->plain_cubic ? BICUBIC : 0;
	if (flat)
		positions = thaw_graph_add(g, "reshape", "positions.reshape", &last_of_three, &positions, 1);
	return thaw_graph_add(g, "binary", "positions", &(struct thaw_attrs){.binary = THAW_BINARY_ADD},
			      (int[]){x, positions}, 2);
}

/* The norm NAME of all tokens, if the file has it. */
static int norm(struct thaw_graph *g, const struct thaw_vit *v, const char *layer, bool exists, int x)
{
	char name[THAW_LAYER_NAME];
	if (!exists)
		return x;
	thaw_vit_name(v, layer, name);
	return v->block.norm.rms ? thaw_layer_rms_norm(g, x, name, v->block.channels, v->block.norm.epsilon)
				 : thaw_layer_channel_norm(g, x, name, v->block.channels, v->block.norm.epsilon);
}

/* All tokens, with positions. */
static int embed(struct thaw_graph *g, const struct thaw_vit *v)
{
	const bool before = v->all_positions, registers = before && !thaw_vit_registers_first(v);
	char name[THAW_LAYER_NAME];
	const struct thaw_conv_layer patches = {
		.name = thaw_vit_name(v, v->names->patch, name),
		.in = 3,
		.out = v->block.channels,
		.kernel = (int)v->patch,
		.stride = (int)v->patch,
		.bias = v->patch_bias,
	};
	thaw_graph_block(g, "stem");
	int x = thaw_layer_tokens(g, thaw_layer_conv(g, 0, &patches), "tokens");
	x = norm(g, v, v->names->patch_norm, v->patch_norm, x);
	if (registers)
		x = join_registers(g, v, x);
	if (before)
		x = join_others(g, v, x);
	x = add_positions(g, v, x);
	if (!registers && !thaw_vit_registers_first(v))
		x = join_registers(g, v, x);
	if (!before)
		x = join_others(g, v, x);
	if (thaw_vit_registers_first(v))
		x = join_registers(g, v, x);
	return norm(g, v, v->names->first_norm, v->first_norm, x);
}

static int class_token(struct thaw_graph *g, const struct thaw_vit *v, const char *name, int x)
{
	return thaw_layer_one_token(g, x, name, thaw_vit_registers_first(v) ? (int)v->registers : 0);
}

static int attention_pool(struct thaw_graph *g, const struct thaw_vit *v, int first, int x)
{
	char name[THAW_LAYER_NAME];
	struct thaw_token_block pool = v->block;
	pool.name = thaw_vit_name(v, v->names->pool, name);
	pool.hidden = v->pool_hidden;
	pool.qkv_bias = pool.bias = true;
	pool.gated = pool.scales = pool.norm_last = pool.inner_norms = false;
	x = thaw_layer_token_range(g, x, "pool.patches", first, 0);
	return thaw_layer_attention_pool(g, x, &v->names->pooling, &pool);
}

/* The class token, and the mean or the second token, side by side. */
static int two_vectors(struct thaw_graph *g, const struct thaw_vit *v, int first, int x)
{
	const int token = class_token(g, v, "pool.token", x);
	const int other = v->pool == THAW_VIT_TWO_TOKENS ? thaw_layer_one_token(g, x, "pool.second", 1)
							 : thaw_layer_mean_token(g, x, "pool.all", first);
	return thaw_graph_add(g, "concat", "pool", &(struct thaw_attrs){.axis = 1}, (int[]){token, other}, 2);
}

/* From the tokens of the last block to the classifier's input (N,C) or (N,2C). The mean of CLIP's patches is not
 * normalised. */
static int pool(struct thaw_graph *g, const struct thaw_vit *v, int x)
{
	const int first = v->pool_all ? 0 : (int)thaw_vit_other_tokens(v);
	const bool clip_mean = v->first_norm && v->names->naming == THAW_VIT_CLIP && v->pool == THAW_VIT_MEAN;
	x = norm(g, v, v->names->norm, v->norm && !v->mean_norm && !clip_mean, x);
	if (v->pool == THAW_VIT_ATTENTION)
		x = attention_pool(g, v, first, x);
	else if (v->pool == THAW_VIT_MEAN)
		x = thaw_layer_mean_token(g, x, "pool", first);
	else if (v->pool == THAW_VIT_TOKEN)
		x = class_token(g, v, "pool", x);
	else
		x = two_vectors(g, v, first, x);
	char name[THAW_LAYER_NAME];
	if (v->mean_norm)
		x = thaw_layer_channel_norm(g, x, thaw_vit_name(v, v->names->mean_norm, name), v->block.channels,
					    v->block.norm.epsilon);
	return x;
}

static void classifier(struct thaw_graph *g, const struct thaw_vit *v, int x, const struct thaw_architecture *a)
{
	const char *layer = v->names->head;
	const int64_t inputs =
		(v->pool == THAW_VIT_TOKEN_AND_MEAN || v->pool == THAW_VIT_TWO_TOKENS ? 2 : 1) * v->block.channels;
	char name[2 * THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s.weight", layer);
	thaw_layer_linear(g, x, layer, inputs, thaw_weights_outputs(a->w, name, &thaw_shape_of(0, inputs), a->classes),
			  NULL);
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	struct thaw_vit v = describe(a);
	THAW_TRY(thaw_vit_read_options(&v, a->options));
	int x = embed(g, &v);
	if (v.names->rotary)
		v.block.rotary = thaw_layer_rotary(g, &v.block, thaw_vit_other_tokens(&v), v.side / v.patch, v.longest);
	for (int i = 0; i < v.blocks; i++) {
		char name[THAW_LAYER_NAME];
		snprintf(name, sizeof(name), "%s%s%d", v.prefix, v.names->block, i);
		v.block.name = name;
		x = thaw_layer_token_block(g, x, &v.block);
	}
	x = pool(g, &v, x);
	thaw_graph_block(g, "%s", v.names->head);
	classifier(g, &v, x, a);
	return thaw_graph_finish(g);
}

/* At the size of the position embedding. */
static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	struct thaw_vit v = describe(a);
	thaw_vit_read_options(&v, a->options);
	const int64_t others = thaw_vit_other_tokens(&v) - (thaw_vit_registers_first(&v) ? v.registers : 0);
	const int64_t patches = v.rows - (v.all_positions ? others : 0);
	const int64_t side = v.names->rotary ? v.side : llround(sqrt((double)patches)) * v.patch;
	thaw_vit_preprocess(&v, (int)side, p);
}

static const char *const timm_names[] = {"vit_",   "deit_",  "deit3_",   "flexivit_", "eva_large_patch14_",
					 "beit3_", "aimv2_", "test_vit", NULL};
static const char *const transformers_names[] = {"vit",
						 "deit",
						 "vit_mae",
						 "vit_msn",
						 "ijepa",
						 "dinov2",
						 "dinov2_with_registers",
						 "dinov3_vit",
						 "clip",
						 "clip_vision_model",
						 "siglip",
						 "siglip_vision_model",
						 NULL};

static const char *const unused[] = {"mask_token",      "pooler.dense.",   "decoder.",  "position_ids",    "head.probe",
				     "head.attention.", "head.layernorm.", "head.mlp.", "post_layernorm.", NULL};

const struct thaw_family thaw_family_vit = {
	.name = "vit",
	.variants = variants,
	.classes = 1000,
	.timm = timm_names,
	.transformers = transformers_names,
	.recognise = recognise,
	.measured = true,
	.options = find_options,
	.change = thaw_vit_merge_heads,
	.unused = unused,
	.build = build,
	.preprocess = preprocess,
};
