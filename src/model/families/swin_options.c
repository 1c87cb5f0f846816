/* Options of Swin Transformers: what the tensors do not show. */
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/families/swin.h"
#include "src/model/families/timm_config.h"
#include "src/model/unknown_network.h"

enum {
	SIDE_TRANSFORMERS = 224, /* of images and windows, where its config.json is silent */
	WINDOW_TRANSFORMERS = 7,
};

/* Floats of a mask, 128 MiB: six times those of the largest published network. */
#define MAX_MASK (INT64_C(1) << 25)
/* Tokens that a float can count. */
#define MAX_TOKENS (INT64_C(1) << 24)

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static bool is_v2(const char *name)
{
	static const char start[] = "swinv2";
	return strncmp(name, start, sizeof(start) - 1) == 0;
}

static thaw_status refuse(const char *key, const json_t *value, const char *source)
{
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)) : NULL;
	thaw_status status = thaw_fail(
		THAW_CONFIG, "a Swin Transformer that is not known, \"%.60s\" is %.80s: config.json beside %s: %s", key,
		text ? text : "absent", source, THAW_EXPORT_HOW);
	free(text);
	return status;
}

/* A number, or a list of `count` equal ones, [height, width] for example. -1: anything else. */
static int64_t number_of(const json_t *value, size_t count)
{
	const json_t *first = json_is_array(value) ? json_array_get(value, 0) : value;
	if (!json_is_integer(first) || (json_is_array(value) && json_array_size(value) != count))
		return -1;
	for (size_t i = 1; json_is_array(value) && i < count; i++)
		if (!json_equal(json_array_get(value, i), first))
			return -1;
	return json_integer_value(first);
}

static thaw_status read_side(struct thaw_swin *s, const char *key, const json_t *value, const char *source)
{
	s->side = number_of(value, 2);
	return s->side > 0 ? THAW_OK : refuse(key, value, source);
}

/* Windows of all stages: a number, [height, width], or a list with one of these for each stage. */
static thaw_status read_window_sizes(struct thaw_swin *s, const char *key, const json_t *value, const char *source)
{
	const bool one = number_of(value, 2) > 0;
	const bool pair = json_array_size(value) == 2 && !json_is_array(json_array_get(value, 0)) &&
			  !json_is_array(json_array_get(value, 1));
	if (!one && (pair || json_array_size(value) != (size_t)s->stages))
		return refuse(key, value, source);
	for (int i = 0; i < s->stages; i++) {
		s->stage[i].window = number_of(one ? value : json_array_get(value, (size_t)i), 2);
		if (s->stage[i].window < 1)
			return refuse(key, value, source);
	}
	return THAW_OK;
}

static thaw_status read_pretrained(struct thaw_swin *s, const char *key, const json_t *value, const char *source)
{
	if (json_array_size(value) < (size_t)s->stages)
		return refuse(key, value, source);
	for (int i = 0; i < s->stages; i++) {
		s->stage[i].pretrained = number_of(json_array_get(value, (size_t)i), 2);
		if (s->stage[i].pretrained < 0)
			return refuse(key, value, source);
	}
	return THAW_OK;
}

static thaw_status read_act(struct thaw_swin *s, const char *key, const json_t *value, const char *source)
{
	const char *name = json_string_value(value);
	return name && thaw_nonlinearity_find(name, &s->act) ? THAW_OK : refuse(key, value, source);
}

static thaw_status read_epsilon(struct thaw_swin *s, const char *key, const json_t *value, const char *source)
{
	s->epsilon = json_number_value(value);
	return json_is_number(value) ? THAW_OK : refuse(key, value, source);
}

/* A key that must not be true, or have any other value that counts. */
static thaw_status read_none(struct thaw_swin *s, const char *key, const json_t *value, const char *source)
{
	(void)s;
	return json_is_false(value) ? THAW_OK : refuse(key, value, source);
}

static thaw_status read_pool(struct thaw_swin *s, const char *key, const json_t *value, const char *source)
{
	const char *pool = json_string_value(value);
	(void)s;
	return pool && strcmp(pool, "avg") == 0 ? THAW_OK : refuse(key, value, source);
}

/* A key of config.json; `read` NULL: the tensors show it, or it matters in training only. */
struct key {
	const char *name;
	thaw_status (*read)(struct thaw_swin *s, const char *key, const json_t *value, const char *source);
};

