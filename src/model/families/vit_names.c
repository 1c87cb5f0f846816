/* The names of the tensors of vision transformers, and the sizes that the tensors show. */
#include <stdio.h>
#include <string.h>

#include "src/model/families/vit.h"

static const char *const none[] = {"", NULL};
static const char *const hf_prefixes[] = {"vit.", "deit.", "ijepa.", "", NULL};
static const char *const dinov2_prefixes[] = {"dinov2.", "dinov2_with_registers.", "", NULL};
static const char *const clip_prefixes[] = {"vision_model.", "", NULL};

static const struct thaw_vit_names timm = {
	.naming = THAW_VIT_TIMM,
	.prefixes = none,
	.patch = "patch_embed.proj",
	.class_token = "cls_token",
	.second_token = "dist_token",
	.registers = "reg_token",
	.positions = "pos_embed",
	.block = "blocks.",
	.patch_norm = "patch_embed.norm",
	.first_norm = "norm_pre",
	.norm = "norm",
	.mean_norm = "fc_norm",
	.pool = "attn_pool",
	.head = "head",
	.in = {.norm1 = "norm1",
	       .qkv = "attn.qkv",
	       .project = "attn.proj",
	       .scale1 = "ls1.gamma",
	       .norm2 = "norm2",
	       .fc1 = "mlp.fc1",
	       .fc2 = "mlp.fc2",
	       .scale2 = "ls2.gamma",
	       .inner1 = "attn.norm",
	       .inner2 = "mlp.norm"},
	.pooling = {.query = "latent",
		    .q = "q",
		    .kv = "kv",
		    .in = {.project = "proj", .norm2 = "norm", .fc1 = "mlp.fc1", .fc2 = "mlp.fc2"}},
};

/* timm's SwiGLU, whose gate is a layer of its own. */
static const struct thaw_vit_names timm_gated = {
	.naming = THAW_VIT_TIMM,
	.prefixes = none,
	.patch = "patch_embed.proj",
	.positions = "pos_embed",
	.block = "blocks.",
	.patch_norm = "patch_embed.norm",
	.norm = "norm",
	.head = "head",
	.in = {.norm1 = "norm1",
	       .qkv = "attn.qkv",
	       .project = "attn.proj",
	       .norm2 = "norm2",
	       .gate = "mlp.fc1_g",
	       .fc1 = "mlp.fc1_x",
	       .fc2 = "mlp.fc2"},
};

/* DINOv3, among timm's EVA. */
#define TIMM_DINOV3(beside, first)                                                                                  \
	{                                                                                                           \
		.naming = THAW_VIT_TIMM, .rotary = true, .prefixes = none, .patch = "patch_embed.proj",             \
		.class_token = "cls_token", .registers = "reg_token", .positions = "pos_embed", .block = "blocks.", \
		.norm = "norm", .mean_norm = "fc_norm", .head = "head",                                             \
		.in = {                                                                                             \
			.norm1 = "norm1",                                                                           \
			.qkv = "attn.qkv",                                                                          \
			.query_bias = "attn.q_bias",                                                                \
			.value_bias = "attn.v_bias",                                                                \
			.project = "attn.proj",                                                                     \
			.scale1 = "gamma_1",                                                                        \
			.norm2 = "norm2",                                                                           \
			.gate = (beside),                                                                           \
			.fc1 = (first),                                                                             \
			.fc2 = "mlp.fc2",                                                                           \
			.scale2 = "gamma_2",                                                                        \
		},                                                                                                  \
	}

static const struct thaw_vit_names timm_dinov3 = TIMM_DINOV3(NULL, "mlp.fc1");
static const struct thaw_vit_names timm_dinov3_gated = TIMM_DINOV3("mlp.fc1_g", "mlp.fc1_x");

