/* Options of vision transformers: what the tensors do not show. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/families/timm_config.h"
#include "src/model/families/vit.h"

enum {
	HEAD_SIZE = 64,  /* channels of a head, */
	WIDE = 1024,     /* but from so many channels on */
	WIDE_HEADS = 16, /* there are so many heads, in the networks of timm and of transformers */
	GIANT = 1536,    /* channels of networks that have either these heads or those: */
	GIANT_HEADS = 24,
	HEADS_TRANSFORMERS = 12, /* where its config.json is silent; */
	HEADS_DINOV3 = 6,        /* of DINOv3 */
	ROTARY_WIDE = 4096,      /* channels of DINOv3 whose heads have twice as many */
	ROTARY_SIDE = 256,       /* of the images of timm's DINOv3; of transformers': */
	ROTARY_SIDE_HF = 224,
	LONGEST = 100,      /* period of DINOv3 */
	LARGEST_GRID = 128, /* patches along a side; bounds the tables of the rotary embedding */
};

#define FAMILY      "vision transformer"
#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static const char *const pool_names[THAW_VIT_POOLS] = {"token", "mean", "token and mean", "two tokens", "attention"};

/* The preprocessing of the networks, by names that are recorded. The customs of transformers are after those of timm.
 */
static const struct {
	const char *name;
	enum thaw_resize_mode mode;
	enum thaw_filter filter;
	int percent; /* of the shorter side that the crop has */
	float mean[3], std[3];
} customs[] = {
#define HALF                     \
	{0.5f, 0.5f, 0.5f},      \
	{                        \
		0.5f, 0.5f, 0.5f \
	}
#define IMAGENET                       \
	{0.485f, 0.456f, 0.406f},      \
	{                              \
		0.229f, 0.224f, 0.225f \
	}
#define CLIP                                          \
	{0.48145466f, 0.4578275f, 0.40821073f},       \
	{                                             \
		0.26862954f, 0.26130258f, 0.27577711f \
	}
	{"augreg", THAW_RESIZE_SHORTER, THAW_BICUBIC, 90, HALF},
	{"deit", THAW_RESIZE_SHORTER, THAW_BICUBIC, 90, IMAGENET},
	{"dinov2", THAW_RESIZE_SHORTER, THAW_BICUBIC, 100, IMAGENET},
	{"clip", THAW_RESIZE_SHORTER, THAW_BICUBIC, 100, CLIP},
	{"vit", THAW_RESIZE_SQUASH, THAW_BILINEAR, 100, HALF},
	{"dinov3", THAW_RESIZE_SQUASH, THAW_BILINEAR, 100, IMAGENET},
	{"siglip", THAW_RESIZE_SQUASH, THAW_BICUBIC, 100, HALF},
};

static int custom_of(const char *name)
{
	size_t i = COUNT(customs) - 1;
	while (i > 0 && strcmp(customs[i].name, name) != 0)
		i--;
	return (int)i;
}

void thaw_vit_preprocess(const struct thaw_vit *v, int side, struct thaw_preprocess *p)
{
	*p = (struct thaw_preprocess){
		.size = {side, side},
		.resize = side * 100 / customs[v->custom].percent,
		.mode = customs[v->custom].mode,
		.filter = customs[v->custom].filter,
	};
	memcpy(p->mean, customs[v->custom].mean, sizeof(p->mean));
	memcpy(p->std, customs[v->custom].std, sizeof(p->std));
}

static bool is_square(int64_t n)
{
	int64_t side = llround(sqrt((double)n));
	return side * side == n;
}

static enum thaw_vit_pool customary_pool(const struct thaw_vit *v)
{
	const bool classifies = v->head_inputs > 0;
	if (v->names->naming == THAW_VIT_CLIP)
		return classifies ? THAW_VIT_MEAN : v->pool_hidden > 0 ? THAW_VIT_ATTENTION : THAW_VIT_TOKEN;
	if (v->pool_hidden > 0)
		return THAW_VIT_ATTENTION;
	if (!v->class_token || v->mean_norm || (v->names->rotary && v->names->naming == THAW_VIT_TIMM))
		return THAW_VIT_MEAN;
	if (v->second_token && v->head_inputs == 2 * v->block.channels)
		return THAW_VIT_TWO_TOKENS;
	return v->names->naming == THAW_VIT_DINOV2 && (!classifies || v->head_inputs == 2 * v->block.channels)
		       ? THAW_VIT_TOKEN_AND_MEAN
		       : THAW_VIT_TOKEN;
}

