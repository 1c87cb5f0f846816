/* Swin Transformer (Liu et al., ICCV 2021), also with searched windows (S3: Chen et al., NeurIPS 2021), and Swin
 * Transformer V2 (Liu et al., CVPR 2022), with the names of timm, of the authors' files, of transformers and of
 * torchvision. The tensors decide all sizes but those of the images and, in V2, of the windows. */
#include "src/model/families/swin.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/family.h"

#define EPSILON 1e-5f /* of the norms of stem and merging, in all of these networks */

#define NAMES_OF_TIMM                                                                                                 \
	.maker = THAW_SWIN_TIMM, .patch = "patch_embed.proj", .patch_norm = "patch_embed.norm", .stage = "layers.",   \
	.block = ".blocks.", .merge = ".downsample", .step = 1, .norm = "norm", .norm1 = "norm1", .norm2 = "norm2",   \
	.project = "attn.proj", .fc1 = "mlp.fc1", .fc2 = "mlp.fc2", .qkv = "attn.qkv", .query_bias = "attn.q_bias",   \
	.value_bias = "attn.v_bias", .table = "attn.relative_position_bias_table", .logit_scale = "attn.logit_scale", \
	.mlp1 = "attn.cpb_mlp.0", .mlp2 = "attn.cpb_mlp.2"

static const struct thaw_swin_names timm = {NAMES_OF_TIMM, .head = "head.fc"};

/* The merging is at the end of a stage. */
static const struct thaw_swin_names authors = {NAMES_OF_TIMM, .merge_first = -1, .head = "head"};

static const struct thaw_swin_names transformers = {
	.maker = THAW_SWIN_TRANSFORMERS,
	.patch = "embeddings.patch_embeddings.projection",
	.patch_norm = "embeddings.norm",
	.stage = "encoder.layers.",
	.block = ".blocks.",
	.merge = ".downsample",
	.merge_first = -1,
	.step = 1,
	.norm = "layernorm",
	.head = "classifier",
	.norm1 = "layernorm_before",
	.norm2 = "layernorm_after",
	.project = "attention.output.dense",
	.fc1 = "intermediate.dense",
	.fc2 = "output.dense",
	.query = "attention.self.query",
	.key = "attention.self.key",
	.value = "attention.self.value",
	.table = "attention.self.relative_position_bias_table",
	.logit_scale = "attention.self.logit_scale",
	.mlp1 = "attention.self.continuous_position_bias_mlp.0",
	.mlp2 = "attention.self.continuous_position_bias_mlp.2",
};

static const struct thaw_swin_names torchvision = {
	.maker = THAW_SWIN_TORCHVISION,
	.patch = "features.0.0",
	.patch_norm = "features.0.2",
	.stage = "features.",
	.block = ".",
	.merge = "",
	.first = 1,
	.step = 2,
	.norm = "norm",
	.head = "head",
	.norm1 = "norm1",
	.norm2 = "norm2",
	.project = "attn.proj",
	.fc1 = "mlp.0",
	.fc2 = "mlp.3",
	.qkv = "attn.qkv",
	.table = "attn.relative_position_bias_table",
	.logit_scale = "attn.logit_scale",
	.mlp1 = "attn.cpb_mlp.0",
	.mlp2 = "attn.cpb_mlp.2",
	.index = "attn.relative_position_index",
	.coordinates = "attn.relative_coords_table",
};

static const struct {
	const struct thaw_swin_names *names;
	const char *base;
} namings[] = {
	{&timm, ""},         {&authors, ""},     {&transformers, "swin."}, {&transformers, "swinv2."},
	{&transformers, ""}, {&torchvision, ""},
};

/* Those of random networks, and names for files of V2 whose tensors do not show the windows. */
static const char *const variants[] = {
	"swin",
	"swin_tiny_patch4_window7_224",
	"swin_small_patch4_window7_224",
	"swin_base_patch4_window7_224",
	"swin_base_patch4_window12_384",
	"swin_large_patch4_window7_224",
	"swin_large_patch4_window12_384",
	"swinv2",
	"swinv2_tiny_window8_256",
	"swinv2_tiny_window16_256",
	"swinv2_small_window8_256",
	"swinv2_small_window16_256",
	"swinv2_base_window8_256",
	"swinv2_base_window16_256",
	"swinv2_base_window12_192",
	"swinv2_base_window12to16_192to256",
	"swinv2_base_window12to24_192to384",
	"swinv2_large_window12_192",
	"swinv2_large_window12to16_192to256",
	"swinv2_large_window12to24_192to384",
	NULL,
};

