/* MLP-Mixer (Tolstikhin et al., NeurIPS 2021) and ResMLP (Touvron et al., 2021) with the names of timm. Tokens are
 * (N,1,T,C): images of one row. The tensors decide all sizes. */
#include <math.h>
#include <stdio.h>

#include "src/base/try.h"
#include "src/model/families/channels.h"
#include "src/model/families/nonlinearity.h"
#include "src/model/families/timm_config.h"
#include "src/model/families/tokens.h"
#include "src/model/family.h"

#define RGB     3
#define EPSILON 1e-6f

struct mixer {
	int64_t channels, patch, tokens;
	int64_t tokens_hidden; /* of the MLP over tokens; 0: one layer, ResMLP */
	int64_t hidden;        /* of the MLP over channels */
	int blocks;
	enum thaw_nonlinearity act; /* an option */
};

/* Random networks have these names; one of a file is called "mixer". */
static const char *const variants[] = {"mixer", "mixer_s16_224", NULL};

static const char *in_block(char *text, int block, const char *layer)
{
	snprintf(text, THAW_LAYER_NAME, "blocks.%d.%s", block, layer);
	return text;
}

/* Size of a tensor along an axis; 0 if the file does not have it, or not this axis. */
static int64_t size_of(const struct thaw_weights *w, const char *name, int axis)
{
	const struct thaw_named_tensor *t = thaw_weights_find(w, name);
	return t && axis < t->shape.ndim ? t->shape.dim[axis] : 0;
}

/* Sets the sizes; false if the tensors are those of another network. In gMixer, fc1 has twice the channels that fc2
 * reads. */
static bool measure(struct mixer *v, const struct thaw_weights *w)
{
	char name[THAW_LAYER_NAME];
	*v = (struct mixer){
		.channels = size_of(w, "stem.proj.weight", 0),
		.patch = size_of(w, "stem.proj.weight", 3),
		.tokens_hidden = size_of(w, "blocks.0.mlp_tokens.fc1.weight", 0),
		.hidden = size_of(w, "blocks.0.mlp_channels.fc1.weight", 0),
	};
	v->tokens = size_of(
		w, v->tokens_hidden > 0 ? "blocks.0.mlp_tokens.fc1.weight" : "blocks.0.linear_tokens.weight", 1);
	while (size_of(w, in_block(name, v->blocks, "mlp_channels.fc2.weight"), 1) > 0)
		v->blocks++;
	return size_of(w, "stem.proj.weight", 1) == RGB && v->blocks > 0 && v->tokens > 0 &&
	       size_of(w, "blocks.0.mlp_channels.fc2.weight", 1) == v->hidden &&
	       size_of(w, "blocks.0.mlp_tokens.fc2.weight", 1) == v->tokens_hidden;
}

static const char *recognise(const struct thaw_weights *w)
{
	struct mixer v;
	return measure(&v, w) ? variants[0] : NULL;
}

static struct mixer describe(const struct thaw_architecture *a)
{
	struct mixer v = {
		.channels = 512, .patch = 16, .tokens = 196, .tokens_hidden = 256, .hidden = 2048, .blocks = 8};
	if (a->w)
		measure(&v, a->w);
	v.act = THAW_NL_GELU;
	return v;
}

static thaw_status find_options(json_t **options, const struct thaw_architecture *a, const json_t *config,
				const char *source)
{
	static const char *const known[] = {"patch_size", "num_blocks", "embed_dim",      "mlp_ratio",
					    "act_layer",  "nlhb",       "proj_drop_rate", NULL};
	struct mixer v = describe(a);
	THAW_TRY(thaw_check_timm_arguments(config, known, "MLP-Mixer", source));
	THAW_TRY(thaw_config_function(&v.act, json_object_get(config, "model_args"), "act_layer", "MLP-Mixer", source));
	*options = json_pack("{s:s}", "act", thaw_nonlinearity_name(v.act));
	return thaw_check_options_made(*options);
}

static thaw_status read_options(struct mixer *v, const json_t *options)
{
	const char *act = thaw_config_text_of(options, "act", "gelu");
	return act && thaw_nonlinearity_find(act, &v->act) ? THAW_OK : thaw_refuse_options("mixer");
}

/* A layer norm, or ResMLP's factors and shifts of channels. */
static int norm(struct thaw_graph *g, int x, const struct mixer *v, const char *name)
{
	char part[THAW_LAYER_NAME + 8];
	if (v->tokens_hidden > 0)
		return thaw_layer_channel_norm(g, x, name, v->channels, EPSILON);
	snprintf(part, sizeof(part), "%s.alpha", name);
	x = thaw_layer_scale_channels(g, x, part, v->channels, THAW_CHANNELS_11C);
	snprintf(part, sizeof(part), "%s.beta", name);
	return thaw_layer_shift_channels(g, x, part, v->channels, THAW_CHANNELS_11C);
}