static void default_rotary(struct thaw_vit *v)
{
	v->block.heads = (int)(v->block.channels / HEAD_SIZE / (v->block.channels == ROTARY_WIDE ? 2 : 1));
	v->block.norm.epsilon = 1e-5f;
	v->all_positions = false;
	v->side = v->names->naming == THAW_VIT_TIMM ? ROTARY_SIDE : ROTARY_SIDE_HF;
	v->longest = LONGEST;
	v->custom = custom_of(v->names->naming == THAW_VIT_TIMM ? "dinov2" : "dinov3");
}

void thaw_vit_default_options(struct thaw_vit *v)
{
	static const double epsilons[] = {[THAW_VIT_TIMM] = 1e-6,
					  [THAW_VIT_HF] = 1e-12,
					  [THAW_VIT_DINOV2] = 1e-6,
					  [THAW_VIT_CLIP] = 1e-6,
					  [THAW_VIT_DINOV3] = 1e-5};
	static const char *const preprocessing[] = {[THAW_VIT_TIMM] = "augreg",
						    [THAW_VIT_HF] = "vit",
						    [THAW_VIT_DINOV2] = "dinov2",
						    [THAW_VIT_CLIP] = "siglip",
						    [THAW_VIT_DINOV3] = "dinov3"};
	const enum thaw_vit_naming naming = v->names->naming;
	v->block.heads = (int)(v->block.channels >= WIDE ? WIDE_HEADS : v->block.channels / HEAD_SIZE);
	v->block.norm.epsilon = (float)(v->first_norm ? 1e-5 : epsilons[naming]);
	v->block.function = v->block.gated ? THAW_NL_SILU : THAW_NL_GELU;
	if (naming == THAW_VIT_CLIP)
		v->block.function = v->first_norm ? THAW_NL_QUICK_GELU : THAW_NL_GELU_TANH;
	v->pool = customary_pool(v);
	v->all_positions = !is_square(v->rows) || thaw_vit_other_tokens(v) == 0;
	v->plain_cubic = naming != THAW_VIT_TIMM && v->registers == 0;
	v->custom = custom_of(v->first_norm ? "clip" : preprocessing[naming]);
	if (v->names->rotary)
		default_rotary(v);
}

/* A network that vit.c does not build. value: NULL: not a text. */
static thaw_status refuse(const char *key, const char *value, const char *source)
{
	return thaw_refuse_config(FAMILY, key, value, source);
}

/* 0: not a number of heads. */
static int heads_from(const json_t *number, const struct thaw_vit *v)
{
	json_int_t heads = json_integer_value(number);
	return heads >= 1 && heads <= v->block.channels ? (int)heads : 0;
}

static bool contains_one(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(text, list[i]))
			return true;
	return false;
}

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(text, list[i]) == 0)
			return true;
	return false;
}

static bool is_epsilon(float epsilon)
{
	return epsilon > 0 && epsilon < 1;
}

static thaw_status read_epsilon(struct thaw_vit *v, double epsilon, const char *source)
{
	char text[32];
	snprintf(text, sizeof(text), "%g", epsilon);
	v->block.norm.epsilon = (float)epsilon;
	return is_epsilon(v->block.norm.epsilon) ? THAW_OK : refuse("layer_norm_eps", text, source);
}

static thaw_status read_transformers(struct thaw_vit *v, const json_t *config, const char *source)
{
	const json_t *tower = json_object_get(config, "vision_config");
	const json_t *c = json_is_object(tower) ? tower : config;
	const json_t *heads = json_object_get(c, "num_attention_heads"),
		     *epsilon = json_object_get(c, "layer_norm_eps");
	v->block.heads = heads ? heads_from(heads, v) : v->names->rotary ? HEADS_DINOV3 : HEADS_TRANSFORMERS;
	if (epsilon)
		THAW_TRY(read_epsilon(v, json_number_value(epsilon), source));
	if (strcmp(thaw_config_text_of(config, "model_type", ""), "deit") == 0)
		v->custom = custom_of("deit");
	if (json_object_get(c, "rope_theta"))
		v->longest = json_number_value(json_object_get(c, "rope_theta"));
	if (v->names->rotary && json_object_get(c, "image_size"))
		v->side = json_integer_value(json_object_get(c, "image_size"));
	/* The gate of DINOv2 is always SiLU. */
	if (v->block.gated && v->names->naming == THAW_VIT_DINOV2)
		return THAW_OK;
	return thaw_config_function(&v->block.function, c, "hidden_act", FAMILY, source);
}