/* The start of the names of the blocks of stage i, before their numbers. */
static const char *stage_prefix(const struct thaw_swin *s, int i, char *name)
{
	const struct thaw_swin_names *n = s->names;
	snprintf(name, THAW_SWIN_NAME, "%s%s%d%s", s->base, n->stage, n->first + n->step * i, n->block);
	return name;
}

const char *thaw_swin_block_name(const struct thaw_swin *s, int i, int j, char *name)
{
	char prefix[THAW_SWIN_NAME];
	snprintf(name, THAW_SWIN_NAME, "%.*s%d", THAW_LAYER_NAME, stage_prefix(s, i, prefix), j);
	return name;
}

/* Of the merging before stage i. */
static const char *merge_name(const struct thaw_swin *s, int i, char *name)
{
	const struct thaw_swin_names *n = s->names;
	snprintf(name, THAW_SWIN_NAME, "%s%s%d%s", s->base, n->stage, n->merge_first + n->step * i, n->merge);
	return name;
}

/* The size of a tensor along an axis; 0 if the file does not have it. */
static int64_t size_of(const struct thaw_weights *w, const char *name, int axis)
{
	const struct thaw_named_tensor *t = thaw_weights_find(w, name);
	return t && axis < t->shape.ndim ? t->shape.dim[axis] : 0;
}

/* The same for a tensor of the first block of stage i. layer: NULL: 0. */
static int64_t size_in(const struct thaw_weights *w, const struct thaw_swin *s, int i, const char *layer,
		       const char *ending, int axis)
{
	char block[THAW_SWIN_NAME], name[2 * THAW_SWIN_NAME];
	snprintf(name, sizeof(name), "%s.%s%s", thaw_swin_block_name(s, i, 0, block), layer ? layer : "", ending);
	return layer ? size_of(w, name, axis) : 0;
}

static int count_stages(const struct thaw_weights *w, const struct thaw_swin *s)
{
	int i = 0;
	while (i < THAW_SWIN_STAGES && size_in(w, s, i, s->names->norm1, ".weight", 0) > 0)
		i++;
	return i;
}

/* Sets names, base, stages and v2. false: the file is not of a Swin Transformer. */
static bool find_names(struct thaw_swin *s, const struct thaw_weights *w)
{
	for (size_t k = 0; k < sizeof(namings) / sizeof(*namings); k++) {
		char merge[THAW_SWIN_NAME], name[2 * THAW_SWIN_NAME];
		const struct thaw_swin_names *n = namings[k].names;
		*s = (struct thaw_swin){.names = n, .base = namings[k].base};
		snprintf(name, sizeof(name), "%s%s.weight", s->base, n->patch);
		if (!thaw_weights_has_shape(w, name, &thaw_shape_of(0, 3, 0, 0)))
			continue;
		s->stages = count_stages(w, s);
		s->v2 = size_in(w, s, 0, n->logit_scale, "", 0) > 0;
		snprintf(name, sizeof(name), "%s.reduction.weight", merge_name(s, 1, merge));
		if ((s->v2 || size_in(w, s, 0, n->table, "", 0) > 0) && (s->stages == 1 || thaw_weights_find(w, name)))
			return true;
	}
	return false;
}

static const char *recognise(const struct thaw_weights *w)
{
	struct thaw_swin s;
	if (!find_names(&s, w))
		return NULL;
	return s.v2 ? "swinv2" : "swin";
}

/* The side of the windows, of which the tensors show the number of relative positions along one or both axes. */
static int64_t window_of(const struct thaw_weights *w, const struct thaw_swin *s, int i)
{
	const int64_t both = size_in(w, s, i, s->v2 ? NULL : s->names->table, "", 0);
	const int64_t one = s->v2 ? size_in(w, s, i, s->names->coordinates, "", 1) : llround(sqrt((double)both));
	return (one + 1) / 2;
}

