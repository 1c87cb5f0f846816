/* Vision transformers (Dosovitskiy et al., ICLR 2021), with the names of timm and of transformers' ViT: also DeiT,
 * AugReg, DINO, and DINOv2 with registers (Darcet et al., ICLR 2024). The tensors decide all sizes. What they do not
 * show are options: the heads, the constant of the norms, the pooling, the form of GELU, and which tokens have
 * positions. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/config_values.h"
#include "src/model/families/tokens.h"
#include "src/model/family.h"
#include "src/model/unknown_network.h"

enum {
	HEAD_SIZE = 64,  /* channels of a head, */
	WIDE = 1024,     /* but from so many channels on */
	WIDE_HEADS = 16, /* there are so many heads, in the networks of timm and of transformers */
};

/* Names in files. A NULL name is not in such files. */
struct naming {
	const char *patch, *class_token, *registers, *positions;
	const char *block; /* prefix of a block's number */
	const char *norm, *mean_norm, *head;
	struct thaw_token_names in;
	double epsilon; /* of the norms, if nothing else says it */
	bool crops;     /* preprocessing: a crop of 9 tenths, else the whole image squashed */
};

static const struct naming timm = {
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
	.epsilon = 1e-6,
	.crops = true,
};

static const struct naming transformers = {
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
	.epsilon = 1e-12,
};

/* Random networks of these names; a file's network is called "vit". */
static const char *const names[] = {"vit", "vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224",
				    NULL};
static const int64_t widths[] = {768, 192, 384, 768};

enum pool { CLASS_TOKEN, MEAN };

struct vit {
	const struct naming *names;
	int64_t channels, hidden, patch, registers;
	int64_t rows; /* of the position embedding */
	int blocks, heads;
	bool class_token, all_positions; /* the position embedding has rows for class token and registers, too */
	bool scales, mean_norm;
	enum pool pool;
	double epsilon;
	enum thaw_function function;
};

static const struct thaw_named_tensor *find(const struct thaw_weights *w, const char *layer, const char *what)
{
	char name[2 * THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s%s", layer, what);
	return thaw_weights_find(w, name);
}

static const struct naming *naming_of(const struct thaw_weights *w)
{
	static const struct naming *const all[] = {&timm, &transformers};
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		char patch[THAW_LAYER_NAME];
		snprintf(patch, sizeof(patch), "%s.weight", all[i]->patch);
		if (thaw_weights_has_shape(w, patch, &thaw_shape_of(0, 3, 0, 0)) &&
		    thaw_weights_has_shape(w, all[i]->positions, &thaw_shape_of(1, 0, 0)) &&
		    thaw_weights_count(w, all[i]->block, 0,
				       all[i]->in.qkv ? ".attn.qkv.weight" : ".output.dense.weight"))
			return all[i];
	}
	return NULL;
}

static const char *recognise(const struct thaw_weights *w)
{
	return naming_of(w) ? names[0] : NULL;
}

static bool is_square(int64_t n)
{
	int64_t side = llround(sqrt((double)n));
	return side * side == n;
}

/* What the tensors show. */
static void measure(struct vit *v, const struct thaw_weights *w)
{
	char first[THAW_LAYER_NAME];
	const struct naming *n = v->names = naming_of(w);
	const struct thaw_named_tensor *patch = find(w, n->patch, ".weight"), *hidden;
	snprintf(first, sizeof(first), "%s0.", n->block);
	v->channels = patch->shape.dim[0];
	v->patch = patch->shape.dim[2];
	v->rows = thaw_weights_find(w, n->positions)->shape.dim[1];
	v->blocks = thaw_weights_count(w, n->block, 0, n->in.qkv ? ".attn.qkv.weight" : ".output.dense.weight");
	v->class_token = thaw_weights_find(w, n->class_token) != NULL;
	if (n->registers && thaw_weights_has_shape(w, n->registers, &thaw_shape_of(1, 0, 0)))
		v->registers = thaw_weights_find(w, n->registers)->shape.dim[1];
	v->scales = n->in.scale1 && find(w, first, n->in.scale1);
	v->mean_norm = n->mean_norm && find(w, n->mean_norm, ".weight");
	strncat(first, n->in.fc1, sizeof(first) - strlen(first) - 1);
	hidden = find(w, first, ".weight");
	v->hidden = hidden && hidden->shape.ndim == 2 ? hidden->shape.dim[0] : 4 * v->channels;
}

