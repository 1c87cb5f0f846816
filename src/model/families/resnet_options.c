/* Options of ResNets: what the tensors do not show. */
#include <string.h>

#include "src/base/text.h"
#include "src/base/try.h"
#include "src/model/families/resnet.h"
#include "src/model/unknown_network.h"

#define NAME_SIZE 64 /* bytes of a name in a message */
#define GROUPS    32 /* of the group norms of timm's networks */

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static const char *const antialias_names[THAW_ANTIALIASES] = {
	[THAW_ANTIALIAS_NONE] = "none", [THAW_ANTIALIAS_AVERAGE] = "average", [THAW_ANTIALIAS_BLUR] = "blur"};

/* Parts of the names of timm's networks that smooth before they take every second pixel, which has no weights. */
static enum thaw_antialias antialias_of(const char *name)
{
	if (strstr(name, "resnetblur"))
		return THAW_ANTIALIAS_BLUR;
	return strstr(name, "resnetaa") || strstr(name, "resnextaa") ? THAW_ANTIALIAS_AVERAGE : THAW_ANTIALIAS_NONE;
}

void thaw_resnet_default_options(struct thaw_resnet *r, const char *variant)
{
	r->norm_groups = r->batch_norms ? 0 : GROUPS;
	r->antialias = antialias_of(variant);
	r->function = THAW_NL_RELU;
}

/* A network that resnet.c does not build. value: NULL: not a text. */
static thaw_status refuse(const char *key, const char *value, const char *source)
{
	char text[NAME_SIZE];
	thaw_text_printable(text, sizeof(text), value ? value : "", value ? strlen(value) : 0);
	return thaw_fail(THAW_CONFIG, "a ResNet that is not known, \"%s\"%s%s: config.json beside %s: " THAW_EXPORT_HOW,
			 key, value ? " is " : "", text, source);
}

static bool is_text(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/* A file whose name says what its tensors do not. */
static thaw_status check_file_name(const char *source)
{
	const char *slash = strrchr(source, '/'), *file = slash ? slash + 1 : source;
	const enum thaw_antialias antialias = antialias_of(file);
	char text[NAME_SIZE];
	if (antialias == THAW_ANTIALIAS_NONE)
		return THAW_OK;
	thaw_text_printable(text, sizeof(text), file, strlen(file));
	return thaw_fail(THAW_CONFIG,
			 "%s, whose tensors may be those of an anti-aliased network: %s: give --model %s:FILE if it is "
			 "one, else --model resnet:FILE",
			 text, source, antialias == THAW_ANTIALIAS_BLUR ? "resnetblur" : "resnetaa");
}

/* timm's model_args. Those that the tensors show, and those of training, are passed over. */
static thaw_status check_arguments(json_t *arguments, const char *source)
{
	static const char *const passed[] = {"num_classes", "in_chans",       "drop_rate",       "drop_path_rate",
					     "stem_width",  "zero_init_last", "drop_block_rate", "base_width"};
	const char *key;
	json_t *value;
	json_object_foreach(arguments, key, value)
	{
		bool known = strcmp(key, "global_pool") == 0 && is_text(value, "avg");
		for (size_t i = 0; i < COUNT(passed); i++)
			known |= strcmp(key, passed[i]) == 0;
		if (!known)
			return refuse("model_args", key, source);
	}
	return THAW_OK;
}

static thaw_status read_timm(struct thaw_resnet *r, const char *architecture, const json_t *config, const char *source)
{
	const json_t *pool = json_object_get(config, "global_pool");
	if (pool && !is_text(pool, "avg"))
		return refuse("global_pool", json_string_value(pool), source);
	r->antialias = antialias_of(architecture);
	return check_arguments(json_object_get(config, "model_args"), source);
}

static thaw_status read_transformers(struct thaw_resnet *r, const json_t *config, const char *source)
{
	const json_t *function = json_object_get(config, "hidden_act");
	const char *name = json_string_value(function);
	r->stride_first = json_is_true(json_object_get(config, "downsample_in_bottleneck"));
	r->stride_from_start = json_is_true(json_object_get(config, "downsample_in_first_stage"));
	if (function && (!name || !thaw_nonlinearity_find(name, &r->function)))
		return refuse("hidden_act", name, source);
	return THAW_OK;
}

thaw_status thaw_resnet_read_config(struct thaw_resnet *r, const struct thaw_architecture *a, const json_t *config,
				    const char *source)
{
	const char *architecture = json_string_value(json_object_get(config, "architecture"));
	if (architecture)
		return read_timm(r, architecture, config, source);
	if (is_text(json_object_get(config, "model_type"), "resnet"))
		return read_transformers(r, config, source);
	if (a->named)
		return THAW_OK;
	if (r->norm_groups > 0)
		return thaw_fail(THAW_CONFIG,
				 "group norms, whose groups the tensors do not show: %s: give --model resnet:FILE if "
				 "they are %d, else " THAW_EXPORT_HOW,
				 source, GROUPS);
	return check_file_name(source);
}

thaw_status thaw_resnet_write_options(json_t **options, const struct thaw_resnet *r)
{
	*options = json_pack("{s:i, s:s, s:b, s:b, s:s}", "norm_groups", r->norm_groups, "antialias",
			     antialias_names[r->antialias], "stride_first", r->stride_first, "stride_from_start",
			     r->stride_from_start, "function", thaw_nonlinearity_name(r->function));
	return *options ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: options of a network");
}

thaw_status thaw_resnet_read_options(struct thaw_resnet *r, const json_t *options)
{
	const char *antialias, *function;
	int first, start, found = 0;
	if (!options)
		return THAW_OK;
	if (json_unpack((json_t *)options, "{s:i, s:s, s:b, s:b, s:s}", "norm_groups", &r->norm_groups, "antialias",
			&antialias, "stride_first", &first, "stride_from_start", &start, "function", &function) == 0) {
		while (found < THAW_ANTIALIASES && strcmp(antialias_names[found], antialias) != 0)
			found++;
		r->antialias = (enum thaw_antialias)found;
		r->stride_first = first;
		r->stride_from_start = start;
		if (found < THAW_ANTIALIASES && (r->norm_groups < 1) == r->batch_norms &&
		    thaw_nonlinearity_find(function, &r->function))
			return THAW_OK;
	}
	return thaw_fail(
		THAW_CONFIG,
		"options of a network that this version does not know: resnet: use the version that wrote them");
}