static thaw_status read_pool(struct thaw_vit *v, const char *pool, const char *source)
{
	static const char *const names[THAW_VIT_POOLS] = {
		[THAW_VIT_TOKEN] = "token", [THAW_VIT_MEAN] = "avg", [THAW_VIT_ATTENTION] = "map"};
	for (int i = 0; i < THAW_VIT_POOLS; i++) {
		if (pool && names[i] && strcmp(names[i], pool) == 0) {
			if (i != THAW_VIT_TOKEN || v->pool != THAW_VIT_TWO_TOKENS)
				v->pool = (enum thaw_vit_pool)i;
			return THAW_OK;
		}
	}
	return refuse("global_pool", pool, source);
}

/* An argument of timm that tensors do not show; *known: false if it is not one of these, or not of their type. */
static thaw_status read_argument(struct thaw_vit *v, const json_t *arguments, const char *key, bool *known,
				 const char *source)
{
	const json_t *value = json_object_get(arguments, key);
	*known = true;
	if (strcmp(key, "num_heads") == 0)
		v->block.heads = heads_from(value, v);
	else if (strcmp(key, "no_embed_class") == 0 && json_is_boolean(value))
		v->all_positions = !json_is_true(value);
	else if (strcmp(key, "pool_include_prefix") == 0 && json_is_boolean(value))
		v->pool_all = json_is_true(value);
	else if (strcmp(key, "global_pool") == 0)
		return read_pool(v, json_string_value(value), source);
	else if (strcmp(key, "act_layer") == 0)
		return thaw_config_function(&v->block.function, arguments, key, FAMILY, source);
	else
		*known = false;
	return THAW_OK;
}

/* timm's model_args. Those that the tensors show, and those of training, are passed over. */
static thaw_status read_arguments(struct thaw_vit *v, json_t *arguments, const char *source)
{
	static const char *const passed[] = {
		"num_classes",    "img_size",       "patch_size",       "embed_dim",       "depth",
		"mlp_ratio",      "class_token",    "reg_tokens",       "init_values",     "fc_norm",
		"in_chans",       "drop_rate",      "qkv_bias",         "pre_norm",        "final_norm",
		"drop_path_rate", "num_features",   "dynamic_img_size", "weight_init",     "proj_bias",
		"fix_init",       "attn_drop_rate", "strict_img_size",  "dynamic_img_pad", "proj_drop_rate"};
	const char *key;
	json_t *value;
	json_object_foreach(arguments, key, value)
	{
		bool known = is_one_of(key, passed, COUNT(passed));
		if (!known)
			THAW_TRY(read_argument(v, arguments, key, &known, source));
		if (!known)
			return refuse("model_args", key, source);
	}
	return THAW_OK;
}

/* What timm's name says. Some that begin in the same way have other tokens, positions or blocks. */
static thaw_status read_name(struct thaw_vit *v, const char *name, const char *source)
{
	static const char *const others[] = {"rope", "_pe_", "sapiens"};
	static const char *const rotary[] = {"dinov3", "lingbot"};
	static const char *const exact[] = {"vit_base_patch32_siglip_256", "vit_base_patch32_siglip_gap_256",
					    "vit_large_patch16_siglip_512",
					    "vit_large_patch16_siglip_gap_512"}; /* of SigLIP 2 */
	static const char *const tanh_parts[] = {"siglip_tanh", "so400m_patch16_siglip", "giantopt"};
	char plain[96];
	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(name, "."), name);
	if (contains_one(plain, others, COUNT(others)) ||
	    contains_one(plain, rotary, COUNT(rotary)) != v->names->rotary ||
	    (strstr(plain, "_clip") != NULL) != v->first_norm)
		return refuse("architecture", name, source);
	if (strstr(plain, "quickgelu"))
		v->block.function = THAW_NL_QUICK_GELU;
	if (is_one_of(plain, exact, COUNT(exact)) || contains_one(plain, tanh_parts, COUNT(tanh_parts)))
		v->block.function = THAW_NL_GELU_TANH;
	if (strncmp(plain, "aimv2_", strlen("aimv2_")) == 0 || strncmp(plain, "beit3_", strlen("beit3_")) == 0)
		v->block.norm.epsilon = 1e-5f;
	if (strncmp(plain, "aimv2_", strlen("aimv2_")) == 0)
		v->block.heads = (int)(v->block.channels / 128);
	v->block.norm_last = strstr(plain, "_rpn_") != NULL;
	if (strstr(plain, "lingbot"))
		v->pool = THAW_VIT_TOKEN;
	v->pool_all = strcmp(plain, "test_vit3") == 0;
	if (strncmp(plain, "test_vit", strlen("test_vit")) == 0)
		v->block.heads = (int)(v->block.channels / 32);
	if (strcmp(plain, "vit_base_patch16_gap_224") == 0)
		v->block.heads = WIDE_HEADS;
	if (v->block.channels == GIANT && !v->names->rotary && !strstr(plain, "siglip") &&
	    strncmp(plain, "vit_", 4) == 0)
		v->block.heads = GIANT_HEADS;
	if (strncmp(plain, "deit", strlen("deit")) == 0)
		v->custom = custom_of("deit");
	else if (strstr(plain, "dinov2"))
		v->custom = custom_of("dinov2");
	return THAW_OK;
}

