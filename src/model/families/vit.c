/* Vision transformers (Dosovitskiy et al., ICLR 2021), with the names of timm and of transformers' ViT: also DeiT,
 * AugReg, DINO, and DINOv2 with registers (Darcet et al., ICLR 2024). The tensors decide all sizes. */
#include "src/model/families/vit.h"

#include <math.h>
#include <stdio.h>

#include "src/base/try.h"
#include "src/model/family.h"

static const struct thaw_vit_names timm = {
	.patch = "patch_embed.proj",
	.class_token = "cls_token",
	.registers = "reg_token",
	.positions = "pos_embed",
	.block = "blocks.",
	.norm = "norm",
	.mean_norm = "fc_norm",
	.head = "head",
	.in = {.norm1 = "norm1",
	       .qkv = "attn.qkv",
	       .project = "attn.proj",
	       .scale1 = "ls1.gamma",
	       .norm2 = "norm2",
	       .fc1 = "mlp.fc1",
	       .fc2 = "mlp.fc2",
	       .scale2 = "ls2.gamma"},
	.timm = true,
};

static const struct thaw_vit_names transformers = {
	.patch = "vit.embeddings.patch_embeddings.projection",
	.class_token = "vit.embeddings.cls_token",
	.positions = "vit.embeddings.position_embeddings",
	.block = "vit.encoder.layer.",
	.norm = "vit.layernorm",
	.head = "classifier",
	.in = {.norm1 = "layernorm_before",
	       .query = "attention.attention.query",
	       .key = "attention.attention.key",
	       .value = "attention.attention.value",
	       .project = "attention.output.dense",
	       .norm2 = "layernorm_after",
	       .fc1 = "intermediate.dense",
	       .fc2 = "output.dense"},
};

/* Random networks have these names; one of a file is called "vit". */
static const char *const variants[] = {"vit", "vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224",
				       NULL};
static const int64_t widths[] = {768, 192, 384, 768};

/* A name with an ending, in text[2 * THAW_LAYER_NAME]. */
static const char *join(char *text, const char *layer, const char *ending)
{
	snprintf(text, 2 * THAW_LAYER_NAME, "%s%s", layer, ending);
	return text;
}

static int count_blocks(const struct thaw_weights *w, const struct thaw_vit_names *n)
{
	char ending[2 * THAW_LAYER_NAME];
	snprintf(ending, sizeof(ending), ".%s.weight", n->in.qkv ? n->in.qkv : n->in.query);
	return thaw_weights_count(w, n->block, 0, ending);
}

static const struct thaw_vit_names *names_of(const struct thaw_weights *w)
{
	static const struct thaw_vit_names *const all[] = {&timm, &transformers};
	char patch[2 * THAW_LAYER_NAME];
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (thaw_weights_has_shape(w, join(patch, all[i]->patch, ".weight"), &thaw_shape_of(0, 3, 0, 0)) &&
		    thaw_weights_has_shape(w, all[i]->positions, &thaw_shape_of(1, 0, 0)) &&
		    count_blocks(w, all[i]) > 0)
			return all[i];
	return NULL;
}

static const char *recognise(const struct thaw_weights *w)
{
	return names_of(w) ? variants[0] : NULL;
}

/* The size of a tensor along an axis; 0 if the file does not have it. */
static int64_t size_of(const struct thaw_weights *w, const char *name, int axis)
{
	const struct thaw_named_tensor *t = name ? thaw_weights_find(w, name) : NULL;
	return t && axis < t->shape.ndim ? t->shape.dim[axis] : 0;
}

