/* See config_values.h. */
#include "src/model/config_values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "thaw/transform.h"

const json_t *thaw_config_get(const struct thaw_config *c, const char *key)
{
	const json_t *value = json_object_get(c->object, key);
	return json_is_null(value) ? NULL : value;
}

thaw_status thaw_config_refuse(const struct thaw_config *c, const char *key, const char *why)
{
	const json_t *value = thaw_config_get(c, key);
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)) : NULL;
	thaw_status status =
		thaw_fail(THAW_CONFIG,
			  "preprocessing that Thaw cannot do: \"%.60s\": %.80s: %s%s%s: remove this key if your images "
			  "are prepared without it, or rename the file and give --size, --mean, --std, --crop and "
			  "--interpolation",
			  key, text ? text : "absent", c->path, *why ? ": " : "", why);
	free(text);
	return status;
}

thaw_status thaw_config_flag(const struct thaw_config *c, const char *key, bool *flag)
{
	const json_t *value = thaw_config_get(c, key);
	if (value && !json_is_boolean(value))
		return thaw_config_refuse(c, key, "it must be true or false");
	if (value)
		*flag = json_is_true(value);
	return THAW_OK;
}

thaw_status thaw_config_number(const struct thaw_config *c, const char *key, double *number)
{
	const json_t *value = thaw_config_get(c, key);
	if (value && (!json_is_number(value) || !isfinite(json_number_value(value))))
		return thaw_config_refuse(c, key, "it must be a number");
	if (value)
		*number = json_number_value(value);
	return THAW_OK;
}

thaw_status thaw_config_text(const struct thaw_config *c, const char *key, const char **text)
{
	const json_t *value = thaw_config_get(c, key);
	if (value && !json_is_string(value))
		return thaw_config_refuse(c, key, "it must be a text");
	if (value)
		*text = json_string_value(value);
	return THAW_OK;
}

thaw_status thaw_config_colour(const struct thaw_config *c, const char *key, double colour[3])
{
	const json_t *value = thaw_config_get(c, key);
	if (value && !json_is_number(value) && json_array_size(value) != 3)
		return thaw_config_refuse(c, key, "it must be three numbers, for red, green and blue");
	for (size_t i = 0; i < 3 && value; i++) {
		const json_t *number = json_is_array(value) ? json_array_get(value, i) : value;
		if (!json_is_number(number) || !isfinite(json_number_value(number)))
			return thaw_config_refuse(c, key, "it must be three numbers, for red, green and blue");
		colour[i] = json_number_value(number);
	}
	return THAW_OK;
}

int thaw_config_side(const json_t *number)
{
	double side = json_number_value(number); /* some files have 224.0 */
	return side >= 1 && side <= THAW_MAX_SIDE && side == floor(side) ? (int)side : 0;
}
