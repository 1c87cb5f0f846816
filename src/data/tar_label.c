/* Labels as WebDataset, img2dataset and thaw pack write them.
 *
 * In JSON the label is called label, cls, class, class_name or category: a number, a name, or a list of them. thaw pack
 * writes labels, unknown, grade, values and weight. */
#include "src/data/tar_label.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/base/try.h"
#include "thaw/memory.h"

#define LONGEST 255 /* bytes of the name of a class */

enum tar_field thaw_tar_field(const char *field)
{
	static const struct {
		const char *field;
		enum tar_field kind;
	} fields[] = {
		{"cls", TAR_FIELD_CLASS}, {"class", TAR_FIELD_CLASS}, {"label", TAR_FIELD_CLASS},
		{"json", TAR_FIELD_JSON}, {"txt", TAR_FIELD_CAPTION}, {"text", TAR_FIELD_CAPTION},
	};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcasecmp(field, fields[i].field) == 0)
			return fields[i].kind;
	return TAR_FIELD_OTHER;
}

static bool has_control(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == '\x7f')
			return true;
	return false;
}

/* The text without spaces around it, as a label of a kind; a damaged one if it is empty, long or not a text. */
static thaw_status set_text(struct tar_label *l, char kind, const char *text, size_t size)
{
	while (size > 0 && strchr(" \t\r\n", text[size - 1]))
		size--;
	while (size > 0 && strchr(" \t\r\n", text[0]))
		text++, size--;
	l->damaged = size == 0 || size > LONGEST || has_control(text, size); /* such as Python's pickles */
	if (l->damaged)
		return THAW_OK;
	l->text = thaw_format("%c%.*s", kind, (int)size, text);
	return l->text ? THAW_OK : THAW_RESOURCE;
}

/* Takes the reference to a value and stores it as text. */
static thaw_status set_json(struct tar_label *l, char kind, json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
	json_decref(value);
	if (!text)
		return thaw_fail(THAW_RESOURCE, "out of memory: a label");
	l->text = thaw_format("%c%s", kind, text);
	free(text);
	return l->text ? THAW_OK : THAW_RESOURCE;
}

/* Whether a value is an integer; pandas writes integers with missing ones among them as 3.0. */
static bool is_whole(const json_t *value)
{
	double real = json_number_value(value);
	return json_is_integer(value) || (json_is_real(value) && real == floor(real) && fabs(real) < 1e15);
}

static thaw_status set_number(struct tar_label *l, char kind, const json_t *value)
{
	char *text = thaw_format("%lld", (long long)json_number_value(value));
	thaw_status status = text ? set_text(l, kind, text, strlen(text)) : THAW_RESOURCE;
	thaw_free(text);
	return status;
}

static bool are_classes(const json_t *list)
{
	size_t i;
	json_t *value;
	json_array_foreach(list, i, value)
	{
		if (!json_is_integer(value) && !json_is_string(value))
			return false;
	}
	return true;
}

static bool are_values(const json_t *list)
{
	size_t i;
	json_t *value;
	json_array_foreach(list, i, value)
	{
		if (!json_is_number(value) && !json_is_null(value))
			return false;
	}
	return json_array_size(list) > 0;
}

static thaw_status set_list(struct tar_label *l, json_t *on, json_t *unknown)
{
	l->damaged = !are_classes(on) || (unknown && (!json_is_array(unknown) || !are_classes(unknown)));
	return l->damaged ? THAW_OK
			  : set_json(l, TAR_LABEL_LIST, json_pack("{s:O, s:O*}", "on", on, "unknown", unknown));
}

/* A label under a name that does not say what it is. */
static thaw_status set_value(struct tar_label *l, json_t *value, json_t *unknown)
{
	if (json_is_string(value))
		return set_text(l, TAR_LABEL_CLASS, json_string_value(value), json_string_length(value));
	if (json_is_array(value))
		return set_list(l, value, unknown);
	if (is_whole(value))
		return set_number(l, TAR_LABEL_CLASS, value);
	if (json_is_real(value))
		return set_json(l, TAR_LABEL_VALUES, json_pack("[O]", value));
	l->damaged = !json_is_null(value);
	return THAW_OK;
}

static thaw_status set_object(struct tar_label *l, const json_t *object)
{
	static const char *const names[] = {"label", "cls", "class", "class_name", "category", "labels", "target"};
	json_t *weight = json_object_get(object, "weight"), *values = json_object_get(object, "values");
	json_t *grade = json_object_get(object, "grade"), *unknown = json_object_get(object, "unknown");
	if (json_is_number(weight) && json_number_value(weight) > 0)
		l->weight = (float)json_number_value(weight);
	if (json_is_array(values) && are_values(values))
		return set_json(l, TAR_LABEL_VALUES, json_incref(values));
	if (json_is_integer(grade))
		return set_number(l, TAR_LABEL_GRADE, grade);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *value = json_object_get(object, names[i]);
		if (value && !json_is_null(value))
			return set_value(l, value, unknown);
	}
	return THAW_OK;
}

/* The length of a number at text[size] that JSON does not have and Python writes; 0: none. */
static size_t python_number(const char *text, size_t size)
{
	static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (size >= strlen(words[i]) && memcmp(text, words[i], strlen(words[i])) == 0)
			return strlen(words[i]);
	return 0;
}

/* Parses JSON in which such numbers, outside of strings, count as null: a column of img2dataset may have missing
 * values. *object is NULL if it is not JSON. */
static thaw_status load_python(json_t **object, const char *bytes, size_t size)
{
	static const char null[4] = {'n', 'u', 'l', 'l'};
	char *text = thaw_alloc(2 * size + 1, 1);
	bool quoted = false;
	size_t used = 0;
	if (!text)
		return THAW_RESOURCE;
	for (size_t at = 0; at < size; at++) {
		size_t length = quoted ? 0 : python_number(bytes + at, size - at);
		if (length > 0) {
			memcpy(text + used, null, sizeof(null));
			used += sizeof(null);
			at += length - 1;
			continue;
		}
		if (quoted && bytes[at] == '\\' && at + 1 < size)
			text[used++] = bytes[at++];
		else if (bytes[at] == '"')
			quoted = !quoted;
		text[used++] = bytes[at];
	}
	*object = json_loadb(text, used, JSON_REJECT_DUPLICATES, NULL);
	thaw_free(text);
	return THAW_OK;
}

thaw_status thaw_tar_label_parse(struct tar_label *l, enum tar_field field, const char *bytes, size_t size)
{
	static const char mark[] = "\xef\xbb\xbf"; /* byte order mark of UTF-8 */
	size_t skip = size >= strlen(mark) && memcmp(bytes, mark, strlen(mark)) == 0 ? strlen(mark) : 0;
	bytes += skip;
	size -= skip;
	*l = (struct tar_label){0};
	if (field == TAR_FIELD_CLASS)
		return set_text(l, TAR_LABEL_CLASS, bytes, size);
	if (field == TAR_FIELD_CAPTION) {
		THAW_TRY(set_text(l, TAR_LABEL_CAPTION, bytes, size));
		l->damaged = false;
		l->text = l->text ? l->text : thaw_strdup((const char[]){TAR_LABEL_CAPTION, '\0'});
		return l->text ? THAW_OK : THAW_RESOURCE;
	}
	json_t *object = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL);
	if (!object)
		THAW_TRY(load_python(&object, bytes, size));
	l->damaged = !json_is_object(object);
	thaw_status status = l->damaged ? THAW_OK : set_object(l, object);
	json_decref(object);
	return status;
}