/* Whether the first block has this tensor. */
static bool in_block(const struct thaw_weights *w, const struct thaw_vit_names *n, const char *tensor)
{
	char name[2 * THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s0.%s", n->block, tensor ? tensor : "");
	return tensor && thaw_weights_find(w, name);
}

static void measure(struct thaw_vit *v, const struct thaw_weights *w)
{
	char name[2 * THAW_LAYER_NAME];
	const struct thaw_vit_names *n = v->names = names_of(w);
	v->channels = size_of(w, join(name, n->patch, ".weight"), 0);
	v->patch = size_of(w, name, 2);
	v->rows = size_of(w, n->positions, 1);
	v->blocks = count_blocks(w, n);
	v->class_token = thaw_weights_find(w, n->class_token) != NULL;
	v->registers = size_of(w, n->registers, 1);
	v->scales = in_block(w, n, n->in.scale1);
	v->mean_norm = n->mean_norm && thaw_weights_find(w, join(name, n->mean_norm, ".weight"));
	snprintf(name, sizeof(name), "%s0.%s.weight", n->block, n->in.fc1);
	v->hidden = size_of(w, name, 0);
}

static void default_sizes(struct thaw_vit *v, const char *variant)
{
	enum { PATCH = 16, SIDE = 224, BLOCKS = 12 };
	v->names = &timm;
	v->channels = widths[thaw_variant_index(variants, variant)];
	v->hidden = 4 * v->channels;
	v->patch = PATCH;
	v->rows = SIDE / PATCH * (SIDE / PATCH) + 1;
	v->blocks = BLOCKS;
	v->class_token = true;
}

static struct thaw_vit describe(const struct thaw_architecture *a)
{
	struct thaw_vit v = {0};
	if (a->w)
		measure(&v, a->w);
	else
		default_sizes(&v, a->variant);
	thaw_vit_default_options(&v);
	return v;
}

static thaw_status find_options(json_t **options, const struct thaw_architecture *a, const json_t *config,
				const char *source)
{
	struct thaw_vit v = describe(a);
	if (config)
		THAW_TRY(thaw_vit_read_config(&v, config, source));
	return thaw_vit_write_options(options, &v);
}

/* Class token and registers before the patches. */
static int join_others(struct thaw_graph *g, const struct thaw_vit *v, int x)
{
	if (v->registers > 0) {
		int tokens = thaw_layer_constant(g, v->names->registers, &thaw_shape_of(1, v->registers, v->channels));
		x = thaw_layer_join_tokens(g, tokens, x, "join.registers");
	}
	if (v->class_token) {
		int token = thaw_layer_constant(g, v->names->class_token, &thaw_shape_of(1, 1, v->channels));
		x = thaw_layer_join_tokens(g, token, x, "join.class_token");
	}
	return x;
}

/* All tokens, with positions. */
static int embed(struct thaw_graph *g, const struct thaw_vit *v)
{
	const struct thaw_conv_layer patches = {
		.name = v->names->patch,
		.in = 3,
		.out = v->channels,
		.kernel = (int)v->patch,
		.stride = (int)v->patch,
		.bias = true,
	};
	thaw_graph_block(g, "stem");
	int x = thaw_layer_tokens(g, thaw_layer_conv(g, 0, &patches), "tokens");
	if (v->all_positions)
		x = join_others(g, v, x);
	int positions = thaw_layer_constant(g, v->names->positions, &thaw_shape_of(1, v->rows, v->channels));
	x = thaw_graph_add(g, "binary", "positions", &(struct thaw_attrs){.binary = THAW_BINARY_ADD},
			   (int[]){x, positions}, 2);
	return v->all_positions ? x : join_others(g, v, x);
}

/* From the tokens of the last block to the classifier's input (N,C). */
static int pool(struct thaw_graph *g, const struct thaw_vit *v, int x)
{
	const struct thaw_vit_names *n = v->names;
	if (!v->mean_norm)
		x = thaw_layer_channel_norm(g, x, n->norm, v->channels, (float)v->epsilon);
	x = v->mean ? thaw_layer_mean_token(g, x, "pool", (int)thaw_vit_other_tokens(v))
		    : thaw_layer_one_token(g, x, "pool", 0);
	return v->mean_norm ? thaw_layer_channel_norm(g, x, n->mean_norm, v->channels, (float)v->epsilon) : x;
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	struct thaw_vit v = describe(a);
	char head[THAW_LAYER_NAME];
	THAW_TRY(thaw_vit_read_options(&v, a->options));
	int x = embed(g, &v);
	for (int i = 0; i < v.blocks; i++) {
		char name[THAW_LAYER_NAME];
		snprintf(name, sizeof(name), "%s%d", v.names->block, i);
		const struct thaw_token_block block = {
			.name = name,
			.names = &v.names->in,
			.channels = v.channels,
			.hidden = v.hidden,
			.heads = v.heads,
			.scales = v.scales,
			.epsilon = (float)v.epsilon,
			.function = v.function,
		};
		x = thaw_layer_token_block(g, x, &block);
	}
	x = pool(g, &v, x);
	thaw_graph_block(g, "%s", v.names->head);
	snprintf(head, sizeof(head), "%s.weight", v.names->head);
	thaw_layer_linear(g, x, v.names->head, v.channels,
			  thaw_weights_outputs(a->w, head, &thaw_shape_of(0, v.channels), a->classes), NULL);
	return thaw_graph_finish(g);
}

/* That of AugReg, or of transformers' ViT, at the size of the position embedding. */
static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	const struct thaw_vit v = describe(a);
	const int64_t patches = v.rows - (v.all_positions ? thaw_vit_other_tokens(&v) : 0);
	const int side = (int)(llround(sqrt((double)patches)) * v.patch);
	*p = (struct thaw_preprocess){
		.size = {side, side},
		.resize = v.names->timm ? side * 10 / 9 : side,
		.mode = v.names->timm ? THAW_RESIZE_SHORTER : THAW_RESIZE_SQUASH,
		.filter = v.names->timm ? THAW_BICUBIC : THAW_BILINEAR,
		.mean = {0.5f, 0.5f, 0.5f},
		.std = {0.5f, 0.5f, 0.5f},
	};
}

static const char *const timm_names[] = {"vit_", "deit_", "deit3_", "flexivit_", NULL};
static const char *const transformers_names[] = {"vit", "deit", NULL};

const struct thaw_family thaw_family_vit = {
	.name = "vit",
	.variants = variants,
	.classes = 1000,
	.timm = timm_names,
	.transformers = transformers_names,
	.recognise = recognise,
	.options = find_options,
	.build = build,
	.preprocess = preprocess,
};
