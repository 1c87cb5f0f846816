#include "src/cli/clean_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "src/base/text.h"

#include "thaw/memory.h"

static json_t *clean_string(const json_t *value)
{
	char *text = thaw_strdup(json_string_value(value));
	json_t *clean = text ? json_string(thaw_text_clean(text, "")) : NULL;
	thaw_free(text);
	return clean;
}

/* The name without control characters, different from those that `object` has. NULL if out of memory. */
static char *clean_name(const json_t *object, const char *name)
{
	char *text = thaw_strdup(name);
	if (text)
		thaw_text_clean(text, "");
	while (text && json_object_get(object, text)) {
		char *longer = thaw_format("%s?", text);
		thaw_free(text);
		text = longer;
	}
	return text;
}

static json_t *clean_object(const json_t *value)
{
	json_t *copy = json_object(), *member;
	const char *name;
	bool complete = copy != NULL;
	json_object_foreach((json_t *)value, name, member)
	{
		char *clean = complete ? clean_name(copy, name) : NULL;
		complete = clean && json_object_set_new_nocheck(copy, clean, json_clean(member)) == 0;
		thaw_free(clean);
		if (!complete)
			break;
	}
	if (complete)
		return copy;
	json_decref(copy);
	return NULL;
}

static json_t *clean_array(const json_t *value)
{
	json_t *copy = json_array();
	for (size_t i = 0; copy && i < json_array_size(value); i++) {
		if (json_array_append_new(copy, json_clean(json_array_get(value, i))) != 0) {
			json_decref(copy);
			return NULL;
		}
	}
	return copy;
}

json_t *json_clean(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return clean_object(value);
	case JSON_ARRAY:
		return clean_array(value);
	case JSON_STRING:
		return clean_string(value);
	default:
		return json_deep_copy(value);
	}
}

bool json_print(const json_t *value, FILE *out)
{
	char *text = json_dumps(value, JSON_REAL_PRECISION(9));
	for (const char *c = text; c && *c;) {
		uint32_t code;
		size_t length = thaw_text_control(c, &code);
		if (length > 0)
			fprintf(out, "\\u%04x", (unsigned)code);
		else
			fputc(*c, out);
		c += length ? length : 1;
	}
	if (text)
		fputc('\n', out);
	free(text);
	return text != NULL;
}