#define HF(classifier)                                                                                             \
	{                                                                                                          \
		.naming = THAW_VIT_HF, .prefixes = hf_prefixes, .patch = "embeddings.patch_embeddings.projection", \
		.class_token = "embeddings.cls_token", .second_token = "embeddings.distillation_token",            \
		.positions = "embeddings.position_embeddings", .block = "encoder.layer.", .norm = "layernorm",     \
		.head = (classifier),                                                                              \
		.in = {                                                                                            \
			.norm1 = "layernorm_before",                                                               \
			.query = "attention.attention.query",                                                      \
			.key = "attention.attention.key",                                                          \
			.value = "attention.attention.value",                                                      \
			.project = "attention.output.dense",                                                       \
			.norm2 = "layernorm_after",                                                                \
			.fc1 = "intermediate.dense",                                                               \
			.fc2 = "output.dense",                                                                     \
		},                                                                                                 \
	}

static const struct thaw_vit_names hf = HF("classifier");
/* DeiTForImageClassificationWithTeacher */
static const struct thaw_vit_names hf_two_heads = HF("cls_classifier");

#define DINOV2(first, second)                                                                             \
	{                                                                                                 \
		.naming = THAW_VIT_DINOV2, .prefixes = dinov2_prefixes,                                   \
		.patch = "embeddings.patch_embeddings.projection", .class_token = "embeddings.cls_token", \
		.registers = "embeddings.register_tokens", .positions = "embeddings.position_embeddings", \
		.block = "encoder.layer.", .norm = "layernorm", .head = "classifier",                     \
		.in = {                                                                                   \
			.norm1 = "norm1",                                                                 \
			.query = "attention.attention.query",                                             \
			.key = "attention.attention.key",                                                 \
			.value = "attention.attention.value",                                             \
			.project = "attention.output.dense",                                              \
			.scale1 = "layer_scale1.lambda1",                                                 \
			.norm2 = "norm2",                                                                 \
			.fc1 = (first),                                                                   \
			.fc2 = (second),                                                                  \
			.scale2 = "layer_scale2.lambda1",                                                 \
		},                                                                                        \
	}

static const struct thaw_vit_names dinov2 = DINOV2("mlp.fc1", "mlp.fc2");
static const struct thaw_vit_names dinov2_gated = DINOV2("mlp.weights_in", "mlp.weights_out");

/* `before`: a block's number. Its files are of features, without a classifier. */
#define DINOV3(before, beside)                                                                                       \
	{                                                                                                            \
		.naming = THAW_VIT_DINOV3, .rotary = true, .prefixes = none, .patch = "embeddings.patch_embeddings", \
		.class_token = "embeddings.cls_token", .registers = "embeddings.register_tokens", .block = (before), \
		.norm = "norm", .head = "classifier",                                                                \
		.in = {                                                                                              \
			.norm1 = "norm1",                                                                            \
			.query = "attention.q_proj",                                                                 \
			.key = "attention.k_proj",                                                                   \
			.value = "attention.v_proj",                                                                 \
			.project = "attention.o_proj",                                                               \
			.scale1 = "layer_scale1.lambda1",                                                            \
			.norm2 = "norm2",                                                                            \
			.gate = (beside),                                                                            \
			.fc1 = "mlp.up_proj",                                                                        \
			.fc2 = "mlp.down_proj",                                                                      \
			.scale2 = "layer_scale2.lambda1",                                                            \
		},                                                                                                   \
	}

static const struct thaw_vit_names dinov3 = DINOV3("layer.", NULL);
static const struct thaw_vit_names dinov3_gated = DINOV3("layer.", "mlp.gate_proj");
static const struct thaw_vit_names dinov3_later = DINOV3("model.layer.", NULL);
static const struct thaw_vit_names dinov3_later_gated = DINOV3("model.layer.", "mlp.gate_proj");

