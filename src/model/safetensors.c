/* safetensors: eight bytes of header length, a JSON header, then the bytes of the tensors without gaps.
 *
 *     {"__metadata__": {"key": "value"}, "fc.bias": {"dtype": "F32", "shape": [10], "data_offsets": [0, 40]}, ...}
 *
 * The reader is as strict as the reference implementation: each byte after the header belongs to exactly one tensor, so
 * that no two readers can interpret a file differently.
 * Format: https://huggingface.co/docs/safetensors
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/text.h"
#include "src/base/try.h"
#include "src/model/tensor_name.h"
#include "src/model/weights_format.h"
#include "thaw/memory.h"

#define LENGTH_BYTES THAW_SAFETENSORS_START
#define ALIGNMENT    8
/* Bytes. The format allows 100 MB, but an image network needs only about 100 bytes per tensor. Parsed JSON takes up to
 * 50 times the memory of its text, so this limit bounds the memory for a hostile header. */
#define MAX_HEADER ((uint64_t)16 << 20)

#define METADATA "__metadata__"

/* The range of bytes [begin, end) of tensor `index`. */
struct range {
	uint64_t begin, end;
	int index;
};

static uint64_t header_length(const unsigned char *bytes)
{
	uint64_t length = 0;
	for (int i = LENGTH_BYTES - 1; i >= 0; i--)
		length = length << 8 | bytes[i];
	return length;
}

static bool matches(const unsigned char *bytes, size_t size)
{
	/* The length is checked later, so that a damaged one is reported as damaged and not as an unknown format. */
	return size > LENGTH_BYTES && bytes[LENGTH_BYTES] == '{' && bytes[LENGTH_BYTES - 1] == 0;
}

static thaw_status parse_metadata(struct thaw_weights *w, json_t *object, const char *file)
{
	if (!json_is_object(object))
		return thaw_fail(THAW_DATA, "damaged safetensors header: %s: %s is not an object", file, METADATA);
	size_t count = json_object_size(object);
	w->metadata = thaw_alloc(count, sizeof(*w->metadata));
	if (!w->metadata)
		return THAW_RESOURCE;
	const char *key;
	json_t *value;
	json_object_foreach(object, key, value)
	{
		if (!json_is_string(value))
			return thaw_fail(THAW_DATA,
					 "damaged safetensors header: %s: %s has values that are not strings", file,
					 METADATA);
		struct thaw_pair *pair = &w->metadata[w->metadata_count++];
		pair->key = thaw_strdup(key);
		pair->value = thaw_strdup(json_string_value(value));
		if (!pair->key || !pair->value)
			return THAW_RESOURCE;
	}
	return THAW_OK;
}

static thaw_status parse_shape(struct thaw_shape *shape, json_t *array, const char *what)
{
	size_t ndim = json_array_size(array);
	if (!json_is_array(array) || ndim > THAW_MAX_DIMS)
		return thaw_fail(THAW_DATA, "%s: its shape is not a list of at most %d numbers", what, THAW_MAX_DIMS);
	shape->ndim = (int)ndim;
	for (size_t i = 0; i < ndim; i++) {
		json_t *dim = json_array_get(array, i);
		if (!json_is_integer(dim))
			return thaw_fail(THAW_DATA, "%s: its shape is not a list of whole numbers", what);
		shape->dim[i] = json_integer_value(dim);
	}
	return thaw_shape_check(shape, what);
}

static thaw_status parse_offsets(struct range *range, json_t *array, uint64_t data_bytes, const char *what)
{
	json_t *begin = json_array_get(array, 0), *end = json_array_get(array, 1);
	if (json_array_size(array) != 2 || !json_is_integer(begin) || !json_is_integer(end))
		return thaw_fail(THAW_DATA, "%s: its data_offsets are not two whole numbers", what);
	json_int_t from = json_integer_value(begin), to = json_integer_value(end);
	if (from < 0 || to < from || (uint64_t)to > data_bytes)
		return thaw_fail(THAW_DATA, "%s: its bytes %lld to %lld are outside the %llu bytes of data", what,
				 (long long)from, (long long)to, (unsigned long long)data_bytes);
	range->begin = (uint64_t)from;
	range->end = (uint64_t)to;
	return THAW_OK;
}

