/* Options of vision transformers: what the tensors do not show. */
#include <math.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/families/vit.h"
#include "src/model/unknown_network.h"

enum {
	HEAD_SIZE = 64,  /* channels of a head, */
	WIDE = 1024,     /* but from so many channels on */
	WIDE_HEADS = 16, /* there are so many heads, in the networks of timm and of transformers */
};

#define EPSILON_TIMM         1e-6
#define EPSILON_TRANSFORMERS 1e-12

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static bool is_square(int64_t n)
{
	int64_t side = llround(sqrt((double)n));
	return side * side == n;
}

void thaw_vit_default_options(struct thaw_vit *v)
{
	v->heads = (int)(v->channels >= WIDE ? WIDE_HEADS : v->channels / HEAD_SIZE);
	v->epsilon = v->names->timm ? EPSILON_TIMM : EPSILON_TRANSFORMERS;
	v->function = THAW_FN_GELU;
	v->mean = !v->class_token || v->mean_norm;
	v->all_positions = !is_square(v->rows) || thaw_vit_other_tokens(v) == 0;
}

/* A network that vit.c does not build. value: NULL: not a text. */
static thaw_status refuse(const char *key, const char *value, const char *source)
{
	return thaw_fail(
		THAW_CONFIG,
		"a vision transformer that is not known, \"%s\"%s%.60s: config.json beside %s: " THAW_EXPORT_HOW, key,
		value ? " is " : "", value ? value : "", source);
}

/* 0: not a number of heads. */
static int heads_from(const json_t *number, const struct thaw_vit *v)
{
	json_int_t heads = json_integer_value(number);
	return heads >= 1 && heads <= v->channels ? (int)heads : 0;
}

/* A text, or `fallback` if the key is absent or null; NULL: another type. */
static const char *text_of(const json_t *config, const char *key, const char *fallback)
{
	const json_t *value = json_object_get(config, key);
	return value && !json_is_null(value) ? json_string_value(value) : fallback;
}

static bool begins_with_one(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(text, list[i], strlen(list[i])) == 0)
			return true;
	return false;
}

static bool contains_one(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(text, list[i]))
			return true;
	return false;
}

static thaw_status read_transformers(struct thaw_vit *v, const json_t *config, const char *source)
{
	const json_t *heads = json_object_get(config, "num_attention_heads");
	const json_t *epsilon = json_object_get(config, "layer_norm_eps");
	const char *function = text_of(config, "hidden_act", "gelu");
	if (heads)
		v->heads = heads_from(heads, v);
	if (epsilon)
		v->epsilon = json_number_value(epsilon);
	if (function && (strcmp(function, "gelu_pytorch_tanh") == 0 || strcmp(function, "gelu_new") == 0))
		v->function = THAW_FN_GELU_TANH;
	else if (!function || strcmp(function, "gelu") != 0)
		return refuse("hidden_act", function, source);
	return THAW_OK;
}

/* timm's names of networks. Some that begin in the same way have other activations, or rotary positions. */
static thaw_status check_architecture(const char *name, const char *source)
{
	static const char *const known[] = {"vit_", "deit_", "deit3_", "flexivit_"};
	static const char *const others[] = {"rope", "quickgelu", "_pe_"};
	if (!name || !begins_with_one(name, known, COUNT(known)) || contains_one(name, others, COUNT(others)))
		return refuse("architecture", name, source);
	return THAW_OK;
}

static thaw_status read_pool(struct thaw_vit *v, const char *pool, const char *source)
{
	if (!pool || (strcmp(pool, "token") != 0 && strcmp(pool, "avg") != 0))
		return refuse("global_pool", pool, source);
	v->mean = strcmp(pool, "avg") == 0;
	return THAW_OK;
}

/* timm's model_args. Those that the tensors show, and those of training, are passed over. */
static thaw_status read_arguments(struct thaw_vit *v, json_t *arguments, const char *source)
{
	static const char *const passed[] = {"num_classes",    "img_size",     "patch_size",       "embed_dim",
					     "depth",          "mlp_ratio",    "class_token",      "reg_tokens",
					     "init_values",    "fc_norm",      "in_chans",         "drop_rate",
					     "drop_path_rate", "num_features", "dynamic_img_size", "strict_img_size"};
	const char *key;
	json_t *value;
	json_object_foreach(arguments, key, value)
	{
		bool known = false;
		for (size_t i = 0; i < COUNT(passed); i++)
			known |= strcmp(key, passed[i]) == 0;
		if (strcmp(key, "num_heads") == 0)
			v->heads = heads_from(value, v);
		else if (strcmp(key, "no_embed_class") == 0)
			v->all_positions = !json_is_true(value);
		else if (strcmp(key, "global_pool") == 0)
			THAW_TRY(read_pool(v, json_string_value(value), source));
		else if (!known)
			return refuse("model_args", key, source);
	}
	return THAW_OK;
}

static thaw_status read_timm(struct thaw_vit *v, const json_t *config, const char *source)
{
	const char *architecture = text_of(config, "architecture", "vit_");
	THAW_TRY(check_architecture(architecture, source));
	if (strstr(architecture, "siglip"))
		v->function = THAW_FN_GELU_TANH;
	if (json_object_get(config, "global_pool"))
		THAW_TRY(read_pool(v, text_of(config, "global_pool", NULL), source));
	return read_arguments(v, json_object_get(config, "model_args"), source);
}

thaw_status thaw_vit_read_config(struct thaw_vit *v, const json_t *config, const char *source)
{
	return v->names->timm ? read_timm(v, config, source) : read_transformers(v, config, source);
}

thaw_status thaw_vit_write_options(json_t **options, const struct thaw_vit *v)
{
	*options = json_pack("{s:i, s:f, s:s, s:s, s:b}", "heads", v->heads, "epsilon", v->epsilon, "pool",
			     v->mean ? "mean" : "token", "gelu", v->function == THAW_FN_GELU ? "erf" : "tanh",
			     "all_positions", v->all_positions);
	return *options ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: options of a network");
}

static thaw_status check_options(const struct thaw_vit *v)
{
	if (v->heads < 1 || v->channels % v->heads != 0)
		return thaw_fail(
			THAW_CONFIG,
			"%d heads for %lld channels: vit: config.json must have a number that divides the channels "
			"as num_heads (timm) or num_attention_heads (transformers)",
			v->heads, (long long)v->channels);
	if (!(v->epsilon > 0 && v->epsilon < 1))
		return thaw_fail(THAW_CONFIG, "layer norm with a constant of %g: vit: it must be above 0 and below 1",
				 v->epsilon);
	if (!v->mean && !v->class_token)
		return thaw_fail(THAW_CONFIG, "no class token, which the classifier reads: vit: the file or its "
					      "config.json is of another network");
	return THAW_OK;
}

thaw_status thaw_vit_read_options(struct thaw_vit *v, const json_t *options)
{
	const char *pool = "", *gelu = "";
	int all = v->all_positions;
	if (options) {
		if (json_unpack((json_t *)options, "{s:i, s:F, s:s, s:s, s:b}", "heads", &v->heads, "epsilon",
				&v->epsilon, "pool", &pool, "gelu", &gelu, "all_positions", &all) != 0)
			return thaw_fail(THAW_CONFIG,
					 "options of a network that this version does not know: vit: use the "
					 "version that wrote them");
		v->mean = strcmp(pool, "mean") == 0;
		v->function = strcmp(gelu, "tanh") == 0 ? THAW_FN_GELU_TANH : THAW_FN_GELU;
		v->all_positions = all;
	}
	return check_options(v);
}