static thaw_status read_timm(struct thaw_vit *v, const json_t *config, const char *architecture, const char *source)
{
	const json_t *pretrained = json_object_get(config, "pretrained_cfg");
	const json_t *size = json_object_get(pretrained ? pretrained : config, "input_size");
	THAW_TRY(read_name(v, architecture, source));
	if (v->names->rotary && json_array_size(size) == 3) { /* channels, rows, columns */
		v->side = json_integer_value(json_array_get(size, 1));
		if (json_integer_value(json_array_get(size, 2)) != v->side)
			return refuse("input_size", NULL, source);
	}
	if (json_object_get(config, "global_pool"))
		THAW_TRY(read_pool(v, thaw_config_text_of(config, "global_pool", NULL), source));
	return read_arguments(v, json_object_get(config, "model_args"), source);
}

/* Without a name, the tensors must decide. */
static thaw_status check_unnamed(const struct thaw_vit *v, const char *source)
{
	const enum thaw_vit_naming naming = v->names->naming;
	if (v->first_norm)
		return thaw_fail(THAW_CONFIG,
				 "a vision transformer of CLIP, whose non-linearity its tensors do not show: %s: give "
				 "--model vit_clip_quickgelu:FILE for OpenAI's, or vit_clip:FILE for OpenCLIP's",
				 source);
	if (v->pool_hidden > 0 && naming == THAW_VIT_TIMM)
		return thaw_fail(
			THAW_CONFIG,
			"a vision transformer of SigLIP, whose non-linearity its tensors do not show: %s: give "
			"--model vit_siglip_tanh:FILE, or vit_siglip:FILE for timm's first ones",
			source);
	if (v->block.channels == GIANT || v->names->rotary || v->block.inner_norms || v->block.norm.rms ||
	    v->block.heads == 0)
		return thaw_fail(THAW_CONFIG,
				 "a vision transformer whose heads or constants its tensors do not show: %s: put its "
				 "config.json beside it",
				 source);
	return THAW_OK;
}

thaw_status thaw_vit_read_config(struct thaw_vit *v, const json_t *config, const char *variant, const char *source)
{
	const char *architecture = thaw_config_text_of(config, "architecture", "");
	if (!architecture)
		return refuse("architecture", NULL, source);
	if (!*architecture)
		architecture = NULL;
	if (v->names->naming == THAW_VIT_TIMM && (architecture || variant))
		return read_timm(v, config, architecture ? architecture : variant, source);
	if (variant && v->first_norm)
		v->block.function = strstr(variant, "quickgelu") ? THAW_NL_QUICK_GELU : THAW_NL_GELU;
	if (v->names->naming != THAW_VIT_TIMM && json_object_get(config, "model_type"))
		return read_transformers(v, config, source);
	return variant ? THAW_OK : check_unnamed(v, source);
}