static thaw_status fail_dtype(const json_t *dtype, const char *what)
{
	char name[16];
	const char *text = json_is_string(dtype) ? json_string_value(dtype) : "";
	thaw_text_printable(name, sizeof(name), text, strlen(text));
	return thaw_fail(THAW_DATA, "%s: its element type %s is not supported: save it as F32, F16 or BF16", what,
			 name);
}

static thaw_status parse_tensor(struct thaw_named_tensor *t, struct range *range, json_t *object,
				const unsigned char *data, uint64_t data_bytes, const char *what)
{
	json_t *dtype = json_object_get(object, "dtype");
	json_t *shape = json_object_get(object, "shape");
	json_t *offsets = json_object_get(object, "data_offsets");
	if (!dtype || !shape || !offsets || json_object_size(object) != 3)
		return thaw_fail(THAW_DATA, "%s: it must have exactly dtype, shape and data_offsets", what);
	if (!json_is_string(dtype) || !thaw_dtype_parse(json_string_value(dtype), &t->dtype))
		return fail_dtype(dtype, what);
	THAW_TRY(parse_shape(&t->shape, shape, what));
	THAW_TRY(parse_offsets(range, offsets, data_bytes, what));
	/* No overflow: thaw_shape_check allows for eight bytes per element. */
	uint64_t bytes = (uint64_t)thaw_shape_count(&t->shape) * thaw_dtype_size(t->dtype);
	if (range->end - range->begin != bytes)
		return thaw_fail(THAW_DATA, "%s: its shape needs %llu bytes but its offsets give %llu", what,
				 (unsigned long long)bytes, (unsigned long long)(range->end - range->begin));
	t->data = data ? data + range->begin : NULL;
	return THAW_OK;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct range *a = left, *b = right;
	if (a->begin != b->begin)
		return a->begin < b->begin ? -1 : 1;
	return (a->end > b->end) - (a->end < b->end);
}

/* Sorts the ranges and checks that they cover the data exactly: no gap, no overlap, no bytes at the end. */
static thaw_status check_tiling(const struct thaw_weights *w, struct range *ranges, uint64_t data_bytes,
				const char *file)
{
	qsort(ranges, (size_t)w->count, sizeof(*ranges), compare_ranges);
	uint64_t end = 0;
	for (int i = 0; i < w->count; i++) {
		const char *tensor = w->tensors[ranges[i].index].name;
		if (ranges[i].begin < end)
			return thaw_fail(
				THAW_DATA,
				"damaged safetensors file: %s: the bytes of tensor %s overlap those of another tensor",
				file, tensor);
		if (ranges[i].begin > end)
			return thaw_fail(
				THAW_DATA,
				"damaged safetensors file: %s: %llu bytes before tensor %s belong to no tensor", file,
				(unsigned long long)(ranges[i].begin - end), tensor);
		end = ranges[i].end;
	}
	if (end != data_bytes)
		return thaw_fail(THAW_DATA, "damaged safetensors file: %s: %llu bytes at its end belong to no tensor",
				 file, (unsigned long long)(data_bytes - end));
	return THAW_OK;
}

/* Parses the tensors of the header, in its order; ranges[i] is that of tensor i. */
static thaw_status parse_tensors(struct thaw_weights *w, struct range *ranges, json_t *header,
				 const unsigned char *data, uint64_t data_bytes, const char *file)
{
	const char *key;
	json_t *value;
	json_object_foreach(header, key, value)
	{
		if (strcmp(key, METADATA) == 0) {
			THAW_TRY(parse_metadata(w, value, file));
			continue;
		}
		struct thaw_named_tensor *t = &w->tensors[w->count];
		THAW_TRY(thaw_tensor_name_copy(&t->name, key, strlen(key), file));
		ranges[w->count].index = w->count;
		w->count++;
		char *what = thaw_format("bad safetensors file: %s: tensor %s", file, t->name);
		thaw_status status =
			what ? parse_tensor(t, &ranges[w->count - 1], value, data, data_bytes, what) : THAW_RESOURCE;
		thaw_free(what);
		THAW_TRY(status);
	}
	return THAW_OK;
}