static const struct key timm_arguments[] = {
	{"img_size", read_side},
	{"window_size", read_window_sizes},
	{"pretrained_window_sizes", read_pretrained},
	{"act_layer", read_act},
	{"global_pool", read_pool},
	{"always_partition", read_none},
	{"head_dim", read_none},
	{"num_classes", NULL},
	{"in_chans", NULL},
	{"patch_size", NULL},
	{"embed_dim", NULL},
	{"depths", NULL},
	{"num_heads", NULL},
	{"mlp_ratio", NULL},
	{"qkv_bias", NULL},
	{"drop_rate", NULL},
	{"proj_drop_rate", NULL},
	{"attn_drop_rate", NULL},
	{"drop_path_rate", NULL},
	{"strict_img_size", NULL},
	{"dynamic_img_size", NULL},
	{"weight_init", NULL},
};

static const struct key transformers_keys[] = {
	{"image_size", read_side}, {"window_size", read_window_sizes}, {"pretrained_window_sizes", read_pretrained},
	{"hidden_act", read_act},  {"layer_norm_eps", read_epsilon},   {"use_absolute_embeddings", read_none},
};

/* Reads the keys in the list. strict: refuses others. */
static thaw_status read_keys(struct thaw_swin *s, json_t *object, const struct key *keys, size_t count, bool strict,
			     const char *source)
{
	const char *name;
	json_t *value;
	json_object_foreach(object, name, value)
	{
		size_t i = 0;
		while (i < count && strcmp(keys[i].name, name) != 0)
			i++;
		if (json_is_null(value) || (i == count && !strict))
			continue;
		if (i == count)
			return refuse(name, value, source);
		if (keys[i].read)
			THAW_TRY(keys[i].read(s, name, value, source));
	}
	return THAW_OK;
}

static thaw_status read_timm(struct thaw_swin *s, const json_t *config, const char *source)
{
	const json_t *architecture = json_object_get(config, "architecture");
	const json_t *pretrained = json_object_get(config, "pretrained_cfg");
	const json_t *input = json_object_get(pretrained ? pretrained : config, "input_size");
	const json_t *pool = json_object_get(config, "global_pool");
	const char *name = json_string_value(architecture);
	if (name && is_v2(name) != s->v2)
		return refuse("architecture", architecture, source);
	if (name)
		thaw_swin_default_options(s, name);
	if (json_array_size(input) == 3) {
		s->side = json_integer_value(json_array_get(input, 1));
		if (json_integer_value(json_array_get(input, 2)) != s->side)
			return refuse("input_size", input, source);
	}
	if (json_is_string(pool))
		THAW_TRY(read_pool(s, "global_pool", pool, source));
	return read_keys(s, json_object_get(config, "model_args"), timm_arguments, COUNT(timm_arguments), true, source);
}

static thaw_status read_transformers(struct thaw_swin *s, json_t *config, const char *source)
{
	const json_t *type = json_object_get(config, "model_type");
	const char *name = json_string_value(type);
	if (name && is_v2(name) != s->v2)
		return refuse("model_type", type, source);
	s->side = SIDE_TRANSFORMERS;
	for (int i = 0; i < s->stages; i++)
		s->stage[i].window = WINDOW_TRANSFORMERS;
	return read_keys(s, config, transformers_keys, COUNT(transformers_keys), false, source);
}

static thaw_status check_stages(const struct thaw_swin *s)
{
	return s->stages > 0 && s->patch > 0
		       ? THAW_OK
		       : thaw_fail(THAW_CONFIG, "the tensors are not those of a Swin Transformer: swin: leave the name "
						"out");
}

/* A given name must be of the same version. Windows of V2 are not in the tensors of timm and of transformers. */
static thaw_status check_named(const struct thaw_swin *s, const struct thaw_architecture *a, const char *source)
{
	if (is_v2(a->variant) != s->v2)
		return thaw_fail(
			THAW_CONFIG,
			"%s, but the tensors are of the other version of Swin Transformers: %s: leave the name "
			"out, or name another",
			a->variant, source);
	if (s->stage[0].window > 0)
		return THAW_OK;
	return thaw_fail(THAW_CONFIG,
			 "the tensors do not show the windows of a Swin Transformer V2: %s: put its config.json beside "
			 "it, or name it, as in --model swinv2_tiny_window8_256:FILE",
			 source);
}