static const struct thaw_vit_names clip = {
	.naming = THAW_VIT_CLIP,
	.prefixes = clip_prefixes,
	.patch = "embeddings.patch_embedding",
	.class_token = "embeddings.class_embedding",
	.positions = "embeddings.position_embedding.weight",
	.block = "encoder.layers.",
	.first_norm = "pre_layrnorm",
	.norm = "post_layernorm",
	.pool = "head",
	.head = "classifier",
	.in = {.norm1 = "layer_norm1",
	       .query = "self_attn.q_proj",
	       .key = "self_attn.k_proj",
	       .value = "self_attn.v_proj",
	       .project = "self_attn.out_proj",
	       .norm2 = "layer_norm2",
	       .fc1 = "mlp.fc1",
	       .fc2 = "mlp.fc2"},
	.pooling = {.query = "probe",
		    .in_weight = "attention.in_proj_weight",
		    .in_bias = "attention.in_proj_bias",
		    .in = {.project = "attention.out_proj", .norm2 = "layernorm", .fc1 = "mlp.fc1", .fc2 = "mlp.fc2"}},
};

/* One whose tensors include those of another is before it. */
static const struct thaw_vit_names *const all[] = {
	&timm,        &timm_gated,  &hf_two_heads,      &hf,           &dinov2, &dinov2_gated,
	&clip,        &timm_dinov3, &timm_dinov3_gated, &dinov3_gated, &dinov3, &dinov3_later_gated,
	&dinov3_later};

const char *thaw_vit_name(const struct thaw_vit *v, const char *name, char text[THAW_LAYER_NAME])
{
	snprintf(text, THAW_LAYER_NAME, "%s%s", v->prefix, name);
	return text;
}

/* The size of a tensor along an axis, with the prefix and `ending`; 0 if the file does not have it. */
static int64_t size_of(const struct thaw_vit *v, const struct thaw_weights *w, const char *name, const char *ending,
		       int axis)
{
	char text[3 * THAW_LAYER_NAME];
	snprintf(text, sizeof(text), "%s%s%s", v->prefix, name ? name : "", ending);
	const struct thaw_named_tensor *t = name ? thaw_weights_find(w, text) : NULL;
	return t && axis < t->shape.ndim ? t->shape.dim[axis] : 0;
}

/* The same in the first block. */
static int64_t size_in(const struct thaw_vit *v, const struct thaw_weights *w, const char *name, const char *ending,
		       int axis)
{
	char text[THAW_LAYER_NAME];
	snprintf(text, sizeof(text), "%s0.%s", v->names->block, name ? name : "");
	return name ? size_of(v, w, text, ending, axis) : 0;
}

static int count_blocks(const struct thaw_vit *v, const struct thaw_weights *w)
{
	const struct thaw_token_names *in = &v->names->in;
	char block[THAW_LAYER_NAME], ending[2 * THAW_LAYER_NAME];
	snprintf(ending, sizeof(ending), ".%s.weight", in->qkv ? in->qkv : in->query);
	return thaw_weights_count(w, thaw_vit_name(v, v->names->block, block), 0, ending);
}

/* Whether the file has these names. A whole CLIP or SigLIP has a text model beside: its prefix is removed first. */
static bool fits(const struct thaw_vit *v, const struct thaw_weights *w)
{
	const struct thaw_vit_names *n = v->names;
	if (size_of(v, w, n->patch, ".weight", 1) != 3 || size_of(v, w, n->patch, ".weight", 3) == 0 ||
	    (size_of(v, w, n->positions, "", 0) == 0) != n->rotary || size_in(v, w, n->in.fc2, ".weight", 1) == 0)
		return false;
	if (n->rotary && size_in(v, w, n->in.scale1, "", 0) == 0)
		return false;
	if (n->naming == THAW_VIT_CLIP && *v->prefix &&
	    (thaw_weights_find(w, "logit_scale") || thaw_weights_find(w, "visual_projection.weight")))
		return false;
	if (n == &hf_two_heads && !thaw_weights_find(w, "cls_classifier.weight"))
		return false;
	return count_blocks(v, w) > 0 && size_in(v, w, n->in.gate ? n->in.gate : n->in.fc1, ".weight", 0) > 0;
}

/* Sets names and prefix; those of the last if none fits. */
static bool find_names(struct thaw_vit *v, const struct thaw_weights *w)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		v->names = all[i];
		for (const char *const *prefix = all[i]->prefixes; *prefix; prefix++) {
			v->prefix = *prefix;
			if (fits(v, w))
				return true;
		}
	}
	return false;
}