/* Parses the header, which must be a JSON object. */
static thaw_status parse_json(json_t **header, const unsigned char *text, size_t length, const char *file)
{
	json_error_t error;
	json_t *object = json_loadb((const char *)text, length, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(object)) {
		*header = object;
		return THAW_OK;
	}
	char why[JSON_ERROR_TEXT_LENGTH] = "it is not an object";
	if (!object) /* jansson's message quotes the file */
		thaw_text_printable(why, sizeof(why), error.text, strlen(error.text));
	json_decref(object);
	return thaw_fail(THAW_DATA, "damaged safetensors header: %s: %s", file, why);
}

/* The length of the header in bytes[size], of a file of `content` bytes. */
static thaw_status check_length(size_t *length, const unsigned char *bytes, size_t size, uint64_t content,
				const char *file)
{
	if (size < LENGTH_BYTES)
		return thaw_fail(THAW_DATA, "truncated safetensors file: %s: copy it again", file);
	uint64_t found = header_length(bytes);
	if (found > MAX_HEADER)
		return thaw_fail(THAW_DATA,
				 "damaged safetensors file: %s: a header of %llu bytes; at most %llu are supported",
				 file, (unsigned long long)found, (unsigned long long)MAX_HEADER);
	if (found > content - LENGTH_BYTES)
		return thaw_fail(THAW_DATA, "truncated safetensors header: %s: copy the file again", file);
	*length = (size_t)found;
	return THAW_OK;
}

/* Parses text[length], the header. data[data_bytes]: what follows it, or NULL if it has not been read. */
static thaw_status parse_header(struct thaw_weights *w, const unsigned char *text, size_t length,
				const unsigned char *data, uint64_t data_bytes, const char *file)
{
	json_t *header;
	THAW_TRY(parse_json(&header, text, length, file));
	size_t entries = json_object_size(header);
	struct range *ranges = thaw_alloc(entries, sizeof(*ranges));
	w->tensors = thaw_alloc(entries, sizeof(*w->tensors));
	thaw_status status = ranges && w->tensors ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		status = parse_tensors(w, ranges, header, data, data_bytes, file);
	if (status == THAW_OK)
		status = check_tiling(w, ranges, data_bytes, file);
	thaw_free(ranges);
	json_decref(header);
	return status;
}

static thaw_status parse(struct thaw_weights *w, const unsigned char *bytes, size_t size, const char *file)
{
	size_t length = 0;
	THAW_TRY(check_length(&length, bytes, size, size, file));
	const unsigned char *data = bytes + LENGTH_BYTES + length;
	return parse_header(w, bytes + LENGTH_BYTES, length, data, size - LENGTH_BYTES - length, file);
}

thaw_status thaw_safetensors_header_size(size_t *size, const void *bytes, uint64_t content, const char *name)
{
	size_t length = 0;
	THAW_TRY(check_length(&length, bytes, min_size(content, THAW_SAFETENSORS_START), content, name));
	*size = LENGTH_BYTES + length;
	return THAW_OK;
}

thaw_status thaw_safetensors_parse_header(struct thaw_weights *w, const void *bytes, size_t size, uint64_t content,
					  const char *file)
{
	const unsigned char *text = (const unsigned char *)bytes + LENGTH_BYTES;
	return parse_header(w, text, size - LENGTH_BYTES, NULL, content - size, file);
}

const struct thaw_weights_format thaw_format_safetensors = {
	.name = "safetensors",
	.matches = matches,
	.parse = parse,
};

/* Steals the reference to `value`. Fails if the key already exists, since a tensor would be lost. */
static thaw_status set_new(json_t *object, const char *key, json_t *value)
{
	if (json_object_get(object, key)) {
		json_decref(value);
		return thaw_fail(THAW_SOFTWARE, "two entries named %s in one safetensors file", key);
	}
	if (json_object_set_new(object, key, value) != 0)
		return thaw_fail(THAW_DATA,
				 "cannot write safetensors entry: %.100s: its name or text is not valid UTF-8", key);
	return THAW_OK;
}