/* Layers "PART.fc1" and "PART.fc2" of the block over the last axis. */
static int mlp(struct thaw_graph *g, int x, const struct mixer *v, int block, const char *part, int64_t size,
	       int64_t hidden)
{
	char layer[THAW_LAYER_NAME / 2], name[THAW_LAYER_NAME];
	snprintf(layer, sizeof(layer), "%s.fc1", part);
	x = thaw_layer_linear(g, x, in_block(name, block, layer), size, hidden, NULL);
	x = thaw_layer_nonlinearity(g, x, name, v->act);
	snprintf(layer, sizeof(layer), "%s.fc2", part);
	return thaw_layer_linear(g, x, in_block(name, block, layer), hidden, size, NULL);
}

/* Exchanges tokens and channels. */
static int transpose(struct thaw_graph *g, int x, int block, const char *name)
{
	const struct thaw_attrs a = {
		.factors = {
			.count = 4, .ndim = 4, .axis = {0, 1, 2, 3}, .order = {0, 1, 3, 2}, .target = {0, 1, 2, 3}}};
	char text[THAW_LAYER_NAME];
	return thaw_graph_add(g, "rearrange", in_block(text, block, name), &a, &x, 1);
}

/* x + the branch, with ResMLP's factors of channels. */
static int add_branch(struct thaw_graph *g, int x, int branch, const struct mixer *v, int block, int i)
{
	char layer[16], name[THAW_LAYER_NAME];
	snprintf(layer, sizeof(layer), "ls%d", i);
	if (v->tokens_hidden == 0)
		branch = thaw_layer_scale_channels(g, branch, in_block(name, block, layer), v->channels,
						   THAW_CHANNELS_C);
	snprintf(layer, sizeof(layer), "add%d", i);
	return thaw_layer_add(g, branch, x, in_block(name, block, layer));
}

static int add_block(struct thaw_graph *g, int x, const struct mixer *v, int block)
{
	char name[THAW_LAYER_NAME];
	thaw_graph_block(g, "blocks.%d", block);
	int y = transpose(g, norm(g, x, v, in_block(name, block, "norm1")), block, "to_channels");
	y = v->tokens_hidden > 0
		    ? mlp(g, y, v, block, "mlp_tokens", v->tokens, v->tokens_hidden)
		    : thaw_layer_linear(g, y, in_block(name, block, "linear_tokens"), v->tokens, v->tokens, NULL);
	x = add_branch(g, x, transpose(g, y, block, "to_tokens"), v, block, 1);
	y = norm(g, x, v, in_block(name, block, "norm2"));
	y = mlp(g, y, v, block, "mlp_channels", v->channels, v->hidden);
	return add_branch(g, x, y, v, block, 2);
}

static int stem(struct thaw_graph *g, const struct mixer *v)
{
	const struct thaw_attrs row = {
		.factors = {
			.count = 4, .ndim = 4, .axis = {0, 1, 2, 3}, .order = {0, 1, 2, 3}, .target = {0, 2, 2, 3}}};
	const struct thaw_conv_layer patches = {
		.name = "stem.proj",
		.in = RGB,
		.out = v->channels,
		.kernel = (int)v->patch,
		.stride = (int)v->patch,
		.bias = true,
	};
	thaw_graph_block(g, "stem");
	int x = thaw_layer_conv(g, 0, &patches);
	return thaw_graph_add(g, "reshape", "tokens", &row, &x, 1);
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	struct mixer v = describe(a);
	THAW_TRY(read_options(&v, a->options));
	int x = stem(g, &v);
	for (int i = 0; i < v.blocks; i++)
		x = add_block(g, x, &v, i);
	thaw_layer_classifier(g, norm(g, x, &v, "norm"), "head", v.channels, a->classes, 0, a->w);
	return thaw_graph_finish(g);
}

/* That of timm's networks; ResMLP has ImageNet's mean and deviation. */
static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	const struct mixer v = describe(a);
	const int side = (int)(llround(sqrt((double)v.tokens)) * v.patch);
	thaw_preprocess_imagenet(p);
	p->size.height = p->size.width = side;
	p->resize = side * 8 / 7;
	p->filter = THAW_BICUBIC;
	for (int c = 0; c < RGB && v.tokens_hidden > 0; c++)
		p->mean[c] = p->std[c] = 0.5f;
}

static const char *const timm_names[] = {"mixer_", "resmlp_", NULL};

const struct thaw_family thaw_family_mixer = {
	.name = "mixer",
	.variants = variants,
	.classes = 1000,
	.timm = timm_names,
	.recognise = recognise,
	.measured = true,
	.options = find_options,
	.build = build,
	.preprocess = preprocess,
};
