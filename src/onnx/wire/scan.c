/* Checks a message in wire format before it is unpacked.
 *
 * protobuf-c recurses into nested messages, so deep nesting exhausts the stack; and it merges repeated occurrences of a
 * singular field, at a cost quadratic in the file's size. This check is iterative: it keeps the open messages in an
 * array and takes the fields' types from the descriptors.
 *
 * Wire format: https://protobuf.dev/programming-guides/encoding/ */
#include "src/onnx/wire/scan.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/wire/file.h"

#define MAX_KEY_BYTES    5  /* protobuf-c's limit; keys have 32 bits */
#define MAX_LENGTH_BYTES 5  /* protobuf-c's limit; lengths have 31 bits */
#define MAX_VALUE_BYTES  10 /* 64 bits, 7 per byte */

enum wire { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_LENGTH = 2, WIRE_32BIT = 5 };

/* An open message. */
struct level {
	const ProtobufCMessageDescriptor *type;
	const uint8_t *end;
	uint64_t seen; /* bit i: the singular field fields[i] has occurred */
};

struct scan {
	const char *file;
	const uint8_t *start, *at;
	int depth; /* levels[0 .. depth] are open */
	struct level levels[THAW_ONNX_MAX_DEPTH];
};

static thaw_status damaged(const struct scan *s, const char *what)
{
	return thaw_fail(THAW_DATA, "not an ONNX model, or a damaged one: %s: byte %zu: %s: export or copy it again",
			 s->file, (size_t)(s->at - s->start), what);
}

/* Reads a varint of at most max_bytes bytes that must end by `end`. */
static thaw_status read_varint(struct scan *s, const uint8_t *end, int max_bytes, uint64_t *value)
{
	uint64_t v = 0;
	for (int i = 0; i < max_bytes; i++) {
		if (s->at == end)
			return damaged(s, "truncated within a number");
		uint8_t byte = *s->at++;
		v |= (uint64_t)(byte & 0x7f) << 7 * i;
		if (!(byte & 0x80)) {
			*value = v;
			return THAW_OK;
		}
	}
	return damaged(s, "a number is too long");
}

static bool is_free_text(const ProtobufCFieldDescriptor *field)
{
	return strcmp(field->name, "doc_string") == 0 || strcmp(field->name, "value") == 0;
}

static bool is_name(const uint8_t *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] < ' ' || text[i] == 0x7f)
			return false;
	json_t *string = json_stringn((const char *)text, size); /* NULL unless valid UTF-8 */
	json_decref(string);
	return string != NULL;
}

/* Reads a length-delimited field at s->at: opens a message, skips anything else. `field`: NULL if not in onnx.proto. */
static thaw_status scan_length(struct scan *s, const ProtobufCFieldDescriptor *field)
{
	const uint8_t *end = s->levels[s->depth].end;
	uint64_t length = 0;
	THAW_TRY(read_varint(s, end, MAX_LENGTH_BYTES, &length));
	if (length > (uint64_t)(end - s->at))
		return damaged(s, "truncated within a field");
	if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
		if (s->depth + 1 == THAW_ONNX_MAX_DEPTH)
			return damaged(s, "messages are nested more than 100 deep");
		s->levels[++s->depth] = (struct level){.type = field->descriptor, .end = s->at + length};
		return THAW_OK;
	}
	if (field && field->type == PROTOBUF_C_TYPE_STRING && !is_free_text(field) && !is_name(s->at, length))
		return damaged(s, "a name is not text");
	s->at += length;
	return THAW_OK;
}

/* Marks the field of the innermost message as seen; fails for a second occurrence of a singular field. */
static thaw_status mark_seen(struct scan *s, const ProtobufCFieldDescriptor *field)
{
	struct level *level = &s->levels[s->depth];
	uint64_t bit = UINT64_C(1) << (field - level->type->fields) % 64;
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return THAW_OK;
	if (level->seen & bit)
		return damaged(s, "a singular field occurs twice");
	level->seen |= bit;
	return THAW_OK;
}

static thaw_status scan_field(struct scan *s)
{
	const struct level *level = &s->levels[s->depth];
	uint64_t key = 0, ignored;
	THAW_TRY(read_varint(s, level->end, MAX_KEY_BYTES, &key));
	if (key > UINT32_MAX || key >> 3 == 0)
		return damaged(s, "a field has an invalid number");
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(level->type, (unsigned)(key >> 3));
	if (field)
		THAW_TRY(mark_seen(s, field));
	size_t fixed = 0;
	switch (key & 7) {
	case WIRE_VARINT:
		return read_varint(s, level->end, MAX_VALUE_BYTES, &ignored);
	case WIRE_LENGTH:
		return scan_length(s, field);
	case WIRE_64BIT:
		fixed = 8;
		break;
	case WIRE_32BIT:
		fixed = 4;
		break;
	default:
		return damaged(s, "a field has an invalid type");
	}
	if ((size_t)(level->end - s->at) < fixed)
		return damaged(s, "truncated within a field");
	s->at += fixed;
	return THAW_OK;
}

thaw_status thaw_onnx_scan(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size, const char *file)
{
	struct scan s = {.file = file, .start = bytes, .at = bytes, .levels = {{.type = type, .end = bytes + size}}};
	while (s.depth >= 0) {
		if (s.at == s.levels[s.depth].end)
			s.depth--;
		else
			THAW_TRY(scan_field(&s));
	}
	return THAW_OK;
}