static thaw_status add_tensor_entry(json_t *header, const struct thaw_named_tensor *t, uint64_t begin, uint64_t end)
{
	json_t *shape = json_array();
	int failed = !shape;
	for (int i = 0; i < t->shape.ndim && !failed; i++)
		failed = json_array_append_new(shape, json_integer(t->shape.dim[i]));
	if (failed) {
		json_decref(shape);
		return thaw_fail(THAW_RESOURCE, "out of memory: safetensors header");
	}
	json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", thaw_dtype_name(t->dtype), "shape", shape,
				  "data_offsets", (json_int_t)begin, (json_int_t)end);
	if (!entry)
		return thaw_fail(THAW_RESOURCE, "out of memory: safetensors header");
	return set_new(header, t->name, entry);
}

static thaw_status build_header(json_t *header, const struct thaw_weights *w)
{
	if (w->metadata_count > 0) {
		json_t *metadata = json_object();
		if (!metadata || json_object_set_new(header, METADATA, metadata) != 0)
			return thaw_fail(THAW_RESOURCE, "out of memory: safetensors header");
		for (int i = 0; i < w->metadata_count; i++)
			THAW_TRY(set_new(metadata, w->metadata[i].key, json_string(w->metadata[i].value)));
	}
	uint64_t begin = 0;
	for (int i = 0; i < w->count; i++) {
		const struct thaw_named_tensor *t = &w->tensors[i];
		uint64_t end = begin + (uint64_t)thaw_shape_count(&t->shape) * thaw_dtype_size(t->dtype);
		if (strcmp(t->name, METADATA) == 0)
			return thaw_fail(THAW_SOFTWARE, "a tensor named %s in a safetensors file", METADATA);
		THAW_TRY(add_tensor_entry(header, t, begin, end));
		begin = end;
	}
	return THAW_OK;
}

/* Writes the length, the JSON, and spaces so that the data starts at a multiple of ALIGNMENT. */
static thaw_status write_prefix(const char *json, struct thaw_sink *sink)
{
	static const char spaces[ALIGNMENT] = "        ";
	size_t length = strlen(json), padding = -length % ALIGNMENT;
	unsigned char prefix[LENGTH_BYTES];
	if (length + padding > MAX_HEADER)
		return thaw_fail(THAW_SOFTWARE, "safetensors header too long: %zu bytes", length);
	for (int i = 0; i < LENGTH_BYTES; i++)
		prefix[i] = (unsigned char)((uint64_t)(length + padding) >> 8 * i);
	THAW_TRY(sink->write(sink, prefix, sizeof(prefix)));
	THAW_TRY(sink->write(sink, json, length));
	return sink->write(sink, spaces, padding);
}

thaw_status thaw_safetensors_write_header(const struct thaw_weights *w, struct thaw_sink *sink)
{
	char *json = NULL;
	json_t *header = json_object();
	thaw_status status =
		header ? build_header(header, w) : thaw_fail(THAW_RESOURCE, "out of memory: safetensors header");
	if (status == THAW_OK) {
		json = json_dumps(header, JSON_COMPACT);
		status =
			json ? write_prefix(json, sink) : thaw_fail(THAW_RESOURCE, "out of memory: safetensors header");
	}
	free(json);
	json_decref(header);
	return status;
}

thaw_status thaw_safetensors_write(const struct thaw_weights *w, struct thaw_sink *sink)
{
	THAW_TRY(thaw_safetensors_write_header(w, sink));
	for (int i = 0; i < w->count; i++) {
		const struct thaw_named_tensor *t = &w->tensors[i];
		size_t bytes = (size_t)thaw_shape_count(&t->shape) * thaw_dtype_size(t->dtype);
		if (bytes > 0)
			THAW_TRY(sink->write(sink, t->data, bytes));
	}
	return THAW_OK;
}