static thaw_status fail_memory(json_t *options)
{
	json_decref(options);
	return thaw_fail(THAW_RESOURCE, "out of memory: options of a network");
}

static thaw_status write_options(json_t **options, const struct thaw_swin *s)
{
	json_t *windows = json_array(), *pretrained = json_array();
	bool full = !windows || !pretrained;
	for (int i = 0; i < s->stages; i++) {
		full |= json_array_append_new(windows, json_integer(s->stage[i].window)) != 0;
		full |= json_array_append_new(pretrained, json_integer(s->stage[i].pretrained)) != 0;
	}
	*options = json_pack("{s:I, s:f, s:s, s:o, s:o}", "side", (json_int_t)s->side, "epsilon", s->epsilon, "act",
			     thaw_nonlinearity_name(s->act), "windows", windows, "pretrained_windows", pretrained);
	if (*options && !full)
		return THAW_OK;
	thaw_status status = fail_memory(*options);
	*options = NULL;
	return status;
}

thaw_status thaw_swin_find_options(json_t **options, const struct thaw_architecture *a, const json_t *config,
				   const char *source)
{
	struct thaw_swin s = thaw_swin_describe(a);
	THAW_TRY(check_stages(&s));
	if (config && json_object_get(config, "model_type"))
		THAW_TRY(read_transformers(&s, (json_t *)config, source));
	else if (config)
		THAW_TRY(read_timm(&s, config, source));
	THAW_TRY(check_named(&s, a, source));
	return write_options(options, &s);
}

static thaw_status check_stage(const struct thaw_swin *s, int i)
{
	const struct thaw_swin_stage *stage = &s->stage[i];
	if (stage->heads < 1 || stage->channels < 1 || stage->channels % stage->heads != 0)
		return thaw_fail(THAW_CONFIG, "%lld heads for %lld channels: swin: stage %d: the file is damaged",
				 (long long)stage->heads, (long long)stage->channels, i);
	if (stage->window < 1 || stage->window > s->side || stage->pretrained < 0)
		return thaw_fail(
			THAW_CONFIG,
			"windows of %lld for images of %lld: swin: stage %d: config.json is of another network",
			(long long)stage->window, (long long)s->side, i);
	const struct thaw_swin_grid grid = thaw_swin_grid_of(s, i);
	const int64_t side = grid.count * grid.window;
	if (side * side > MAX_TOKENS || side * side > MAX_MASK / (grid.window * grid.window))
		return thaw_fail(THAW_CONFIG,
				 "windows of %lld for images of %lld: swin: stage %d: they take too much memory",
				 (long long)stage->window, (long long)s->side, i);
	return THAW_OK;
}

static thaw_status check_options(const struct thaw_swin *s)
{
	THAW_TRY(check_stages(s));
	if (s->side < s->patch || s->side > THAW_MAX_SIDE || s->side % s->patch != 0)
		return thaw_fail(THAW_CONFIG,
				 "images of %lld for patches of %lld: swin: the size of the images must be a multiple",
				 (long long)s->side, (long long)s->patch);
	if (!(s->epsilon > 0 && s->epsilon < 1))
		return thaw_fail(THAW_CONFIG, "layer norm with a constant of %g: swin: it must be above 0 and below 1",
				 s->epsilon);
	for (int i = 0; i < s->stages; i++)
		THAW_TRY(check_stage(s, i));
	return THAW_OK;
}

thaw_status thaw_swin_read_options(struct thaw_swin *s, const json_t *options)
{
	json_t *windows, *pretrained;
	const char *act;
	json_int_t side;
	if (!options)
		return check_options(s);
	if (json_unpack((json_t *)options, "{s:I, s:F, s:s, s:o, s:o}", "side", &side, "epsilon", &s->epsilon, "act",
			&act, "windows", &windows, "pretrained_windows", &pretrained) != 0 ||
	    !thaw_nonlinearity_find(act, &s->act))
		return thaw_refuse_options("swin");
	s->side = side;
	for (int i = 0; i < s->stages; i++) {
		s->stage[i].window = number_of(json_array_get(windows, (size_t)i), 1);
		s->stage[i].pretrained = number_of(json_array_get(pretrained, (size_t)i), 1);
	}
	return check_options(s);
}
