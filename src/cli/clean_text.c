#include "src/cli/clean_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "src/base/utf8.h"
#include "thaw/memory.h"

/* Whether the well-formed UTF-8 sequence s[0 .. length) acts on the terminal or on the text around it. */
static bool is_control(const char *s, size_t length)
{
	const unsigned char *u = (const unsigned char *)s;
	if (length == 1)
		return u[0] < ' ' || u[0] == 0x7F;
	if (length == 2)
		return (u[0] == 0xC2 && u[1] < 0xA0) || (u[0] == 0xD8 && u[1] == 0x9C); /* U+0080 to U+009F, U+061C */
	if (length != 3 || u[0] != 0xE2)
		return false;
	/* U+200E, U+200F, U+2028 to U+202E: marks, separators, overrides; U+2066 to U+2069: isolates. */
	return (u[1] == 0x80 && (u[2] == 0x8E || u[2] == 0x8F || (u[2] >= 0xA8 && u[2] <= 0xAE))) ||
	       (u[1] == 0x81 && u[2] >= 0xA6 && u[2] <= 0xA9);
}

char *text_clean(char *text, const char *keep)
{
	char *to = text;
	for (const char *from = text; *from;) {
		size_t length = thaw_utf8_length(from);
		if (length == 0 || (is_control(from, length) && !(length == 1 && strchr(keep, *from)))) {
			*to++ = '?';
			from += length ? length : 1;
			continue;
		}
		memmove(to, from, length);
		to += length;
		from += length;
	}
	*to = '\0';
	return text;
}

static json_t *clean_string(const json_t *value)
{
	char *text = thaw_strdup(json_string_value(value));
	json_t *clean = text ? json_string(text_clean(text, "")) : NULL;
	thaw_free(text);
	return clean;
}

/* The name without control characters, different from those that `object` has. NULL if out of memory. */
static char *clean_name(const json_t *object, const char *name)
{
	char *text = thaw_strdup(name);
	if (text)
		text_clean(text, "");
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