bool thaw_vit_recognise(const struct thaw_weights *w)
{
	return find_names(&(struct thaw_vit){0}, w);
}

static void measure_block(struct thaw_vit *v, const struct thaw_weights *w)
{
	const struct thaw_token_names *n = &v->names->in;
	v->block = (struct thaw_token_block){
		.names = n,
		.channels = size_of(v, w, v->names->patch, ".weight", 0),
		.hidden = size_in(v, w, n->fc2, ".weight", 1),
		.qkv_bias = size_in(v, w, n->qkv ? n->qkv : n->query, ".bias", 0) > 0,
		.bias = size_in(v, w, n->project, ".bias", 0) > 0,
		.scales = size_in(v, w, n->scale1, "", 0) > 0,
		.inner_norms = size_in(v, w, n->inner1, ".weight", 0) > 0,
		.norm.rms = size_in(v, w, n->norm1, ".bias", 0) == 0,
	};
	const bool biases = size_in(v, w, n->query_bias, "", 0) > 0;
	v->block.no_key_bias =
		biases || (v->names->rotary && v->block.qkv_bias && size_in(v, w, n->key, ".bias", 0) == 0);
	v->block.qkv_bias = v->block.qkv_bias || biases;
	v->block.gated = n->gate || size_in(v, w, n->fc1, ".weight", 0) == 2 * v->block.hidden;
}

void thaw_vit_measure(struct thaw_vit *v, const struct thaw_weights *w)
{
	char name[2 * THAW_LAYER_NAME];
	find_names(v, w);
	const struct thaw_vit_names *n = v->names;
	measure_block(v, w);
	v->patch = size_of(v, w, n->patch, ".weight", 2);
	v->patch_bias = size_of(v, w, n->patch, ".bias", 0) > 0;
	v->rows = size_of(v, w, n->positions, "", n->naming == THAW_VIT_CLIP ? 0 : 1);
	v->blocks = count_blocks(v, w);
	v->class_token = size_of(v, w, n->class_token, "", 0) > 0;
	v->second_token = size_of(v, w, n->second_token, "", 0) > 0;
	v->registers = size_of(v, w, n->registers, "", 1);
	v->patch_norm = size_of(v, w, n->patch_norm, ".weight", 0) > 0;
	v->first_norm = size_of(v, w, n->first_norm, ".weight", 0) > 0;
	v->norm = size_of(v, w, n->norm, ".weight", 0) > 0;
	v->mean_norm = size_of(v, w, n->mean_norm, ".weight", 0) > 0;
	snprintf(name, sizeof(name), "%s.%s", n->pool ? n->pool : "", n->pooling.in.fc2 ? n->pooling.in.fc2 : "");
	v->pool_hidden = n->pool ? size_of(v, w, name, ".weight", 1) : 0;
	snprintf(name, sizeof(name), "%s.weight", n->head);
	const struct thaw_named_tensor *head = thaw_weights_find(w, name);
	v->head_inputs = head && head->shape.ndim == 2 ? head->shape.dim[1] : 0;
}

void thaw_vit_default_sizes(struct thaw_vit *v, const char *variant, int64_t channels)
{
	enum { PATCH = 16, SIDE = 224, BLOCKS = 12 };
	v->names = &timm;
	v->prefix = "";
	v->block = (struct thaw_token_block){
		.names = &timm.in, .channels = channels, .hidden = 4 * channels, .qkv_bias = true, .bias = true};
	v->patch = PATCH;
	v->first_norm = strstr(variant, "clip") != NULL;
	v->patch_bias = !v->first_norm;
	v->pool_hidden = strstr(variant, "siglip") ? v->block.hidden : 0;
	v->class_token = v->pool_hidden == 0;
	v->rows = SIDE / PATCH * (SIDE / PATCH) + v->class_token;
	v->blocks = BLOCKS;
	v->norm = true;
}