static void measure(struct thaw_swin *s, const struct thaw_weights *w)
{
	char name[2 * THAW_SWIN_NAME];
	if (!find_names(s, w))
		return;
	const struct thaw_swin_names *n = s->names;
	snprintf(name, sizeof(name), "%s%s.weight", s->base, n->patch);
	s->patch = size_of(w, name, 2);
	s->qkv_bias = size_in(w, s, 0, n->qkv, ".bias", 0) > 0 || size_in(w, s, 0, n->query, ".bias", 0) > 0 ||
		      size_in(w, s, 0, n->query_bias, "", 0) > 0;
	for (int i = 0; i < s->stages; i++) {
		char suffix[THAW_LAYER_NAME];
		struct thaw_swin_stage *stage = &s->stage[i];
		snprintf(suffix, sizeof(suffix), ".%s.weight", n->norm1);
		stage->blocks = thaw_weights_count(w, stage_prefix(s, i, name), 0, suffix);
		stage->channels = size_in(w, s, i, n->norm1, ".weight", 0);
		stage->hidden = size_in(w, s, i, n->fc1, ".weight", 0);
		stage->heads = s->v2 ? size_in(w, s, i, n->logit_scale, "", 0) : size_in(w, s, i, n->table, "", 1);
		stage->window = window_of(w, s, i);
	}
}

/* The networks as published; the first whose name is in the variant's. */
static void default_sizes(struct thaw_swin *s, const char *variant)
{
	static const struct {
		const char *name;
		int channels, heads, third; /* third: blocks of the third stage */
	} sizes[] = {{"large", 192, 6, 18}, {"base", 128, 4, 18}, {"small", 96, 3, 18}, {"", 96, 3, 6}};
	int k = 0;
	while (!strstr(variant, sizes[k].name))
		k++;
	*s = (struct thaw_swin){.names = &timm,
				.base = "",
				.v2 = strncmp(variant, "swinv2", strlen("swinv2")) == 0,
				.qkv_bias = true,
				.patch = 4,
				.stages = 4};
	for (int i = 0; i < s->stages; i++)
		s->stage[i] = (struct thaw_swin_stage){
			.blocks = i == 2 ? sizes[k].third : 2,
			.channels = sizes[k].channels << i,
			.hidden = 4 * sizes[k].channels << i,
			.heads = sizes[k].heads << i,
		};
}

struct thaw_swin thaw_swin_describe(const struct thaw_architecture *a)
{
	struct thaw_swin s = {0};
	if (a->w)
		measure(&s, a->w);
	else
		default_sizes(&s, a->variant);
	thaw_swin_default_options(&s, a->variant);
	return s;
}

/* Features (N,side,side,C) as tokens. The sizes are given, since windows fit features of one size. */
static int to_tokens(struct thaw_graph *g, int x, int64_t side, const char *name)
{
	const struct thaw_attrs a = {.factors = {.count = 4,
						 .ndim = 3,
						 .axis = {0, 1, 2, 3},
						 .size = {0, side, side, 0},
						 .order = {0, 1, 2, 3},
						 .target = {0, 1, 1, 2}}};
	return thaw_graph_add(g, "reshape", name, &a, &x, 1);
}

static int to_features(struct thaw_graph *g, int x, int64_t side, const char *name)
{
	const struct thaw_attrs a = {.factors = {.count = 4,
						 .ndim = 4,
						 .axis = {0, 1, 1, 2},
						 .size = {0, side, side, 0},
						 .order = {0, 1, 2, 3},
						 .target = {0, 1, 2, 3}}};
	return thaw_graph_add(g, "reshape", name, &a, &x, 1);
}

/* Tokens (N,T,C) of side x side features. */
static int stem(struct thaw_graph *g, const struct thaw_swin *s)
{
	char patch[THAW_SWIN_NAME], norm[THAW_SWIN_NAME];
	snprintf(patch, sizeof(patch), "%s%s", s->base, s->names->patch);
	snprintf(norm, sizeof(norm), "%s%s", s->base, s->names->patch_norm);
	const struct thaw_conv_layer patches = {
		.name = patch,
		.in = 3,
		.out = s->stage[0].channels,
		.kernel = (int)s->patch,
		.stride = (int)s->patch,
		.bias = true,
	};
	thaw_graph_block(g, "stem");
	int x = to_tokens(g, thaw_layer_conv(g, 0, &patches), thaw_swin_grid_of(s, 0).side, "tokens");
	return thaw_layer_channel_norm(g, x, norm, s->stage[0].channels, EPSILON);
}

