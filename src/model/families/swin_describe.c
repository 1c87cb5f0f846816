/* What is known of a Swin Transformer without config.json: the names in its file, and sizes. The tensors decide all but
 * the size of the images and, in V2, of the windows. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/model/families/swin.h"

#define EPSILON 1e-5

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

const char *thaw_swin_merge_name(const struct thaw_swin *s, int i, char *name)
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
		snprintf(name, sizeof(name), "%s.reduction.weight", thaw_swin_merge_name(s, 1, merge));
		if ((s->v2 || size_in(w, s, 0, n->table, "", 0) > 0) && (s->stages == 1 || thaw_weights_find(w, name)))
			return true;
	}
	return false;
}

const char *thaw_swin_recognise(const struct thaw_weights *w)
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
	if (!find_names(s, w)) {
		s->stages = 0;
		return;
	}
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

/* Windows by timm's name: "window12to16_192to256" was trained first with windows of 12, for images of 192, whose
 * last features have a side of 6. */
static void read_windows(struct thaw_swin *s, const char *name)
{
	enum { FIRST_SIDE = 192 };
	static const char mark[] = "window";
	const char *at = strstr(name, mark);
	char *end = NULL;
	int64_t window = at ? strtol(at + sizeof(mark) - 1, &end, 10) : 0, pretrained = 0;
	if (end && strncmp(end, "to", 2) == 0) {
		pretrained = window;
		window = strtol(end + 2, NULL, 10);
	}
	for (int i = 0; i < s->stages && window > 0 && window <= THAW_MAX_SIDE; i++) {
		const int64_t features = FIRST_SIDE / s->patch >> i;
		s->stage[i].window = window;
		s->stage[i].pretrained = pretrained < features ? pretrained : features;
	}
}

/* The networks as published; the first whose name is in the variant's. */
static void default_sizes(struct thaw_swin *s, const char *variant)
{
	static const struct {
		const char *name;
		int channels, heads, third; /* third: blocks of the third stage */
	} sizes[] = {{"large", 192, 6, 18}, {"base", 128, 4, 18}, {"small", 96, 3, 18}, {"", 96, 3, 6}};
	enum { WINDOW = 7, WINDOW_V2 = 8 };
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
			.window = s->v2 ? WINDOW_V2 : WINDOW,
		};
	read_windows(s, variant);
}

/* The size of images that timm's name ends with, such as 224; 0: none. */
static int64_t side_in(const char *name)
{
	size_t length = strcspn(name, "."), digits = 0;
	if (!strchr(name, '_')) /* "swinv2" */
		return 0;
	while (digits < length && strchr("0123456789", name[length - digits - 1]))
		digits++;
	return strtol(name + length - digits, NULL, 10);
}

void thaw_swin_default_options(struct thaw_swin *s, const char *name)
{
	s->epsilon = EPSILON;
	s->act = THAW_NL_GELU;
	if (s->stages < 1 || s->patch < 1)
		return;
	if (s->v2)
		read_windows(s, name);
	s->side = side_in(name);
	if (s->side == 0) /* customary: the last features are one window */
		s->side = (s->patch << (s->stages - 1)) * s->stage[s->stages - 1].window;
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