thaw_status thaw_vit_write_options(json_t **options, const struct thaw_vit *v)
{
	*options = json_pack("{s:i, s:f, s:s, s:s, s:b, s:b, s:b, s:s}", "heads", v->block.heads, "epsilon",
			     (double)v->block.norm.epsilon, "pool", pool_names[v->pool], "function",
			     thaw_nonlinearity_name(v->block.function), "all_positions", v->all_positions, "pool_all",
			     v->pool_all, "norm_last", v->block.norm_last, "preprocessing", customs[v->custom].name);
	if (v->names->rotary && json_object_update_new(*options, json_pack("{s:I, s:f}", "side", (json_int_t)v->side,
									   "longest_period", v->longest)) != 0) {
		json_decref(*options);
		*options = NULL;
	}
	return thaw_check_options_made(*options);
}

static bool has_pooled(const struct thaw_vit *v)
{
	if (v->pool == THAW_VIT_ATTENTION)
		return v->pool_hidden > 0;
	if (v->pool == THAW_VIT_TWO_TOKENS && !v->second_token)
		return false;
	return v->pool == THAW_VIT_MEAN || v->class_token;
}

static thaw_status check_rotary(const struct thaw_vit *v)
{
	const int64_t size = v->block.channels / v->block.heads;
	if (size % 4 != 0)
		return thaw_fail(THAW_CONFIG,
				 "rotary position embedding in heads of %lld channels: vit: config.json must have a "
				 "number of heads with a multiple of 4",
				 (long long)size);
	if (v->side < v->patch || v->side / v->patch > LARGEST_GRID)
		return thaw_fail(THAW_CONFIG,
				 "images of %lld pixels in patches of %lld: vit: config.json must have square images "
				 "of 1 to %d patches a side as input_size (timm) or image_size (transformers)",
				 (long long)v->side, (long long)v->patch, LARGEST_GRID);
	if (!(v->longest >= 1))
		return thaw_fail(THAW_CONFIG,
				 "rotary position embedding with a period of %g: vit: config.json must have at least 1 "
				 "as rope_theta",
				 v->longest);
	return THAW_OK;
}

static thaw_status check_options(const struct thaw_vit *v)
{
	if (v->block.heads < 1 || v->block.channels % v->block.heads != 0)
		return thaw_fail(
			THAW_CONFIG,
			"%d heads for %lld channels: vit: config.json must have a number that divides the channels "
			"as num_heads (timm) or num_attention_heads (transformers)",
			v->block.heads, (long long)v->block.channels);
	if (v->names->rotary)
		THAW_TRY(check_rotary(v));
	if (!is_epsilon(v->block.norm.epsilon))
		return thaw_fail(THAW_CONFIG, "layer norm with a constant of %g: vit: it must be above 0 and below 1",
				 (double)v->block.norm.epsilon);
	if (!has_pooled(v))
		return thaw_fail(THAW_CONFIG,
				 "no tensors for the pooling \"%s\", which the classifier reads: vit: the file or its "
				 "config.json is of another network",
				 pool_names[v->pool]);
	return THAW_OK;
}

/* By the name that is recorded. */
static bool find_pool(enum thaw_vit_pool *pool, const char *name)
{
	for (int i = 0; i < THAW_VIT_POOLS; i++) {
		*pool = (enum thaw_vit_pool)i;
		if (strcmp(pool_names[i], name) == 0)
			return true;
	}
	return false;
}

thaw_status thaw_vit_read_options(struct thaw_vit *v, const json_t *options)
{
	const char *pool = "", *function = "", *custom = "";
	double epsilon = (double)v->block.norm.epsilon;
	json_int_t side = (json_int_t)v->side;
	int all = v->all_positions, pool_all = v->pool_all, last = v->block.norm_last;
	if (!options)
		return check_options(v);
	if (json_unpack((json_t *)options, "{s:i, s:F, s:s, s:s, s:b, s:b, s:b, s:s, s?I, s?F}", "heads",
			&v->block.heads, "epsilon", &epsilon, "pool", &pool, "function", &function, "all_positions",
			&all, "pool_all", &pool_all, "norm_last", &last, "preprocessing", &custom, "side", &side,
			"longest_period", &v->longest) != 0 ||
	    !thaw_nonlinearity_find(function, &v->block.function) || !find_pool(&v->pool, pool) ||
	    strcmp(customs[custom_of(custom)].name, custom) != 0)
		return thaw_refuse_options("vit");
	v->block.norm.epsilon = (float)epsilon;
	v->all_positions = all;
	v->pool_all = pool_all;
	v->side = (int64_t)side;
	v->block.norm_last = last;
	v->custom = custom_of(custom);
	return check_options(v);
}