/* The features of 2x2 tokens, first those of the left column, as one token; to the channels of stage i. */
static int merge(struct thaw_graph *g, int x, const struct thaw_swin *s, int i)
{
	static const struct thaw_attrs one_more = {.after = {0, 1, 1}};
	static const struct thaw_attrs gather = {.factors = {.count = 6,
							     .ndim = 3,
							     .axis = {0, 1, 1, 2, 2, 3},
							     .size = {0, 0, 2, 0, 2, 0},
							     .order = {0, 1, 3, 4, 2, 5},
							     .target = {0, 1, 1, 2, 2, 2}}};
	const int64_t side = thaw_swin_grid_of(s, i - 1).side, in = 4 * s->stage[i - 1].channels;
	const int64_t out = s->stage[i].channels;
	char block[THAW_SWIN_NAME], name[2 * THAW_SWIN_NAME];
	thaw_graph_block(g, "%s", merge_name(s, i, block));
	snprintf(name, sizeof(name), "%s.features", block);
	x = to_features(g, x, side, name);
	snprintf(name, sizeof(name), "%s.pad", block);
	if (side % 2 == 1)
		x = thaw_graph_add(g, "pad", name, &one_more, &x, 1);
	snprintf(name, sizeof(name), "%s.gather", block);
	x = thaw_graph_add(g, "rearrange", name, &gather, &x, 1);
	snprintf(name, sizeof(name), "%s.norm", block);
	if (!s->v2)
		x = thaw_layer_channel_norm(g, x, name, in, EPSILON);
	snprintf(name, sizeof(name), "%s.reduction", block);
	x = thaw_layer_product(g, x, name, in, out);
	snprintf(name, sizeof(name), "%s.norm", block);
	return s->v2 ? thaw_layer_channel_norm(g, x, name, out, EPSILON) : x;
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	struct thaw_swin s = thaw_swin_describe(a);
	char norm[THAW_SWIN_NAME];
	THAW_TRY(thaw_swin_read_options(&s, a->options));
	const struct thaw_swin_stage *last = &s.stage[s.stages - 1];
	int x = stem(g, &s);
	for (int i = 0; i < s.stages; i++) {
		struct thaw_swin_shared shared;
		if (i > 0)
			x = merge(g, x, &s, i);
		thaw_swin_share(&shared, &s, i);
		for (int j = 0; j < s.stage[i].blocks; j++)
			x = thaw_swin_block(g, x, &s, i, j, &shared);
	}
	x = to_features(g, x, thaw_swin_grid_of(&s, s.stages - 1).side, "features");
	snprintf(norm, sizeof(norm), "%s%s", s.base, s.names->norm);
	x = thaw_layer_channel_norm(g, x, norm, last->channels, (float)s.epsilon);
	thaw_layer_classifier(g, x, s.names->head, last->channels, a->classes, 0, a->w);
	return thaw_graph_finish(g);
}

/* The side to which torchvision resizes images. */
static int torchvision_resize(const struct thaw_swin *s)
{
	enum { BASE = 128, DEEP = 18 };
	const bool base = s->stage[0].channels == BASE, small = !base && s->stage[s->stages > 2 ? 2 : 0].blocks == DEEP;
	if (s->v2)
		return base ? 272 : 260;
	return base ? 238 : small ? 246 : 232;
}

static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	struct thaw_swin s = thaw_swin_describe(a);
	if (thaw_swin_read_options(&s, a->options) != THAW_OK)
		return; /* `build` has failed then */
	const int side = (int)s.side, full = 384;
	thaw_preprocess_imagenet(p);
	p->size = thaw_square(side);
	p->filter = THAW_BICUBIC;
	if (s.names->maker == THAW_SWIN_TRANSFORMERS) {
		p->resize = side;
		p->mode = THAW_RESIZE_SQUASH;
	} else {
		p->resize = s.names->maker == THAW_SWIN_TORCHVISION ? torchvision_resize(&s)
			    : side == full                          ? side
								    : side * 10 / 9;
	}
}

static const char *const timm_names[] = {
	"swin_tiny_",   "swin_small_",   "swin_base_",   "swin_large_",   "swin_s3_",
	"swinv2_tiny_", "swinv2_small_", "swinv2_base_", "swinv2_large_", NULL,
};
static const char *const transformers_names[] = {"swin", "swinv2", NULL};
static const char *const buffers[] = {"relative_position_index", "relative_coords_table", "attn_mask", NULL};

const struct thaw_family thaw_family_swin = {
	.name = "swin",
	.variants = variants,
	.classes = 1000,
	.timm = timm_names,
	.transformers = transformers_names,
	.recognise = recognise,
	.buffers = buffers,
	.options = thaw_swin_find_options,
	.build = build,
	.preprocess = preprocess,
};