static void default_sizes(struct vit *v, const char *variant)
{
	enum { PATCH = 16, SIDE = 224, BLOCKS = 12 };
	v->names = &timm;
	v->channels = widths[thaw_variant_index(names, variant)];
	v->hidden = 4 * v->channels;
	v->patch = PATCH;
	v->rows = SIDE / PATCH * (SIDE / PATCH) + 1;
	v->blocks = BLOCKS;
	v->class_token = true;
}

static int64_t other_tokens(const struct vit *v)
{
	return v->class_token + v->registers;
}

/* The network, with the options of networks that do not say otherwise. */
static struct vit describe(const struct thaw_build *b)
{
	struct vit v = {0};
	if (b->w)
		measure(&v, b->w);
	else
		default_sizes(&v, b->variant);
	v.heads = (int)(v.channels >= WIDE ? WIDE_HEADS : v.channels / HEAD_SIZE);
	v.all_positions = !is_square(v.rows) || other_tokens(&v) == 0;
	v.pool = v.class_token && !v.mean_norm ? CLASS_TOKEN : MEAN;
	v.epsilon = v.names->epsilon;
	v.function = THAW_FN_GELU;
	return v;
}

/* 0: not a number of heads. */
static int heads_from(const json_t *number, const struct vit *v)
{
	json_int_t heads = json_integer_value(number);
	return heads >= 1 && heads <= v->channels ? (int)heads : 0;
}

/* Replaces what the options say. */
static thaw_status read_options(struct vit *v, const json_t *options)
{
	const json_t *heads = json_object_get(options, "heads"), *epsilon = json_object_get(options, "epsilon");
	const char *pool = json_string_value(json_object_get(options, "pool"));
	const char *gelu = json_string_value(json_object_get(options, "gelu"));
	const json_t *all = json_object_get(options, "all_positions");
	if (heads)
		v->heads = heads_from(heads, v);
	if (epsilon)
		v->epsilon = json_number_value(epsilon);
	if (pool)
		v->pool = strcmp(pool, "mean") == 0 ? MEAN : CLASS_TOKEN;
	if (gelu)
		v->function = strcmp(gelu, "tanh") == 0 ? THAW_FN_GELU_TANH : THAW_FN_GELU;
	if (all)
		v->all_positions = json_is_true(all);
	if (v->heads < 1 || v->channels % v->heads != 0)
		return thaw_fail(THAW_CONFIG, "%d heads for %lld channels: vit: give heads that divide the channels",
				 v->heads, (long long)v->channels);
	if (!(v->epsilon > 0 && v->epsilon < 1))
		return thaw_fail(THAW_CONFIG, "constant of the norms %g: vit: it must be above 0 and below 1",
				 v->epsilon);
	if (v->pool == CLASS_TOKEN && !v->class_token)
		return thaw_fail(THAW_CONFIG, "the class token is read, but missing: vit: is this the right file?");
	return THAW_OK;
}

static thaw_status refuse(const struct thaw_config *c, const char *key, const char *value)
{
	return thaw_fail(THAW_CONFIG, "a vision transformer that is not known: \"%s\" %.60s: %s: " THAW_EXPORT_HOW, key,
			 value ? value : "", c->path);
}

/* The config.json of transformers. */
static thaw_status read_transformers(struct vit *v, const struct thaw_config *c)
{
	const json_t *heads = thaw_config_get(c, "num_attention_heads");
	const char *function = "gelu";
	THAW_TRY(thaw_config_number(c, "layer_norm_eps", &v->epsilon));
	THAW_TRY(thaw_config_text(c, "hidden_act", &function));
	if (heads)
		v->heads = heads_from(heads, v);
	if (strcmp(function, "gelu_pytorch_tanh") == 0 || strcmp(function, "gelu_new") == 0)
		v->function = THAW_FN_GELU_TANH;
	else if (strcmp(function, "gelu") != 0)
		return refuse(c, "hidden_act", function);
	return THAW_OK;
}

/* timm's arguments of a network. Those that the tensors show are not read. */
static thaw_status read_timm_arguments(struct vit *v, const struct thaw_config *c)
{
	static const char *const shown[] = {"num_classes", "img_size",    "patch_size",    "embed_dim",   "depth",
					    "mlp_ratio",   "class_token", "reg_tokens",    "init_values", "fc_norm",
					    "in_chans",    "drop_rate",   "drop_path_rate"};
	const json_t *arguments = thaw_config_get(c, "model_args"), *value;
	const char *key;
	json_object_foreach((json_t *)arguments, key, value)
	{
		bool known = strcmp(key, "num_heads") == 0 || strcmp(key, "global_pool") == 0;
		for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
			known |= strcmp(key, shown[i]) == 0;
		if (strcmp(key, "no_embed_class") == 0)
			v->all_positions = !json_is_true(value);
		else if (!known)
			return refuse(c, "model_args", key);
	}
	if (json_object_get(arguments, "num_heads"))
		v->heads = heads_from(json_object_get(arguments, "num_heads"), v);
	return THAW_OK;
}

