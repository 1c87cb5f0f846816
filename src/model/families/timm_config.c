/* See timm_config.h. */
#include "src/model/families/timm_config.h"

#include <string.h>

#include "src/base/try.h"
#include "src/model/unknown_network.h"

thaw_status thaw_refuse_config(const char *family, const char *key, const char *value, const char *source)
{
	return thaw_fail(THAW_CONFIG,
			 "a %s that is not known, \"%.40s\"%s%.60s: config.json beside %s: " THAW_EXPORT_HOW, family,
			 key, value ? " is " : "", value ? value : "", source);
}

const char *thaw_config_text_of(const json_t *config, const char *key, const char *fallback)
{
	const json_t *value = json_object_get(config, key);
	return value && !json_is_null(value) ? json_string_value(value) : fallback;
}

thaw_status thaw_config_function(enum thaw_nonlinearity *function, const json_t *config, const char *key,
				 const char *family, const char *source)
{
	const char *name = thaw_config_text_of(config, key, thaw_nonlinearity_name(*function));
	return name && thaw_nonlinearity_find(name, function) ? THAW_OK : thaw_refuse_config(family, key, name, source);
}

static bool is_in(const char *key, const char *const *list)
{
	while (*list && strcmp(*list, key) != 0)
		list++;
	return *list != NULL;
}

/* The mean of all pixels is the only pooling. */
static thaw_status check_pool(const json_t *object, const char *family, const char *source)
{
	const char *pool = thaw_config_text_of(object, "global_pool", "avg");
	return pool && strcmp(pool, "avg") == 0 ? THAW_OK : thaw_refuse_config(family, "global_pool", pool, source);
}

thaw_status thaw_check_timm_arguments(const json_t *config, const char *const *known, const char *family,
				      const char *source)
{
	static const char *const passed[] = {"num_classes", "in_chans",       "img_size",       "global_pool",
					     "drop_rate",   "drop_path_rate", "zero_init_last", NULL};
	json_t *arguments = json_object_get(config, "model_args"), *value;
	const char *key;
	THAW_TRY(check_pool(config, family, source));
	THAW_TRY(check_pool(arguments, family, source));
	json_object_foreach(arguments, key, value)
	{
		if (!is_in(key, known) && !is_in(key, passed))
			return thaw_refuse_config(family, key, json_string_value(value), source);
	}
	return THAW_OK;
}

thaw_status thaw_check_options_made(const json_t *options)
{
	return options ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: options of a network");
}

thaw_status thaw_refuse_options(const char *family)
{
	return thaw_fail(THAW_CONFIG,
			 "options of a network that this version does not know: %s: use the version that wrote them",
			 family);
}
