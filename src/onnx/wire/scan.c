/* A look over a message in wire format before it is unpacked.
 *
 * protobuf-c calls itself for every message within a message, so nested ones exhaust the stack; and a single field that
 * comes again is merged with what it was, which costs the square of the file's size. This walk calls nothing: it keeps
 * the open messages in an array, and knows from the descriptors which fields are messages.
 * Wire format: https://protobuf.dev/programming-guides/encoding/ */
#include "src/onnx/wire/scan.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "src/onnx/wire/file.h"

#define MAX_KEY_BYTES    5  /* protobuf-c reads no more; a key has 32 bits */
#define MAX_LENGTH_BYTES 5  /* the same of a length, which has 31 */
#define MAX_VALUE_BYTES  10 /* 64 bits, seven a byte */

enum wire { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_LENGTH = 2, WIRE_32BIT = 5 };

/* A message whose end has not been reached. */
struct level {
	const ProtobufCMessageDescriptor *type;
	const uint8_t *end;
	uint64_t seen; /* bit i: the single field fields[i] has come */
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

/* Reads a number of up to max_bytes bytes that lies before `end`. */
static thaw_status read_varint(struct scan *s, const uint8_t *end, int max_bytes, uint64_t *value)
{
	uint64_t v = 0;
	for (int i = 0; i < max_bytes; i++) {
		if (s->at == end)
			return damaged(s, "it ends within a number");
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
	json_t *string = json_stringn((const char *)text, size); /* checks UTF-8; NULL otherwise */
	json_decref(string);
	return string != NULL;
}

/* A field with a length, at s->at; `field` is NULL where onnx.proto does not know it. Opens messages, skips the rest.
 */
static thaw_status scan_length(struct scan *s, const ProtobufCFieldDescriptor *field)
{
	const uint8_t *end = s->levels[s->depth].end;
	uint64_t length = 0;
	THAW_TRY(read_varint(s, end, MAX_LENGTH_BYTES, &length));
	if (length > (uint64_t)(end - s->at))
		return damaged(s, "it ends within a field");
	if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
		if (s->depth + 1 == THAW_ONNX_MAX_DEPTH)
			return damaged(s, "more than 100 messages lie in one another");
		s->levels[++s->depth] = (struct level){.type = field->descriptor, .end = s->at + length};
		return THAW_OK;
	}
	if (field && field->type == PROTOBUF_C_TYPE_STRING && !is_free_text(field) && !is_name(s->at, length))
		return damaged(s, "a name is not text");
	s->at += length;
	return THAW_OK;
}

/* Notes that the field of the innermost message has come. */
static thaw_status note(struct scan *s, const ProtobufCFieldDescriptor *field)
{
	struct level *level = &s->levels[s->depth];
	uint64_t bit = UINT64_C(1) << (field - level->type->fields) % 64;
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return THAW_OK;
	if (level->seen & bit)
		return damaged(s, "a field that can be there once comes twice");
	level->seen |= bit;
	return THAW_OK;
}

static thaw_status scan_field(struct scan *s)
{
	const struct level *level = &s->levels[s->depth];
	uint64_t key = 0, ignored;
	THAW_TRY(read_varint(s, level->end, MAX_KEY_BYTES, &key));
	if (key > UINT32_MAX || key >> 3 == 0)
		return damaged(s, "a field has an impossible number");
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(level->type, (unsigned)(key >> 3));
	if (field)
		THAW_TRY(note(s, field));
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
		return damaged(s, "a field has an impossible type");
	}
	if ((size_t)(level->end - s->at) < fixed)
		return damaged(s, "it ends within a field");
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