/* The config.json of timm. */
static thaw_status read_timm(struct vit *v, const struct thaw_config *c)
{
	static const char *const known[] = {"vit_", "deit_", "deit3_", "flexivit_"}, *const others[] = {"rope",
													"quickgelu",
													"_pe_"};
	const char *architecture = "vit_", *pool = NULL;
	bool is_known = false;
	THAW_TRY(thaw_config_text(c, "architecture", &architecture));
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		is_known |= strncmp(architecture, known[i], strlen(known[i])) == 0;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		is_known &= strstr(architecture, others[i]) == NULL;
	if (!is_known)
		return refuse(c, "architecture", architecture);
	if (strstr(architecture, "siglip"))
		v->function = THAW_FN_GELU_TANH;
	THAW_TRY(thaw_config_text(c, "global_pool", &pool));
	const json_t *own = json_object_get(thaw_config_get(c, "model_args"), "global_pool");
	pool = json_is_string(own) ? json_string_value(own) : pool;
	if (pool && strcmp(pool, "token") != 0 && strcmp(pool, "avg") != 0)
		return refuse(c, "global_pool", pool);
	if (pool)
		v->pool = strcmp(pool, "avg") == 0 ? MEAN : CLASS_TOKEN;
	return read_timm_arguments(v, c);
}

static thaw_status find_options(json_t **options, const struct thaw_build *b, const struct thaw_config *config)
{
	struct vit v = describe(b);
	if (config->object)
		THAW_TRY(v.names == &timm ? read_timm(&v, config) : read_transformers(&v, config));
	*options = json_pack("{s:i, s:f, s:s, s:s, s:b}", "heads", v.heads, "epsilon", v.epsilon, "pool",
			     v.pool == MEAN ? "mean" : "token", "gelu", v.function == THAW_FN_GELU ? "erf" : "tanh",
			     "all_positions", v.all_positions);
	return *options ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: options of a network");
}

/* Class token and registers before the patches. */
static int join_others(struct thaw_graph *g, const struct vit *v, int x)
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
static int embed(struct thaw_graph *g, const struct vit *v)
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
static int pool(struct thaw_graph *g, const struct vit *v, int x)
{
	const struct naming *n = v->names;
	if (!v->mean_norm)
		x = thaw_layer_channel_norm(g, x, n->norm, v->channels, (float)v->epsilon);
	x = v->pool == MEAN ? thaw_layer_mean_token(g, x, "pool", (int)other_tokens(v))
			    : thaw_layer_one_token(g, x, "pool", 0);
	return v->mean_norm ? thaw_layer_channel_norm(g, x, n->mean_norm, v->channels, (float)v->epsilon) : x;
}

static thaw_status build(struct thaw_graph *g, const struct thaw_build *b)
{
	struct vit v = describe(b);
	char head[THAW_LAYER_NAME];
	THAW_TRY(read_options(&v, b->options));
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
			  thaw_weights_outputs(b->w, head, &thaw_shape_of(0, v.channels), b->classes), NULL);
	return thaw_graph_finish(g);
}

/* That of AugReg, or of transformers' ViT, at the size of the position embedding. */
static void preprocess(const struct thaw_build *b, struct thaw_preprocess *p)
{
	const struct vit v = describe(b);
	const int64_t patches = v.rows - (v.all_positions ? other_tokens(&v) : 0);
	const int side = (int)(llround(sqrt((double)patches)) * v.patch);
	*p = (struct thaw_preprocess){
		.size = {side, side},
		.resize = v.names->crops ? side * 10 / 9 : side,
		.mode = v.names->crops ? THAW_RESIZE_SHORTER : THAW_RESIZE_SQUASH,
		.filter = v.names->crops ? THAW_BICUBIC : THAW_BILINEAR,
		.mean = {0.5f, 0.5f, 0.5f},
		.std = {0.5f, 0.5f, 0.5f},
	};
}

const struct thaw_family thaw_family_vit = {
	.name = "vit",
	.variants = names,
	.classes = 1000,
	.recognise = recognise,
	.options = find_options,
	.build = build,
	.preprocess = preprocess,
};
